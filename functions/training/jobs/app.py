"""Deferred requests of the training room: SQS → the same routes that answer HTTP → the kept answer."""

from quintet.entry.deferral import DeferredRequest, perform
from quintet.entry.queues import on_queue
from quintet.training.http import app
from quintet.training.wiring import TrainingRoom, training


@on_queue(DeferredRequest, deps=training)
def handler(request: DeferredRequest, room: TrainingRoom) -> None:
    perform(request, room.jobs, app)
