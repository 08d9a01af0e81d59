"""From samples, as they are sent or collected, to what a model learns from."""

from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from quintet.handover.circumstances import DEFAULT, Windows, completed
from quintet.handover.history import EMPTY, MOST_SIGHTS, MOST_STAYS, Stay, history_of
from quintet.handover.messages import FeedbackSample, TrainingSample
from quintet.handover.sights import Look, Sight, sight_of
from quintet.kernel.errors import InvalidInput, QuintetError

APART_S = 1.0
"""Samples of a UE that have no timestamps are taken for so many seconds apart."""


@dataclass(frozen=True, slots=True)
class Example:
    """A look and the place, among its candidates, of the cell that should have served.

    success: whether a handover there went well; ue: whose look it is, "" where that was not said.
    """

    look: Look
    answer: int
    success: bool = True
    ue: str = ""


def examples_of(samples: Sequence[TrainingSample], at: float, windows: Windows = DEFAULT) -> list[Example]:
    """One example a sample, in their order.

    Samples of one UE are each other's history, in the order of their timestamps; where one of them has none, in that
    of the list. Without a UE's name a sample stands alone. Raises InvalidInput, naming sample and field, where one
    can't be learnt from, and where there is none at all.
    """
    if not samples:
        raise InvalidInput("there is no sample to learn from: send a list of at least one")
    moments = [at - (len(samples) - place) * APART_S for place in range(len(samples))]
    sights = [_sight(place, sample, moments[place]) for place, sample in enumerate(samples)]
    found = dict(_looks(samples, sights, moments))
    return [_example(place, sample, completed(found[place], windows)) for place, sample in enumerate(samples)]


def _sight(place: int, sample: TrainingSample, at: float) -> Sight:
    try:
        return sight_of(sample, at)
    except QuintetError as error:
        raise InvalidInput(f"sample {place}: {error.message}") from None


def _looks(
    samples: Sequence[TrainingSample], sights: Sequence[Sight], moments: Sequence[float]
) -> Iterator[tuple[int, Look]]:
    places: dict[str, list[int]] = defaultdict(list)
    for place, sample in enumerate(samples):
        if sample.ue_id is None:
            yield place, Look(sights[place], EMPTY)
        else:
            places[sample.ue_id].append(place)
    for of_one in places.values():
        if any(samples[place].timestamp is None for place in of_one):
            drive = [(place, replace(sights[place], at=moments[place])) for place in of_one]
        else:
            drive = sorted(((place, sights[place]) for place in of_one), key=lambda drawn: drawn[1].at)
        yield from _drive(drive)


def _drive(drive: Sequence[tuple[int, Sight]]) -> Iterator[tuple[int, Look]]:
    """Each sight of one UE with those before it."""
    before: deque[Sight] = deque(maxlen=MOST_SIGHTS)
    stays: deque[Stay] = deque(maxlen=MOST_STAYS)
    for place, sight in drive:
        if sight.serving is not None and (not stays or stays[-1].cell != sight.serving):
            stays.append(Stay(sight.at, sight.serving))
        yield place, Look(sight, history_of(before, stays))
        before.append(sight)


def _example(place: int, sample: TrainingSample, look: Look) -> Example:
    cells = [candidate.cell for candidate in look.sight.candidates]
    if sample.optimal_antenna not in cells:
        raise InvalidInput(f"sample {place}: optimal_antenna is none of the cells that its rf_metrics measure")
    success = sample.success if isinstance(sample, FeedbackSample) else True
    return Example(look, cells.index(sample.optimal_antenna), success, sample.ue_id or "")
