"""What a task is told by whoever starts it."""

from quintet.kernel.settings import Settings, setting


class Task(Settings):
    """Which job, and which attempt at it, this task is for."""

    job: str = setting("QUINTET_JOB_KEY", "The job, <caller>#<job_id>.")
    attempt: int = setting("QUINTET_JOB_ATTEMPT", "Which start of the job this is.", ge=1)
    metadata_uri: str = setting("ECS_CONTAINER_METADATA_URI_V4", "Set by ECS: where a task learns its ARN.", default="")
    arn: str = setting("QUINTET_TASK_ARN", "The task's name, where ECS tells none.", default="")


class Trainer(Settings):
    """How the trainer works."""

    library: str = setting(
        "DETECTOR_LIBRARY",
        "`libreyolo`, or `ultralytics` where that is installed; on one machine also any <module>:<factory>.",
        default="libreyolo",
    )
    scratch: str = setting("TRAINER_SCRATCH", "Folder for datasets and checkpoints; empty: the system's.", default="")
    mlflow: str = setting("MLFLOW_TRACKING_URI", "MLflow's server, for a record of each run; empty: none.", default="")
    experiment: str = setting("MLFLOW_EXPERIMENT_NAME", "Under which runs are recorded.", default="training")
