"""Who plays which part in a task of the trainer. The room's own parts are those of quintet.training.wiring."""

import json
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from urllib.request import urlopen

from aws_lambda_powertools import Logger

from gpu_workers.trainer.attempt import Attempt, Provisions
from gpu_workers.trainer.libraries import library
from gpu_workers.trainer.runs import NoRecord, Record
from gpu_workers.trainer.settings import Task, Trainer
from gpu_workers.trainer.telling import Teller
from quintet.adapters.s3_files import S3Files
from quintet.kernel.errors import InvalidInput, Misconfigured
from quintet.kernel.ids import new_id
from quintet.kernel.log import logger
from quintet.kernel.settings import read
from quintet.training.jobs import Claim, Job, JobKey
from quintet.training.messages import ConvertRequest, TrainRequest
from quintet.training.wiring import TrainingRoom
from quintet.training.work import Work

METADATA_SECONDS = 2.0


@dataclass
class TrainerTask:
    """Everything that one task needs, made when first asked for."""

    room: TrainingRoom = field(default_factory=TrainingRoom)

    @cached_property
    def task(self) -> Task:
        return read(Task)

    @cached_property
    def settings(self) -> Trainer:
        return read(Trainer)

    @cached_property
    def log(self) -> Logger:
        log = logger("training-trainer")
        log.append_keys(job_id=self.key.job_id, caller=self.key.caller, attempt=self.task.attempt)
        return log

    @cached_property
    def key(self) -> JobKey:
        return JobKey.parse(self.task.job)

    @cached_property
    def teller(self) -> Teller:
        line = self.room.rabbitmq if self.room.broker.usable else None
        return Teller(self.room.outbox, self.key, line, self.log)

    @cached_property
    def work(self) -> Work:
        claim = Claim(self.task.attempt, holder(self.task))
        ledger = replace(self.room.ledger, on_outgoing=self.teller.hear)
        return Work(ledger, self.key, claim, self.room.clock)

    def attempt(self) -> Attempt:
        return Attempt(
            Provisions(
                work=self.work,
                files=S3Files(self.room.bucket),
                access=self.room.access,
                request=self.request,
                library=partial(library, self.settings.library, local=self.room.place.local),
                record=self.record,
                teller=self.teller,
                log=self.log,
                device=self.room.defaults.device or None,
                scratch=Path(self.settings.scratch) if self.settings.scratch else None,
            )
        )

    def request(self, job: Job) -> TrainRequest | ConvertRequest:
        """Raises InvalidInput, PermissionDenied."""
        self.log.append_keys(correlation_id=job.correlation)
        asked = self.room.submissions.checked(job.kind, job.request, job.caller)
        if not isinstance(asked, TrainRequest | ConvertRequest):
            raise InvalidInput(f"A job of kind {job.kind} is not for a task.")
        return asked

    def record(self, job: Job) -> Record | NoRecord:
        if not self.settings.mlflow:
            return NoRecord()
        from quintet.adapters.mlflow_runs import MlflowRuns

        tags = {"quintet.job": str(job.key), "quintet.run": str(job.run)}
        return Record(MlflowRuns(self.settings.mlflow, self.settings.experiment), job.job_id, tags, self.log)


def holder(task: Task) -> str:
    """The task's ARN, as ECS tells it; a name of its own where there is no ECS. Raises Misconfigured."""
    if not task.metadata_uri:
        return task.arn or new_id()
    try:
        with urlopen(f"{task.metadata_uri}/task", timeout=METADATA_SECONDS) as answer:  # noqa: S310 -- ECS sets it
            return str(json.load(answer)["TaskARN"])
    except (OSError, ValueError, KeyError) as error:
        raise Misconfigured("ECS_CONTAINER_METADATA_URI_V4 does not tell the task's ARN", reason=str(error)) from error
