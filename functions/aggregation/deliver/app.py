"""Telling results: SQS → what the outbox holds of a job → the results' endpoint, a caller's address, and files."""

from quintet.aggregation.outbox import Errand
from quintet.aggregation.wiring import AggregationRoom, aggregation
from quintet.entry.queues import on_queue


@on_queue(Errand, deps=aggregation, said_by="[Aggregator]")
def handler(errand: Errand, room: AggregationRoom) -> None:
    room.deliverer.deliver(errand)
