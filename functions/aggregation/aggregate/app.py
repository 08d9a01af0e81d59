"""Looking after jobs: SQS (from the room and a schedule) → aggregations are started, ended and summed → the outbox."""

from quintet.aggregation.messages import Nudge
from quintet.aggregation.wiring import AggregationRoom, aggregation
from quintet.entry.queues import on_queue


@on_queue(Nudge, deps=aggregation, said_by="[Aggregator]")
def handler(nudge: Nudge, room: AggregationRoom) -> None:
    room.driver.look_after(nudge)
