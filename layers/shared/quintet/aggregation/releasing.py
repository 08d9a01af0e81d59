"""A sum is released: read by the job's schema, durable in the bucket, and then, in one step, the job's result."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from quintet.aggregation import results
from quintet.aggregation.decoding import decoded
from quintet.aggregation.jobs import Job
from quintet.aggregation.kept import final_key, final_result
from quintet.aggregation.ledger import Ledger
from quintet.aggregation.messages import Outcome
from quintet.aggregation.ports import Objects
from quintet.aggregation.schema import features_of
from quintet.kernel.clock import Clock
from quintet.kernel.errors import InvalidInput
from quintet.kernel.rows import Create

JSON = "application/json"


@dataclass(frozen=True)
class Release:
    """`deliveries` gives the outbox's rows of a job that is completed at a moment."""

    ledger: Ledger
    objects: Objects
    deliveries: Callable[[str, datetime], Sequence[Create]]
    clock: Clock

    def completed(self, job: Job, outcome: Outcome) -> Job:
        """The job, COMPLETED with this sum. Whoever does it again writes the same bytes.

        A result without a schema says nothing that could be delivered; it is there to be asked for.

        Raises InvalidInput, and has then released nothing, for a sum of too few clients or one that the schema does not
        fit; Overtaken and Unavailable.
        """
        summed = outcome.clients or job.clients
        if len(summed) < job.minimum:
            raise InvalidInput(
                f"the sum is over {len(summed)} clients, and none over fewer than {job.minimum} is released"
            )
        features = meaning(job, outcome)
        try:
            final = final_result(job.id, outcome, features)
        except ValueError as error:
            raise InvalidInput(f"the result can't be written as JSON: {error}") from error
        self.objects.put(final_key(job.id), final.encode(), content_type=JSON)
        self.objects.put(results.key_of(job.id), results.kept(job.id, summed, features), content_type=JSON)
        moment = self.clock.now()
        return self.ledger.complete(job, summed, moment, self.deliveries(job.id, moment) if features else ())


def meaning(job: Job, outcome: Outcome) -> list[dict[str, Any]]:
    """The decoded features; none where the job has no schema. Raises InvalidInput."""
    if job.schema_items is None:
        return []
    try:
        return decoded(features_of(job.schema_items), outcome.output)
    except InvalidInput as error:
        raise InvalidInput(f"the sum does not fit the schema: {error.message}", **error.details) from error
