"""Deferred requests of the glucose room: SQS → the same routes that answer HTTP → the kept answer."""

from quintet.entry.deferral import DeferredRequest, perform
from quintet.entry.queues import on_queue
from quintet.glucose.http import app
from quintet.glucose.wiring import GlucoseRoom, glucose


@on_queue(DeferredRequest, deps=glucose)
def handler(request: DeferredRequest, room: GlucoseRoom) -> None:
    perform(request, room.jobs, app)
