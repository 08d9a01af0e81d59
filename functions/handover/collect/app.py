"""Collecting: SQS → the NEF emulator's UEs, look by look → samples in S3; longer ones in a task."""

from quintet.entry.queues import on_queue
from quintet.handover.messages import CollectMessage
from quintet.handover.wiring import HandoverRoom, handover


@on_queue(CollectMessage, deps=handover)
def handler(message: CollectMessage, room: HandoverRoom) -> None:
    room.collect(message.run)
