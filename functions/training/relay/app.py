"""Requests over RabbitMQ: Amazon MQ → bodies unchanged, properties as attributes → the SQS queue of the same role."""

from quintet.entry.ports import Queue
from quintet.entry.relay import from_rabbitmq
from quintet.training.wiring import TrainingRoom, training


@from_rabbitmq(deps=training)
def handler(queue: str, room: TrainingRoom) -> Queue | None:
    return room.routes.get(queue)
