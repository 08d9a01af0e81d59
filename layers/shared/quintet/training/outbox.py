"""Publishing what the ledger says is to be told: in order, at least once, the same bytes under the same name.

Whoever publishes begins with the oldest message that is left and forgets each only when the broker has it. Two
publishers of one job may so tell a thing twice, but never a later one before an earlier one was told.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from quintet.training.jobs import JobKey
from quintet.training.ledger import Ledger, Outgoing
from quintet.training.messages import Kind
from quintet.training.ports import Publisher
from quintet.training.settings import QueueNames


@dataclass(frozen=True)
class Outbox:
    ledger: Ledger
    publisher: Publisher
    queues: QueueNames

    def drain(self, key: JobKey) -> int:
        """How many messages of the job were published. Raises Unavailable; what was not published stays."""
        waiting = self.ledger.unpublished(key)
        for outgoing in waiting:
            self.publish(outgoing)
        return len(waiting)

    def publish(self, outgoing: Outgoing) -> None:
        for queue in self.targets(outgoing):
            self.publisher.publish(
                queue, outgoing.body, message_id=outgoing.message_id, correlation_id=outgoing.correlation
            )
        self.ledger.published(outgoing)

    def targets(self, outgoing: Outgoing) -> list[str]:
        if outgoing.audience == "update":
            return [self.queues.train_update]
        results: Mapping[Kind, str] = {
            "train": self.queues.train_result,
            "convert": self.queues.convert_result,
            "inference": self.queues.inference_result,
        }
        twice = self.queues.outcomes_on_update_queue and outgoing.kind != "train"
        return [results[outgoing.kind], *([self.queues.train_update] if twice else [])]
