"""Every request ends in one outcome, told in order, whatever dies in between: random histories of the whole room.

HISTORIES=100000 in the environment tries so many; a history that breaks a promise is told with its seed and its steps.
"""

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

import pytest

from quintet.kernel.rows import Change, Create, Place, Remove, Rows, Write
from quintet.training import jobs, ledger, submission
from quintet.training.jobs import Job, JobKey, Step
from quintet.training.ledger import OUTBOX, Outgoing
from quintet.training.outbox import Outbox
from quintet.training.tending import Tending
from quintet.training.work import Work
from tests.training.faults import CHANCES, MOMENTS
from tests.training.witness import Violation
from tests.training.world import Parts, World

HISTORIES = int(os.environ.get("HISTORIES", "10000"))
ENOUGH = 100
"""Crashes before and after each side effect, in ten thousand histories."""

FOUND_WITHIN = 2000


def history(seed: int, parts: Parts | None = None) -> World:
    """Raises Violation that tells the whole of it."""
    world = World(seed, parts or Parts())
    try:
        world.live(world.random.randint(15, 65))
    except Violation as broken:
        raise Violation("\n".join([f"history {seed}: {broken}", *world.log])) from broken
    return world


def histories(count: int, parts: Parts | None = None) -> Counter[tuple[str, str]]:
    """The crashes in `count` histories, by side effect and moment."""
    crashed: Counter[tuple[str, str]] = Counter()
    for seed in range(count):
        crashed.update(history(seed, parts).faults.crashed)
    return crashed


@pytest.mark.no_cover
def test_every_history_keeps_the_promises() -> None:
    crashed = histories(HISTORIES)
    points = {(effect, moment): crashed[effect, moment] for effect in CHANCES for moment in MOMENTS}
    assert min(points.values()) >= ENOUGH * HISTORIES // 10_000, points


def test_a_history_can_be_told_again() -> None:
    for seed in range(20):
        assert history(seed).log == history(seed).log


@dataclass(frozen=True)
class Rewritten:
    """Rows that make something else of a step."""

    rows: Rows
    rewrite: Callable[[tuple[Write, ...]], list[tuple[Write, ...]]]

    def write(self, *step: Write) -> None:
        for part in self.rewrite(step):
            self.rows.write(*part)

    def read(self, place: Place) -> dict[str, Any]:
        return self.rows.read(place)

    def list(self, partition: str, **how: Any) -> list[tuple[str, dict[str, Any]]]:
        return self.rows.list(partition, **how)


@dataclass(frozen=True)
class TellsFirst(Rewritten):
    world: World = field(kw_only=True)

    def write(self, *step: Write) -> None:
        for one in step:
            if isinstance(one, Create) and one.place.partition == OUTBOX:
                outgoing = ledger.outgoing_of(one.place.name, one.record)
                for queue in self.world.outbox.targets(outgoing):
                    self.world.outbox.publisher.publish(queue, outgoing.body, message_id=outgoing.message_id)
        super().write(*step)


class ForgetsFirst(Outbox):
    def publish(self, outgoing: Outgoing) -> None:
        self.ledger.published(outgoing)
        for queue in self.targets(outgoing):
            self.publisher.publish(queue, outgoing.body, message_id=outgoing.message_id)


class NewestFirst(Outbox):
    def drain(self, key: JobKey) -> int:
        waiting = self.ledger.unpublished(key)
        for outgoing in reversed(waiting):
            self.publish(outgoing)
        return len(waiting)


class OneQueueOnly(Outbox):
    def targets(self, outgoing: Outgoing) -> list[str]:
        return super().targets(outgoing)[:1]


class NeverReminds(Tending):
    def remind(self) -> None: ...


class NeverBuries(Tending):
    def _bury(self, job: Job) -> None: ...


def one_by_one(step: tuple[Write, ...]) -> list[tuple[Write, ...]]:
    return [(one,) for one in step]


def whatever_it_was(step: tuple[Write, ...]) -> list[tuple[Write, ...]]:
    return [tuple(replace(one, expect={}) if isinstance(one, Change) else one for one in step)]


def keeping_slots(before: Job | None, after: Job) -> list[Write]:
    writes = SOUND_OCCUPIED(before, after)
    return [one for one in writes if not (isinstance(one, Remove) and "slots" in one.place.partition)]


def without_slots(before: Job | None, after: Job) -> list[Write]:
    return [one for one in SOUND_OCCUPIED(before, after) if "slots" not in one.place.partition]


def claimed_with_a_start_each(job: Job, claim: jobs.Claim, **given: Any) -> Step:
    return replace(SOUND_CLAIMED(job, claim, **given), tellings=given["tellings"])


def ended_whatever_was_asked(work: Work, happening: Callable[[Job], Step]) -> Job:
    def if_held(job: Job) -> Step:
        jobs.held(job, work.claim)
        return happening(job)

    return work._amend(if_held)


def epoch_done_again(job: Job, claim: jobs.Claim, **given: Any) -> Step:
    return SOUND_EPOCH_DONE(replace_epoch(job, given["epoch"] - 1), claim, **given)


def replace_epoch(job: Job, epoch: int) -> Job:
    return jobs.changed(job, current_epoch=min(job.current_epoch, epoch))


SOUND_OCCUPIED, SOUND_CLAIMED, SOUND_EPOCH_DONE = ledger.occupied, jobs.claimed, jobs.epoch_done
Patches = tuple[tuple[Any, str, Any], ...]

PLANTED: dict[str, tuple[Parts, Patches]] = {
    "published before it is durable": (
        Parts(rows=lambda rows, world: TellsFirst(rows, lambda s: [s], world=world)),
        (),
    ),
    "settled before it is in the ledger": (Parts(settles_first=True), ()),
    "forgotten before it is published": (Parts(outbox=ForgetsFirst), ()),
    "newest first": (Parts(outbox=NewestFirst), ()),
    "not on every queue": (Parts(outbox=OneQueueOnly), ()),
    "nobody reminds": (Parts(tending=NeverReminds), ()),
    "nobody buries": (Parts(tending=NeverBuries), ()),
    "a step in parts": (Parts(rows=lambda rows, world: Rewritten(rows, one_by_one)), ()),
    "no version": (Parts(rows=lambda rows, world: Rewritten(rows, whatever_it_was)), ()),
    "checkpoint before ledger": (Parts(checkpoint_first=True), ()),
    "missed what it did not hear of": (Parts(hears_carelessly=True), ()),
    "no fencing": (Parts(), ((jobs, "held", lambda job, claim: None),)),
    "a slot is not freed": (Parts(), ((ledger, "occupied", keeping_slots),)),
    "no slots": (Parts(), ((ledger, "occupied", without_slots),)),
    "a new name for the same message": (Parts(), ((ledger, "message_id", lambda job, number: str(uuid4())),)),
    "the order of fields is lost": (Parts(), ((ledger, "_ORDERED", ()),)),
    "every task tells its start": (Parts(), ((jobs, "claimed", claimed_with_a_start_each),)),
    "an epoch is told by each task": (Parts(), ((jobs, "epoch_done", epoch_done_again),)),
    "a cancel comes too late": (Parts(), ((Work, "_end", ended_whatever_was_asked),)),
    "a duplicate is another request": (Parts(), ((submission, "fingerprint", lambda kind, request: str(uuid4())),)),
}


@pytest.mark.no_cover
@pytest.mark.parametrize("flaw", PLANTED)
def test_a_planted_flaw_is_found(flaw: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parts, patches = PLANTED[flaw]
    for place, name, value in patches:
        monkeypatch.setattr(place, name, value)
    with pytest.raises(Violation):
        histories(FOUND_WITHIN, parts)
