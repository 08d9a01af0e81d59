"""Settings of the training room, by their names in the original service."""

import json
from typing import Annotated, Any

from pydantic import BeforeValidator

from quintet.kernel.settings import BrokerSettings, Settings, setting


class Broker(BrokerSettings):
    """RabbitMQ. Without it the room serves HTTP and SQS alone."""

    enabled: bool = setting("ENABLE_RABBITMQ", "Tell outcomes on RabbitMQ; else on SQS queues.", default=True)

    @property
    def usable(self) -> bool:
        return self.enabled and bool(self.host)


class QueueNames(Settings):
    """The queues on RabbitMQ."""

    train_request: str = setting("TRAIN_REQUEST_QUEUE", "Requests to train.", default="train_request_q")
    train_result: str = setting("TRAIN_RESULT_QUEUE", "Outcomes of training.", default="train_result_q")
    train_update: str = setting("TRAIN_UPDATE_QUEUE", "Starts and progress of all jobs.", default="train_update_q")
    convert_request: str = setting("CONVERT_REQUEST_QUEUE", "Requests to convert.", default="convert_request_q")
    convert_result: str = setting("CONVERT_RESULT_QUEUE", "Outcomes of conversions.", default="convert_result_q")
    inference_request: str = setting("INFERENCE_REQUEST_QUEUE", "Requests to detect.", default="inference_request_q")
    inference_result: str = setting("INFERENCE_RESULT_QUEUE", "Outcomes of detection.", default="inference_result_q")
    outcomes_on_update_queue: bool = setting(
        "OUTCOMES_ON_UPDATE_QUEUE",
        "Outcomes of conversion and detection go to the update queue, too, where the original's listeners wait.",
        default=True,
    )


class Defaults(Settings):
    """What a request leaves open, and how much runs at once."""

    jobs_at_once: int = setting(
        "MAX_CONCURRENT_JOBS", "Trainings at once; as many conversions besides.", default=2, ge=1, le=50
    )
    epochs: int = setting("DEFAULT_EPOCHS", "Epochs, where a request names none.", default=100, ge=1, le=1000)
    batch: int = setting("DEFAULT_BATCH_SIZE", "Images in a batch, likewise.", default=16, ge=1, le=512)
    imgsz: int = setting("DEFAULT_IMAGE_SIZE", "Longer side of an image in pixels, likewise.", default=640, ge=32)
    model: str = setting("DEFAULT_MODEL", "Weights for detection, where a request names none.", default="yolov8n.pt")
    models_dir: str = setting("MODELS_DIR", "Where models lie in the bucket.", default="models")
    uploads_dir: str = setting("UPLOADS_DIR", "Where uploads lie in the bucket.", default="uploads")
    tensorrt: bool = setting("ENABLE_TENSORRT", "Convert to TensorRT where a GPU is.", default=True)
    device: str = setting("CUDA_DEVICE", "The GPU to train on; empty: the first, or the CPU.", default="")


class Keys(Settings):
    """Who may call over HTTP. The door is open only where QUINTET_LOCAL is true and keys are not enabled."""

    enabled: bool = setting("ENABLE_API_KEYS", "Ask for an API key locally too; elsewhere it always is.", default=False)
    secret_arn: str = setting("TRAINING_API_KEYS_SECRET_ARN", "Secrets Manager secret: one key a line.", default="")


def _as_grants(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


class Access(Settings):
    """Whose the bucket's folders are."""

    grants: Annotated[dict[str, list[str]], BeforeValidator(_as_grants)] = setting(
        "TRAINING_GRANTS",
        'Folders that a caller may use besides its own, as JSON: {"broker": ["datasets/"]}. `broker` is whoever speaks '
        "over RabbitMQ or SQS or through an open HTTP door, `key-…` the owner of an API key.",
        default={"broker": ["datasets/", "models/", "images/", "uploads/"]},
    )
    backend: str = setting(
        "TRAINING_BACKEND",
        "The caller behind messages; `key-…` makes jobs of the broker and of that API key one caller's.",
        default="broker",
        min_length=1,
    )

    @property
    def folders(self) -> dict[str, list[str]]:
        """The grants; those of `broker` are the backend's, whatever it is called."""
        return {self.backend: self.grants.get("broker", []), **self.grants}


class Work(Settings):
    """Where the heavy work runs."""

    cluster: str = setting("QUINTET_CLUSTER", "ECS cluster of the training tasks.", default="")
    task_definition: str = setting("QUINTET_TRAINER_TASK", "ECS task definition of the trainer.", default="")
    capacity_provider: str = setting("QUINTET_CAPACITY_PROVIDER", "ECS capacity provider; empty: Fargate.", default="")
    subnets: str = setting("QUINTET_SUBNETS", "Subnets of the tasks, with commas between.", default="")
    security_groups: str = setting("QUINTET_SECURITY_GROUPS", "Security groups of the tasks, likewise.", default="")
    patience_minutes: int = setting(
        "QUINTET_START_PATIENCE_MINUTES", "How long a task may take to start: capacity and image.", default=15, ge=1
    )
    tend_queue_url: str = setting("QUINTET_TEND_QUEUE_URL", "SQS queue of what is to be looked after.", default="")
    publish_queue_url: str = setting("QUINTET_PUBLISH_QUEUE_URL", "SQS queue of what is to be told.", default="")
    train_queue_url: str = setting("QUINTET_TRAIN_QUEUE_URL", "SQS queue of requests to train.", default="")
    convert_queue_url: str = setting("QUINTET_CONVERT_QUEUE_URL", "SQS queue of requests to convert.", default="")
    inference_queue_url: str = setting("QUINTET_INFERENCE_QUEUE_URL", "SQS queue of requests to detect.", default="")
    told_queue_urls: str = setting(
        "QUINTET_TOLD_QUEUE_URLS",
        'SQS queues that take the place of RabbitMQ\'s where there is none, as JSON: {"train_update_q": "https://…"}.',
        default="{}",
    )
