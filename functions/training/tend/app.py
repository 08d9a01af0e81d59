"""Looking after jobs: SQS (from the room, a schedule, and ECS's events) → tasks are started, revived, given up."""

from quintet.entry.queues import on_queue
from quintet.training.nudges import Nudge
from quintet.training.wiring import TrainingRoom, training


@on_queue(Nudge, deps=training, said_by="[Handler]")
def handler(nudge: Nudge, room: TrainingRoom) -> None:
    room.tending.look_after(nudge)
