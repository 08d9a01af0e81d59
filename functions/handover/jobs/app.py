"""Deferred requests of the handover room: SQS → the same routes that answer HTTP → the kept answer."""

from quintet.entry.deferral import DeferredRequest, perform
from quintet.entry.queues import on_queue
from quintet.handover.http import app
from quintet.handover.wiring import HandoverRoom, handover


@on_queue(DeferredRequest, deps=handover)
def handler(request: DeferredRequest, room: HandoverRoom) -> None:
    perform(request, room.jobs, app)
