"""The online model learns from feedback while it serves, in whichever environment that comes."""

from datetime import UTC, datetime

import numpy as np
import pytest

from quintet.adapters.memory import MemoryObjects
from quintet.adapters.memory_rows import MemoryRows
from quintet.handover.examples import examples_of
from quintet.handover.features import PAIR_FEATURES
from quintet.handover.online import Online, Weights, weights_of
from quintet.handover.online_learning import OnlineLearning
from quintet.handover.versions import Versions
from quintet.kernel.clock import SteppedClock
from quintet.kernel.errors import Conflict
from tests.handover.watching.feedback_room import sample

CLOCK = SteppedClock(datetime(2026, 11, 22, tzinfo=UTC))
KEY = b"0123456789abcdef0123456789abcdef"


@pytest.fixture
def versions() -> Versions:
    return Versions(MemoryObjects(), MemoryRows(), lambda: (KEY,), CLOCK)


def publish(versions: Versions) -> str:
    model = Online()
    told = [sample(number=number, ue=f"ue-{number % 7}") for number in range(40)]
    model.fit(examples_of(told, 0.0), seed=1)
    return versions.publish("online", model.files(), features=PAIR_FEATURES).version


def weights(versions: Versions, version: str) -> Weights:
    live = versions.live(version)
    assert live is not None
    return weights_of(live.weights.encode())


def test_without_an_online_model_nothing_learns(versions: Versions) -> None:
    assert OnlineLearning(versions, CLOCK)([sample()]) == 0


def test_of_nothing_nothing_is_learned(versions: Versions) -> None:
    version = publish(versions)
    assert OnlineLearning(versions, CLOCK)([]) == 0
    assert versions.live(version) is None


def test_each_feedback_goes_on_from_the_one_before(versions: Versions) -> None:
    version = publish(versions)
    published = weights_of(versions.files(version)[1]["weights.json"])
    first, second = [sample(number=1)], [sample(False, 2), sample(number=3)]
    assert [OnlineLearning(versions, CLOCK)(told) for told in (first, second)] == [1, 2]
    now = CLOCK.now().timestamp()
    expected = published.fed(examples_of(first, now)).fed(examples_of(second, now))
    learned = weights(versions, version)
    assert np.array_equal(learned.weights, expected.weights)
    assert learned.updates == published.updates + 3
    assert learned.outcomes[-3:] == (True, False, True)
    assert not np.array_equal(learned.weights, published.weights)


def test_the_active_one_learns_else_the_newest(versions: Versions) -> None:
    older = publish(versions)
    CLOCK.advance(1)
    newer = publish(versions)
    learning = OnlineLearning(versions, CLOCK)
    learning([sample()])
    assert versions.live(older) is None
    assert versions.live(newer)
    versions.activate(older, reason="a test")
    learning([sample()])
    assert versions.live(older)


def test_who_was_overtaken_learns_from_where_the_other_stopped(
    versions: Versions, monkeypatch: pytest.MonkeyPatch
) -> None:
    version, keep = publish(versions), Versions.keep_live
    before = weights_of(versions.files(version)[1]["weights.json"]).updates
    turns = iter([True, False, False])

    def overtaken(self: Versions, *told: object, **more: object) -> object:
        if next(turns):
            OnlineLearning(versions, CLOCK)([sample(number=9)])
        return keep(self, *told, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Versions, "keep_live", overtaken)
    OnlineLearning(versions, CLOCK)([sample(number=1)])
    assert weights(versions, version).updates == before + 2


def test_who_is_always_overtaken_says_so(versions: Versions, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(versions)

    def taken(*_: object, **__: object) -> None:
        raise Conflict("the weights have changed meanwhile")

    monkeypatch.setattr(Versions, "keep_live", taken)
    with pytest.raises(Conflict, match="others all the time"):
        OnlineLearning(versions, CLOCK)([sample()])
