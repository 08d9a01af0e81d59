"""A process that dies at any side effect of a session, and others who go on: the sum is exact, or nobody gets one."""

from itertools import count

import pytest

from quintet.adapters.memory import MemoryObjects
from quintet.adapters.memory_rows import MemoryRows
from quintet.aggregation.secagg.terms import ROUNDS, Round
from quintet.aggregation.sessions import Sessions
from quintet.kernel.errors import QuintetError
from tests.aggregation.gathering import JOB, Gathering, Hall, hall, summed, traces
from tests.aggregation.interrupted import Crash, Fate, InterruptedObjects, InterruptedRows, Moment

COUNT = 5
ABSENT = "owner-004"


def mortal(fate: Fate) -> Hall:
    place = hall(COUNT)
    place.register()
    assert isinstance(place.rows, MemoryRows)
    assert isinstance(place.objects, MemoryObjects)
    rows, objects = InterruptedRows(place.rows, fate), InterruptedObjects(place.objects, fate)
    place.sessions = Sessions(
        rows, objects, place.owners, place.clock, place.settings, finished=place.nudged.append, told=place.hear
    )
    return place


def opened(place: Hall) -> Gathering:
    """SQS delivers what a killed function has not acknowledged again."""
    for _ in range(2):
        try:
            return place.gathering(place.sessions.open(JOB, place.clients, size=None, minimum=3))
        except Crash:
            continue
    raise AssertionError("killed twice")


def finished(place: Hall) -> None:
    for _ in range(2):
        try:
            place.sessions.finish(JOB)
        except Crash:
            continue
        return
    raise AssertionError("killed twice")


def an_end(place: Hall) -> None:
    outcome = place.sessions.finish(JOB)
    assert outcome.status == "COMPLETED", outcome.message
    assert outcome.output == summed(outcome.clients)
    assert place.told[-1] == (JOB, outcome)
    assert traces(place) == ([], ["session"])


def persistent(place: Hall) -> None:
    """A session whose owners, one apart, send again what was not acknowledged."""
    gathering = opened(place)
    for round_ in ROUNDS:
        for client in place.clients:
            if client != ABSENT or round_ == "advertise":
                try:
                    gathering.send(round_, client)
                except Crash:
                    gathering.send(round_, client)
        end(place, round_)
    finished(place)


def fragile(place: Hall) -> None:
    """A session whose owners die with their requests; the others go on after the round's end."""
    gathering = opened(place)
    left = list(place.clients)
    for round_ in ROUNDS:
        for client in list(left):
            try:
                gathering.send(round_, client)
            except Crash:
                left.remove(client)
        end(place, round_)
    finished(place)


def end(place: Hall, round_: Round) -> None:
    """Where the round still waits for somebody, it does so in vain."""
    if place.sessions.standing(JOB, place.clients[0]).round == round_:
        place.clock.advance(60)
        sweep(place)


def sweep(place: Hall) -> None:
    """Comes again each minute, killed or not; it leaves alone what has not been computed yet."""
    try:
        place.sessions.tend(JOB)
    except Crash:
        place.sessions.tend(JOB)


def effects() -> int:
    """Side effects of a session without incident."""
    fate = Fate()
    place = mortal(fate)
    persistent(place)
    an_end(place)
    return fate.count


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("course", [persistent, fragile])
def test_a_death_at_any_side_effect_is_made_up_for(moment: Moment, course: object) -> None:
    assert callable(course)
    total = effects()
    assert total >= 50
    for at in range(1, total + 1):
        place = mortal(fate := Fate(at, moment))
        try:
            course(place)
            an_end(place)
        except (AssertionError, QuintetError) as error:
            raise AssertionError(f"killed {moment} effect {at} of {total}, {fate.struck}: {error!r}") from error


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_failed_session_is_forgotten_whoever_dies_over_it(moment: Moment) -> None:
    for at in count(1):
        place = mortal(fate := Fate(at, moment))
        gathering = opened(place)
        for round_ in ROUNDS[:3]:
            for client in place.clients[: 3 if round_ == "mask" else 5]:
                try:
                    gathering.send(round_, client)
                except Crash:
                    gathering.send(round_, client)
        place.clock.advance(60)
        sweep(place)
        finished(place)
        assert place.sessions.finish(JOB).status == "FAILED"
        assert traces(place) == ([], ["session"])
        if not fate.struck:
            break
    assert at > 25
