"""The documented keys of the aggregation's jobs, in memory: the same steps as in Redis, held to the same contract."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock

from quintet.kernel.clock import Clock, SystemClock
from quintet.kernel.errors import Unavailable
from quintet.kernel.job_keys import DurableJob, JobHash, Recorded


@dataclass
class _Keys:
    total: int
    schema_text: str
    final_result: str
    clients: dict[str, None]
    expires_at: datetime


@dataclass
class MemoryJobKeys:
    """While `away`, it raises Unavailable."""

    clock: Clock = field(default_factory=SystemClock)
    away: bool = False
    _stored: dict[str, _Keys] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def record(self, job: str, client: str, durable: DurableJob) -> Recorded:
        with self._lock:
            standing = self._standing(job)
            keys = standing or self._made(job, durable)
            stores = bool(durable.schema_text) and (standing is None or not keys.schema_text)
            keys.schema_text, keys.expires_at = keys.schema_text or durable.schema_text, durable.expires_at
            new, full = client not in keys.clients, len(keys.clients) >= keys.total
            if new and not full:
                keys.clients[client] = None
            counted = Recorded(new and not full, len(keys.clients), keys.total, new and full)
            return counted._replace(created=standing is None, schema_stored=stores)

    def read(self, job: str) -> JobHash | None:
        with self._lock:
            keys = self._standing(job)
        if keys is None:
            return None
        return JobHash(keys.total, len(keys.clients), keys.schema_text, keys.final_result, tuple(keys.clients))

    def write(self, job: str, durable: DurableJob) -> None:
        with self._lock:
            before = self._standing(job)
            keys = self._made(job, durable)
            if before is not None:
                keys.schema_text = keys.schema_text or before.schema_text
                keys.final_result = keys.final_result or before.final_result
                keys.clients |= {} if durable.final else before.clients

    def absent(self, jobs: Sequence[str]) -> list[str]:
        with self._lock:
            return [job for job in jobs if self._standing(job) is None]

    def flush(self) -> None:
        """All is lost, as in a Redis that was started anew."""
        self._stored.clear()

    def _made(self, job: str, durable: DurableJob) -> _Keys:
        clients = dict.fromkeys(durable.clients)
        keys = _Keys(durable.total, durable.schema_text, durable.final_result, clients, durable.expires_at)
        self._stored[job] = keys
        return keys

    def _standing(self, job: str) -> _Keys | None:
        if self.away:
            raise Unavailable("the cache does not answer")
        found = self._stored.get(job)
        return found if found is not None and found.expires_at > self.clock.now() else None
