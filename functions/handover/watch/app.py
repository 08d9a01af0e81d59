"""Watching: SQS (from a schedule, and ECS's events) → drifts of the data, ended leases, retrainings that are due."""

from quintet.entry.queues import on_queue
from quintet.handover.messages import WatchMessage
from quintet.handover.wiring import HandoverRoom, handover


@on_queue(WatchMessage, deps=handover)
def handler(message: WatchMessage, room: HandoverRoom) -> None:
    room.watch()
