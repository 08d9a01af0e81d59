"""Requests to detect: SQS → the ledger → the model → the outbox."""

from quintet.entry.queues import on_queue
from quintet.training.messages import Order
from quintet.training.wiring import TrainingRoom, training


@on_queue(Order, deps=training, said_by="[Handler]")
def handler(order: Order, room: TrainingRoom) -> None:
    room.detecting.perform(room.take("inference", order))
