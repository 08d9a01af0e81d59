"""What the room does, in the lines that readers of the original's log know. Each part is wrapped, and does the same.

Names and schemas are told, as the original does; no owner's values come this way.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from quintet.aggregation.messages import Outcome, Update
from quintet.aggregation.orchestration import Caller, UpdateAnswer
from quintet.aggregation.ports import Aggregator
from quintet.aggregation.results_handler import Say
from quintet.kernel.errors import QuintetError
from quintet.kernel.job_keys import DurableJob, JobHash, JobKeys, Recorded
from quintet.kernel.text import printable

SHOWN_CHARACTERS = 2000
"""Of a schema."""


class Reports(Protocol):
    """Of the orchestrator, what the door asks for."""

    def update(self, update: Update, caller: Caller) -> UpdateAnswer: ...
    def status(self, job_id: str, caller: Caller) -> dict[str, Any]: ...


@dataclass(frozen=True)
class NarratedReports:
    reports: Reports
    say: Say

    def update(self, update: Update, caller: Caller) -> UpdateAnswer:
        about = f"job={update.job}, clientId={update.client}"
        self.say("info", f"[Orchestrator] Update received: {about}, totalClients={update.total}")
        with told(self.say, f"[Orchestrator] Update refused: {about}"):
            answer = self.reports.update(update, caller)
        for line in update_lines(update, answer):
            self.say("info", f"[Orchestrator] {line}")
        return answer

    def status(self, job_id: str, caller: Caller) -> dict[str, Any]:
        with told(self.say, f"[Orchestrator] No status of job {printable(job_id)}"):
            answer = self.reports.status(job_id, caller)
        self.say("info", f"[Orchestrator] {answer['message']}")
        return answer


def update_lines(update: Update, answer: UpdateAnswer) -> Iterator[str]:
    about = f"job={update.job}, clientId={update.client}"
    if answer.opened:
        yield f"Created job {update.job} with totalClients={answer.job.total}"
    if answer.schema_stored:
        yield f"Stored schema for job {update.job}"
    if answer.new:
        yield f"{about} registered, doneCount={answer.done}/{answer.job.total}"
    elif answer.job.state == "COMPLETED":
        yield answer.message
    else:
        yield f"{about} already updated. No increment."
    if answer.triggered:
        yield f"All clients done for job {update.job}. Triggering aggregator in background."


@dataclass(frozen=True)
class NarratedKeys:
    keys: JobKeys
    say: Say

    def record(self, job: str, client: str, durable: DurableJob) -> Recorded:
        with told(self.say, f"[RedisService] job={job} could not be updated"):
            recorded = self.keys.record(job, client, durable)
        if recorded.created:
            self._say(f"Created job record for {job} with totalClients={recorded.total}")
        if recorded.schema_stored:
            self._say(f"Stored schema for job {job}: {_shown(durable.schema_text)}")
        if recorded.new:
            self._say(f"job={job}, clientId={client}, doneCount={recorded.done}/{recorded.total}")
        return recorded

    def read(self, job: str) -> JobHash | None:
        with told(self.say, f"[RedisService] job={printable(job)} could not be read"):
            return self.keys.read(job)

    def write(self, job: str, durable: DurableJob) -> None:
        with told(self.say, f"[RedisService] job={job} could not be brought up to date"):
            self.keys.write(job, durable)
        done = (
            "finalResult stored" if durable.final_result else f"doneCount={len(durable.clients)}/{durable.total} stored"
        )
        self._say(f"{done} for job {job}.")

    def absent(self, jobs: Sequence[str]) -> list[str]:
        with told(self.say, "[RedisService] jobs could not be looked for"):
            return self.keys.absent(jobs)

    def _say(self, line: str) -> None:
        self.say("info", f"[RedisService] {line}")


@dataclass(frozen=True)
class NarratedAggregator:
    aggregator: Aggregator
    say: Say

    def start(
        self, job: str, clients: Sequence[str], *, size: int | None, minimum: int, round_seconds: float | None
    ) -> None:
        self.say("info", f"[Aggregator] Starting secure aggregation for job {job} with clients: {', '.join(clients)}")
        with told(self.say, f"[Aggregator] Secure aggregation for job {job} could not be started"):
            self.aggregator.start(job, clients, size=size, minimum=minimum, round_seconds=round_seconds)
        self.say("info", f"[Aggregator] Secure aggregation started for job {job}.")

    def outcome(self, job: str) -> Outcome:
        with told(self.say, f"[Aggregator] No outcome of job {job}"):
            outcome = self.aggregator.outcome(job)
        if outcome.status == "COMPLETED":
            self.say("info", f"[Aggregator] Aggregation completed for job {job}.")
        elif outcome.status == "FAILED":
            self.say("error", f"[Aggregator] Aggregation failed for job {job}: {printable(outcome.message)}")
        else:
            self.say("info", f"[Aggregator] job {job} in progress, status={outcome.status}")
        return outcome


@contextmanager
def told(say: Say, what: str) -> Iterator[None]:
    """An error is told, and goes on. What is refused is the caller's business; what fails is ours."""
    try:
        yield
    except QuintetError as error:
        say("error" if error.status >= 500 else "warning", f"{what}: {printable(error.message)}")
        raise


def _shown(schema: str) -> str:
    return printable(schema if len(schema) <= SHOWN_CHARACTERS else f"{schema[:SHOWN_CHARACTERS]}…")
