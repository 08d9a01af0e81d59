"""Collecting: looks at an emulator's moving UEs, one each interval, until the time is over or somebody says stop."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from quintet.handover.errors import NEFConnectionError
from quintet.handover.messages import Body
from quintet.handover.nef import State, WrongNefCredentials
from quintet.handover.nef_samples import Sample, Tracks, trainable
from quintet.kernel.clock import Clock

TROUBLES_TOLD = 5

Wait = Callable[[float], bool]
"""Waits so many seconds; true where somebody asked to stop meanwhile."""


class Emulator(Protocol):
    """Played by NefClient. All raise NEFConnectionError."""

    def login(self, username: str, password: str) -> None: ...
    def moving(self) -> Mapping[str, State]: ...
    def state(self, ue: str) -> State | None: ...
    @property
    def models_radio(self) -> bool: ...


@dataclass(frozen=True)
class Span:
    """Seconds: of the collection, and from look to look."""

    duration: float
    interval: float

    @property
    def looks(self) -> int:
        return max(1, math.ceil(self.duration / self.interval))


@dataclass
class Collected:
    """What a collection has so far. `vanished` counts UEs that were gone before they could be asked of."""

    span: Span
    samples: list[Sample] = field(default_factory=list)
    looks: int = 0
    failed_looks: int = 0
    moving: int = 0
    vanished: int = 0
    models_radio: bool = True
    stopped: bool = False
    troubles: list[str] = field(default_factory=list)

    @property
    def trainable(self) -> int:
        return len(trainable(self.samples))


Progress = Callable[[Collected], None]


class CollectionAnswer(Body):
    """The first two fields are the original's. `file` is the samples' key in the bucket, or a local path.

    With `upload_key` as X-Upload-Key, POST /api/train learns from the samples that can be learnt from, for a day.
    """

    samples: int
    file: str
    upload_key: str | None = None
    trainable: int
    looks: int
    failed_looks: int
    vanished: int
    stopped: bool = False
    notes: tuple[str, ...] = ()


def told_to_nobody(_: Collected) -> None: ...


def collect(
    emulator: Emulator, span: Span, *, clock: Clock, wait: Wait, progress: Progress = told_to_nobody
) -> Collected:
    """Looks until `span` is over; a look that fails is counted and told, and the next one is made all the same.

    Raises NEFConnectionError where every look failed, and WrongNefCredentials at once.
    """
    collected, tracks = Collected(span), Tracks()
    begun = clock.now()
    while True:
        _look(emulator, tracks, collected, clock)
        progress(collected)
        due = _next_look(begun, clock.now(), span)
        if due is None:
            break
        if wait(max(0.0, (due - clock.now()).total_seconds())):
            collected.stopped = True
            break
    if collected.failed_looks == collected.looks and not collected.samples:
        raise NEFConnectionError(f"all {collected.looks} looks failed; the last: {collected.troubles[-1]}")
    return collected


def _next_look(begun: datetime, now: datetime, span: Span) -> datetime | None:
    """The next multiple of the interval that is still to come and within the span; looks that are late are left out."""
    number = math.floor((now - begun).total_seconds() / span.interval) + 1
    return begun + timedelta(seconds=number * span.interval) if number < span.looks else None


def _look(emulator: Emulator, tracks: Tracks, collected: Collected, clock: Clock) -> None:
    """A UE whose radio can't be had does not keep the others from being looked at."""
    collected.looks += 1
    troubles: list[str] = []
    with _troubles(troubles):
        moving = emulator.moving()
        collected.moving = len(moving)
        for ue, state in moving.items():
            with _troubles(troubles):
                _look_at(ue, state, emulator, tracks, collected, clock)
    collected.failed_looks += bool(troubles)
    collected.troubles = [*collected.troubles, *troubles][-TROUBLES_TOLD:]


@contextmanager
def _troubles(told: list[str]) -> Iterator[None]:
    """Wrong credentials are none that pass: they are raised."""
    try:
        yield
    except WrongNefCredentials:
        raise
    except NEFConnectionError as error:
        told.append(error.message)


def _look_at(ue: str, state: State, emulator: Emulator, tracks: Tracks, collected: Collected, clock: Clock) -> None:
    radio = emulator.state(ue)
    collected.models_radio = emulator.models_radio
    if radio is None and emulator.models_radio:
        collected.vanished += 1
    else:
        collected.samples.append(tracks.sample(ue, clock.now(), state, radio))


def answer(collected: Collected, file: str, upload_key: str | None = None) -> CollectionAnswer:
    return CollectionAnswer(
        samples=len(collected.samples),
        file=file,
        upload_key=upload_key,
        trainable=collected.trainable,
        looks=collected.looks,
        failed_looks=collected.failed_looks,
        vanished=collected.vanished,
        stopped=collected.stopped,
        notes=notes(collected),
    )


def notes(collected: Collected) -> tuple[str, ...]:
    """What whoever asked should know of the result."""
    said: list[str] = []
    if not collected.samples:
        said.append("nobody moved: start a UE with POST /api/v1/ue_movement/start-loop of the emulator")
    elif not collected.models_radio:
        said.append(
            "this emulator models no radio: its samples have no rf_metrics and no optimal_antenna, and no model can be"
            " trained on them"
        )
    if collected.failed_looks:
        said.append(f"{collected.failed_looks} of {collected.looks} looks failed; the last: {collected.troubles[-1]}")
    if collected.vanished:
        said.append(f"UEs were gone {collected.vanished} times before their radio could be asked for")
    return tuple(said)


def file_name(now: datetime) -> str:
    """
    >>> file_name(datetime(2026, 1, 2, 3, 4, 5))
    'training_data_20260102_030405.json'
    """
    return f"training_data_{now:%Y%m%d_%H%M%S}.json"


def as_json(samples: list[Sample]) -> bytes:
    return json.dumps(samples, ensure_ascii=False, allow_nan=False, indent=1).encode()
