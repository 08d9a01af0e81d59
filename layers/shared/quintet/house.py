"""What every room has: its place, its part of the shared state, and who may come in.

A room's wiring builds on `Housed`; parts are made when first asked for, so that each function pays only for its own.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from quintet.adapters.dynamodb import DynamoRecords, done_messages
from quintet.adapters.dynamodb_rows import DynamoRows
from quintet.adapters.redis_connection import RedisConnection
from quintet.adapters.redis_store import RedisCache
from quintet.adapters.s3 import S3Objects
from quintet.adapters.secrets import renewed_secret_text, secret_text
from quintet.adapters.sqs import SqsQueue
from quintet.entry.caller import ApiKeyGate
from quintet.entry.ports import Objects, Queue
from quintet.kernel.clock import Clock, SystemClock
from quintet.kernel.rows import Rows
from quintet.kernel.settings import HttpSettings, PlaceSettings, read

if TYPE_CHECKING:  # a worker without an HTTP door has none of its libraries
    from aws_lambda_powertools.utilities.idempotency.persistence.base import BasePersistenceLayer

    from quintet.entry.deferral import Deferrals
    from quintet.entry.uploads import Uploads

MIB = 1024 * 1024


@dataclass
class Housed:
    """`room` is its name, which stands before all that it keeps in the shared table."""

    room: ClassVar[str]

    clock: Clock = field(default_factory=SystemClock)

    @cached_property
    def place(self) -> PlaceSettings:
        return read(PlaceSettings)

    @cached_property
    def bucket(self) -> str:
        return self.place.bucket

    @cached_property
    def objects(self) -> Objects:
        return S3Objects(self.bucket)

    @cached_property
    def rows(self) -> Rows:
        return DynamoRows(self.place.table)

    @cached_property
    def dead_letters(self) -> Queue:
        return SqsQueue(self.place.jobs_dead_letters_url)

    @cached_property
    def done_messages(self) -> "BasePersistenceLayer":
        return done_messages(self.place.table, room=self.room)

    @cached_property
    def uploads(self) -> "Uploads | None":
        from quintet.entry.uploads import Uploads

        if not self.bucket:
            return None
        return Uploads(self.objects, read(HttpSettings).upload_limit_mb * MIB, self.clock)

    @cached_property
    def deferrals(self) -> "Deferrals | None":
        return self.jobs if self.place.jobs_queue_url else None

    @cached_property
    def jobs(self) -> "Deferrals":
        from quintet.entry.claims import ClaimCheckQueue
        from quintet.entry.deferral import Deferrals

        queue = ClaimCheckQueue(SqsQueue(self.place.jobs_queue_url), self.objects, self.bucket)
        return Deferrals(self.room, DynamoRecords(self.place.table), self.objects, queue, self.clock)

    def api_key_gate(self, *, enabled: bool, secret_arn: str) -> ApiKeyGate:
        """Keys are always asked for but in local mode, where they are `enabled`."""
        return ApiKeyGate(
            keys_text=lambda: secret_text(secret_arn) if secret_arn else "",
            required=enabled or not self.place.local,
            renewed_keys_text=lambda: renewed_secret_text(secret_arn) if secret_arn else "",
        )

    def redis_cache(self, *, timeout: float) -> RedisCache | None:
        """None where REDIS_URL names none."""
        url = self.place.redis_url.get_secret_value()
        return RedisCache(url, timeout=timeout, password=lambda: redis_password(self.place)) if url else None

    def redis(self, *, timeout: float) -> RedisConnection | None:
        """None where REDIS_URL names none."""
        url = self.place.redis_url.get_secret_value()
        return RedisConnection(url, timeout=timeout, password=lambda: redis_password(self.place)) if url else None


def redis_password(place: PlaceSettings) -> str:
    """Empty where REDIS_URL holds it, or there is none."""
    given = place.redis_password.get_secret_value()
    return given or (secret_text(place.redis_secret_arn).strip() if place.redis_secret_arn else "")
