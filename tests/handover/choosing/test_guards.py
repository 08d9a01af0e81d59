"""The guards against ping-pong, one by one and together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quintet.handover.guards import PingPong
from quintet.handover.history import Handover, History
from quintet.handover.sights import Look
from tests.handover.choosing.world import sight

NOW = 1000.0


def look(*handovers: Handover, serving: str | None = "a") -> Look:
    return Look(sight(NOW, serving, {"a": -80.0, "b": -75.0, "c": -78.0}), History((), handovers))


def done(ago: float, source: str = "x", target: str = "a") -> Handover:
    return Handover(NOW - ago, source, target)


def name(against: tuple[str, str] | None) -> str | None:
    return against and against[0]


@pytest.mark.parametrize(("ago", "held"), [(0.0, "too_recent"), (1.9, "too_recent"), (2.0, None), (30.0, None)])
@pytest.mark.parametrize("confidence", [0.3, 1.0])
def test_after_a_handover_there_is_a_rest(ago: float, held: str | None, confidence: float) -> None:
    assert name(PingPong().against(look(done(ago)), "b", confidence)) == held


def test_after_advice_there_is_a_rest_too() -> None:
    advised = Handover(NOW - 1.0, "a", "b", followed=False)
    assert PingPong().against(look(advised), "c", 1.0) == (
        "too_recent",
        "the last handover was 1.0 s ago, less than 2.0 s",
    )
    assert PingPong(interval=0.5).against(look(advised), "c", 1.0) is None


@pytest.mark.parametrize(("confidence", "held"), [(0.89, "too_many"), (0.9, None)])
def test_many_handovers_need_more_confidence(confidence: float, held: str | None) -> None:
    many = look(done(50), done(40), done(30))
    assert name(PingPong().against(many, "b", confidence)) == held
    assert PingPong().against(look(done(70), done(40), done(30)), "b", confidence) is None
    assert PingPong(per_minute=4).against(many, "b", confidence) is None
    assert PingPong().against(look(done(50), done(40), Handover(NOW - 30, "a", "b", followed=False)), "b", 0.1) is None


@pytest.mark.parametrize(("confidence", "held"), [(0.94, "immediate_return"), (0.95, None)])
def test_going_back_at_once_needs_even_more(confidence: float, held: str | None) -> None:
    left = look(done(9.9, "b", "a"))
    assert name(PingPong().against(left, "b", confidence)) == held
    assert PingPong().against(left, "c", confidence) is None
    assert PingPong().against(look(done(10.0, "b", "a")), "b", confidence) is None
    assert name(PingPong(window=60).against(look(done(50, "b", "c"), done(20, "c", "a")), "b", confidence)) == held


def test_the_first_that_holds_is_named() -> None:
    everything = look(done(5, "a", "b"), done(4, "b", "c"), done(1, "b", "a"))
    assert name(PingPong().against(everything, "b", 0.5)) == "too_many"
    assert name(PingPong().against(everything, "b", 0.9)) == "too_recent"
    assert name(PingPong(interval=1.0).against(everything, "b", 0.9)) == "immediate_return"
    assert PingPong(interval=1.0).against(everything, "b", 0.95) is None


def test_reasons_have_numbers() -> None:
    _, many = PingPong().against(look(done(50), done(40), done(30)), "b", 0.62) or ("", "")
    assert many == "3 handovers in the last minute; going there needs a confidence of 0.90, not 0.62"
    _, back = PingPong().against(look(done(4.0, "b", "a")), "b", 0.5) or ("", "")
    assert back == "b was left 4.0 s ago; going there needs a confidence of 0.95, not 0.50"


HANDOVERS = st.builds(Handover, st.floats(NOW - 100, NOW), st.sampled_from("abc"), st.sampled_from("abc"))


@given(st.lists(HANDOVERS, max_size=6), st.sampled_from("abc"), st.floats(0, 1), st.sampled_from(["a", "gone", None]))
def test_nobody_is_held_where_they_cannot_be(
    handovers: list[Handover], target: str, confidence: float, serving: str | None
) -> None:
    held = PingPong().against(look(*handovers, serving=serving), target, confidence)
    assert held is None or serving == "a" != target
