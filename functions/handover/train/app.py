"""Training: SQS → the run's samples → a model, here or in a task → a version, live where it is better."""

from quintet.entry.queues import on_queue
from quintet.handover.messages import TrainMessage
from quintet.handover.wiring import HandoverRoom, handover


@on_queue(TrainMessage, deps=handover)
def handler(message: TrainMessage, room: HandoverRoom) -> None:
    room.train(message.run)
