"""Who watches a history: what was durable when, what was told in which order, and whether the promises were kept."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from quintet.adapters.memory_rows import MemoryRows
from quintet.kernel.rows import Change, Create, Place, Remove, Write
from quintet.training.jobs import ENDED
from quintet.training.ledger import ACTIVE, OUTBOX, job_of

OUTCOMES = {
    "train": {"completed": "training_completed", "failed": "training_failed", "cancelled": "training_cancelled"},
    "convert": {"completed": "conversion_completed", "failed": "conversion_failed", "cancelled": "conversion_failed"},
    "inference": {"completed": "inference_completed", "failed": "inference_failed", "cancelled": "inference_failed"},
}
STARTS = {"train": "training_started", "convert": "conversion_started", "inference": "inference_started"}
RESULT_QUEUES = {"train": "train_result_q", "convert": "convert_result_q", "inference": "inference_result_q"}
Run = tuple[str, int]


class Violation(AssertionError):
    """A promise was broken."""


def demand(kept: object, promise: str, *seen: object) -> None:
    if not kept:
        raise Violation(": ".join([promise, *map(str, seen)]))


@dataclass(frozen=True)
class Told:
    """A message as it stood in the outbox, and the queues that it is for."""

    run: Run
    number: int
    queues: frozenset[str]
    text: str
    body: Mapping[str, Any]


@dataclass
class Witness:
    rows: MemoryRows
    at_once: int
    twice: bool
    told: dict[str, Told] = field(default_factory=dict)
    named: dict[str, str] = field(default_factory=dict)
    published: list[tuple[str, str]] = field(default_factory=list)
    to_be_cancelled: set[Run] = field(default_factory=set)

    def saw_written(self, step: tuple[Write, ...]) -> None:
        """After a step of rows has become durable."""
        for write in step:
            if write.place.partition == OUTBOX and isinstance(write, Create):
                self._saw_told(write)
            elif write.place.partition == OUTBOX and isinstance(write, Remove):
                self._saw_forgotten(write)
            elif write.place.name == "job" and isinstance(write, Change):
                self._saw_job(write)

    def saw_published(self, queue: str, text: str, message: str) -> None:
        told = self.told.get(message)
        if told is None:
            raise Violation(f"published before it was durable: {text}")
        demand(text == told.text, "copies of a message differ", text, told.text)
        demand(queue in told.queues, "told on a queue of others", queue, text)
        self.published.append((queue, message))

    def _saw_told(self, write: Create) -> None:
        record = write.record
        caller, job, run, number = write.place.name.split("#")
        body, message = json.loads(record["body"]), record["message_id"]
        told = Told((f"{caller}#{job}", int(run)), int(number), self._queues(record), record["body"], body)
        demand(self.told.setdefault(message, told) == told, "copies of a message differ", told)
        demand(self.named.setdefault(write.place.name, message) == message, "a message changed its id", told)
        if body["type"] == "epoch_update":
            attempt = self.rows.read(Place(f"training#job#{told.run[0]}", "job"))["attempt"]
            demand(body["metrics"]["train_loss"] == attempt, "told by a task that had lost the job", body, attempt)

    def _queues(self, record: Mapping[str, Any]) -> frozenset[str]:
        if record["audience"] == "update":
            return frozenset({"train_update_q"})
        also = {"train_update_q"} if self.twice and record["kind"] != "train" else set()
        return frozenset({RESULT_QUEUES[record["kind"]], *also})

    def _saw_forgotten(self, write: Remove) -> None:
        message = self.named.get(write.place.name, "")
        if not message:
            return
        queues = {queue for queue, name in self.published if name == message}
        demand(queues == self.told[message].queues, "forgotten before it was published", self.told[message].text)

    def _saw_job(self, write: Change) -> None:
        slot, key = write.changes.get("slot"), write.place.partition.removeprefix("training#job#")
        if slot is not None or write.changes.get("status") == "running" or "cancel_requested" in write.changes:
            job = job_of(self.rows.read(write.place))
            if job.kind != "inference" and job.in_hands:
                demand(job.slot in range(self.at_once), "more at once than there are slots", job)
                taken = dict(self.rows.list(f"training#slots#{job.kind}")).get(str(job.slot), {})
                demand(taken.get("job") == key, "a job without the slot that it has", taken, job)
            if job.cancel_requested:
                self.to_be_cancelled.add((key, job.run))

    def verdict(self, *, asked_for: Mapping[str, int]) -> None:
        """What must hold once nothing moves any more; `asked_for`: how many runs of a job were asked for at most."""
        for partition in (ACTIVE, OUTBOX, "training#slots#train", "training#slots#convert"):
            demand(not self.rows.list(partition), f"something is left in {partition}", self.rows.list(partition))
        first = list(dict.fromkeys(message for _, message in self.published))
        for key, most in asked_for.items():
            stored = dict(self.rows.list(f"training#job#{key}", prefix="job"))
            demand(stored, "a request was lost", key)
            job = job_of(stored["job"])
            demand(job.status in ENDED, "a job without an end", job)
            demand(job.run <= most, "a request was done twice", job)
            for run in range(1, job.run + 1):
                history = [self.told[message] for message in first if self.told[message].run == (key, run)]
                self._judge([told.body for told in history], job.kind, (key, run), job.status if run == job.run else "")
                everything = {message for message, told in self.told.items() if told.run == (key, run)}
                demand(everything <= set(first), "something was never told", key, run)
        quiet = {told.run[0] for told in self.told.values()} - set(asked_for)
        demand(not quiet, "somebody is told of what nobody asked for", quiet)

    def _judge(self, history: list[Mapping[str, Any]], kind: str, run: Run, status: str) -> None:
        types = [body["type"] for body in history]
        possible = set(OUTCOMES[kind].values())
        demand(
            [one in possible for one in types] == [False] * (len(types) - 1) + [True], "not one outcome, last", types
        )
        demand(
            not status or types[-1] == OUTCOMES[kind][status], "told another outcome than the ledger's", types, status
        )
        if run in self.to_be_cancelled:
            demand(types[-1] == OUTCOMES[kind]["cancelled"], "a cancel was forgotten", types)
        before = [STARTS[kind]] + ["epoch_update"] * (len(types) - 2)
        demand(types[:-1] in ([], before), "the start is told first, then epochs, then the outcome", types)
        if types[-1].endswith("_completed"):
            demand(types[:-1], "completed without a start", types)
        if kind == "train":
            judge_epochs(history[1:-1], history[-1])


def judge_epochs(updates: list[Mapping[str, Any]], outcome: Mapping[str, Any]) -> None:
    epochs = [body["current_epoch"] for body in updates]
    demand(epochs == list(range(1, len(epochs) + 1)), "epochs are told in order, each once", epochs)
    attempts = [body["metrics"]["train_loss"] for body in updates]
    demand(attempts == sorted(attempts), "an older task told after a newer one", attempts)
    if outcome["type"] == "training_completed":
        done = outcome["final_metrics"]["training_epochs"]
        demand(len(epochs) == done, "completed without all of its epochs", epochs, done)
        demand(outcome["final_metrics"]["final_loss"] >= max(attempts), "an older task told after a newer one", outcome)
    else:
        demand(outcome["current_epoch"] == len(epochs), "the outcome's epoch is the last one told", outcome, epochs)
