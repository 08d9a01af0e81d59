"""Jobs that a room promises at its door, and that whoever does the work fulfils.

Where work is done twice, by a message that came twice, the first answer stands.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from quintet.entry.caller import Caller
from quintet.entry.jobs import GIVEN_UP_AFTER, KEPT, Deferrals, Job, job_of, key_of, new_record, result_key
from quintet.kernel.errors import Conflict, NotFound
from quintet.kernel.ids import new_id

JSON = "application/json"
OPEN = {"response_status": None}


@dataclass(frozen=True)
class KeptPromises:
    deferrals: Deferrals

    def promise(self, caller: Caller, *, patience: timedelta = GIVEN_UP_AFTER) -> Job:
        """A new job of `caller`'s, durable. Not fulfilled after `patience`, it counts as failed. Raises Unavailable."""
        job_id, now = new_id(), self.deferrals.clock.now()
        record = new_record(job_id, now, patience)
        seconds = int(max(KEPT, 2 * patience).total_seconds())
        self.deferrals.records.create(key_of(self.deferrals, caller.id, job_id), record, seconds=seconds)
        return job_of(record, now)

    def report(self, caller: str, job: str, progress: Mapping[str, Any]) -> None:
        """The work is going on, and so far. Nothing happens where it is fulfilled, or forgotten."""
        changes = {"status": "running", "progress": dict(progress)}
        with suppress(Conflict, NotFound):
            self.deferrals.records.update(key_of(self.deferrals, caller, job), changes, expect=OPEN)

    def fulfil(self, caller: str, job: str, status: int, body: bytes, *, content_type: str = JSON) -> None:
        """Keep the answer that the request would have had. Nothing happens where one is kept, or the job forgotten."""
        key, kept = key_of(self.deferrals, caller, job), result_key(caller, job)
        completed = {"status": "completed", "response_status": status, "result_key": kept}
        with suppress(Conflict, NotFound):
            if self.deferrals.records.read(key).get("response_status") is None:
                self.deferrals.objects.put(kept, body, content_type=content_type)
                self.deferrals.records.update(key, completed, expect=OPEN)
