"""Telling: SQS → what the ledger's outbox holds of a job → RabbitMQ, or the SQS queues that stand for it."""

from quintet.entry.queues import on_queue
from quintet.training.jobs import JobKey
from quintet.training.nudges import Nudge
from quintet.training.wiring import TrainingRoom, training


@on_queue(Nudge, deps=training, said_by="[Handler]")
def handler(nudge: Nudge, room: TrainingRoom) -> None:
    room.outbox.drain(JobKey.parse(nudge.job))
