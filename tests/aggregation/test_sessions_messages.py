"""Messages that come twice, late, early, mixed up, or between two who close a round at once."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from quintet.aggregation.secagg import signatures
from quintet.aggregation.secagg.messages import MaskedInput, Message
from quintet.aggregation.secagg.terms import ROUNDS, Round
from quintet.aggregation.sessions import Sessions
from quintet.kernel.errors import Conflict, InvalidInput, NotFound, PermissionDenied, QuintetError
from tests.aggregation.gathering import JOB, Hall, hall, key_of, summed, traces
from tests.aggregation.interrupted import Fate, InterruptedObjects, InterruptedRows

ONE = "owner-001"
LATE = "owner-003"


def others(place: Hall, client: str) -> list[str]:
    return [one for one in place.clients if one != client]


def altered(message: Message) -> Message:
    """Another message than the one that was signed."""
    return message.model_copy(update={"signature": bytes(64)})


def on_interrupted(place: Hall, fate: Fate) -> Sessions:
    """Another process, at the same rows and objects."""
    rows, objects = InterruptedRows(place.rows, fate), InterruptedObjects(place.objects, fate)
    return Sessions(rows, objects, place.owners, place.clock, place.settings, finished=place.nudged.append)


class TestDoubled:
    @pytest.mark.parametrize("round_", ROUNDS)
    def test_the_same_message_is_taken_as_often_as_it_comes(self, round_: Round) -> None:
        place = hall(4)
        gathering = place.gathering(place.open())
        for earlier in ROUNDS[: ROUNDS.index(round_)]:
            gathering.round(earlier, place.clients)
        message = gathering.message(round_, ONE)
        for client in place.clients:
            gathering.send(round_, client)
            place.sessions.take(JOB, round_, message)
        place.sessions.take(JOB, round_, message)
        for later in ROUNDS[ROUNDS.index(round_) + 1 :]:
            gathering.round(later, place.clients)
            place.sessions.take(JOB, round_, message)
        assert place.sessions.finish(JOB).output == summed(place.clients)
        place.sessions.take(JOB, round_, message)
        assert traces(place)[1] == ["session"]

    def test_another_one_of_the_same_owner_and_round_is_refused(self) -> None:
        place = hall(4)
        terms = place.open()
        gathering, twin = place.gathering(terms), place.gathering(terms)
        gathering.send("advertise", ONE)
        with pytest.raises(Conflict, match=f"another message of {ONE} stands in the round advertise"):
            place.sessions.take(JOB, "advertise", twin.message("advertise", ONE))
        gathering.round("advertise", others(place, ONE))
        with pytest.raises(Conflict, match=f"another message of {ONE} stands in the round advertise"):
            place.sessions.take(JOB, "advertise", twin.message("advertise", ONE))

    def test_the_masked_vector_that_was_refused_is_not_kept(self) -> None:
        place = hall(4)
        terms = place.open()
        gathering = place.gathering(terms)
        gathering.until("share")
        first = gathering.message("mask", ONE)
        place.sessions.take(JOB, "mask", first)
        before = traces(place)
        words = bytes(24)
        signature = key_of(ONE).sign(signatures.statement("mask", terms.digest, ONE, signatures.of_words(words)))
        with pytest.raises(Conflict, match="another message"):
            place.sessions.take(JOB, "mask", MaskedInput(client=ONE, words=words, signature=signature))
        assert traces(place) == before


class TestLate:
    @pytest.mark.parametrize("round_", ROUNDS)
    def test_a_message_for_a_closed_round_is_refused_and_not_kept(self, round_: Round) -> None:
        place = hall(4)
        gathering = place.gathering(place.open())
        for earlier in ROUNDS[: ROUNDS.index(round_)]:
            gathering.round(earlier, place.clients)
        message = gathering.message(round_, LATE)
        gathering.round(round_, others(place, LATE))
        place.clock.advance(60)
        with pytest.raises(Conflict, match=f"the message of {LATE} in the round {round_} is late"):
            place.sessions.take(JOB, round_, message)
        assert f"{round_}#0003" not in traces(place)[1]
        assert not [key for key in traces(place)[0] if "masked/0003" in key and round_ == "mask"]

    def test_who_was_late_once_has_no_part_in_what_follows(self) -> None:
        place = hall(4)
        terms = place.open()
        gathering = place.gathering(terms)
        gathering.round("advertise", place.clients)
        message = gathering.message("share", LATE)
        gathering.round("share", others(place, LATE))
        place.clock.advance(60)
        place.sessions.tend(JOB)
        with pytest.raises(Conflict, match="late"):
            place.sessions.take(JOB, "share", message)
        with pytest.raises(Conflict, match="owner-003 has no part in it any more: its message of the round share did"):
            place.sessions.given(JOB, "share", LATE)

    def test_one_that_comes_too_early_is_refused(self) -> None:
        place = hall(4)
        terms = place.open()
        gathering = place.gathering(terms)
        gathering.round("advertise", place.clients)
        message = gathering.message("share", ONE)
        fresh = hall(4)
        fresh.open()
        with pytest.raises(Conflict, match="the round share has not begun: the session is in the round advertise"):
            fresh.sessions.take(JOB, "share", message)

    def test_one_for_a_failed_session_is_told_why(self) -> None:
        place = hall(4)
        gathering = place.gathering(place.open())
        gathering.round("advertise", place.clients[:1])
        place.clock.advance(60)
        with pytest.raises(Conflict, match="is late: 1 of 4 owners sent their message of the round advertise in time"):
            gathering.send("advertise", LATE)


class TestMixedUp:
    def test_a_message_of_another_session_is_not_its_owners_here(self) -> None:
        place, elsewhere = hall(4), hall(4)
        place.open()
        message = elsewhere.gathering(elsewhere.open()).message("advertise", ONE)
        with pytest.raises(PermissionDenied, match="not signed by it for round advertise of this session"):
            place.sessions.take(JOB, "advertise", message)
        assert traces(place)[1] == ["session", *[JOB] * 5]

    def test_a_message_in_anothers_name_is_refused(self) -> None:
        place = hall(4)
        message = place.gathering(place.open()).message("advertise", ONE)
        with pytest.raises(PermissionDenied, match="not signed"):
            place.sessions.take(JOB, "advertise", message.model_copy(update={"client": LATE}))
        with pytest.raises(PermissionDenied, match="stranger takes no part in the job job-1"):
            place.sessions.take(JOB, "advertise", message.model_copy(update={"client": "stranger"}))

    def test_a_message_in_another_round_is_refused(self) -> None:
        place = hall(4)
        gathering = place.gathering(place.open())
        gathering.round("advertise", place.clients)
        with pytest.raises(InvalidInput, match="round share has no Advertisement"):
            place.sessions.take(JOB, "share", gathering.message("advertise", ONE))
        with pytest.raises(NotFound, match="Unknown jobId job-2"):
            place.sessions.take("job-2", "advertise", gathering.message("advertise", ONE))

    @pytest.mark.parametrize("round_", ROUNDS)
    def test_a_message_that_was_tampered_with_leaves_no_trace(self, round_: Round) -> None:
        place = hall(4)
        gathering = place.gathering(place.open())
        for earlier in ROUNDS[: ROUNDS.index(round_)]:
            gathering.round(earlier, place.clients)
        message = gathering.message(round_, ONE)
        before = traces(place)
        with pytest.raises(PermissionDenied, match="not signed"):
            place.sessions.take(JOB, round_, altered(message))
        assert traces(place) == before

    def test_a_masked_vector_has_the_size_that_was_advertised(self) -> None:
        place = hall(4)
        gathering = place.gathering(place.open())
        gathering.until("share")
        message = gathering.message("mask", ONE)
        with pytest.raises(InvalidInput, match="has 2 elements instead of 3"):
            place.sessions.take(JOB, "mask", message.model_copy(update={"words": bytes(16)}))

    def test_a_key_that_is_registered_anew_does_not_count_for_a_session_that_goes_on(self) -> None:
        place = hall(4)
        gathering = place.gathering(place.open())
        place.owners.register(ONE, "anyone", port=1, crt="", signing_key=bytes(range(32)), force=True)
        gathering.round("advertise", place.clients)
        assert place.sessions.standing(JOB, ONE).round == "share"


class TestAtOnce:
    @pytest.mark.parametrize("attempt", range(10))
    def test_many_who_send_the_last_message_close_each_round_once(self, attempt: int) -> None:
        place = hall(8)
        gathering = place.gathering(place.open())
        with ThreadPoolExecutor(8) as threads:
            for round_ in ROUNDS:
                messages = [gathering.message(round_, client) for client in place.clients]
                list(threads.map(partial(place.sessions.take, JOB, round_), [*messages, *messages]))
            outcomes = list(threads.map(lambda _: place.sessions.finish(JOB), range(4)))
        assert {outcome.output for outcome in outcomes} == {summed(place.clients)}
        assert place.nudged == [JOB]
        assert place.sessions.read(JOB).version == 8
        assert traces(place)[1] == ["session"]

    @pytest.mark.parametrize("attempt", range(10))
    def test_a_deadline_amid_messages_divides_them_into_taken_and_late(self, attempt: int) -> None:
        place = hall(8)
        gathering = place.gathering(place.open())
        gathering.until("share")
        messages = {client: gathering.message("mask", client) for client in place.clients}
        for client in place.clients[:6]:
            place.sessions.take(JOB, "mask", messages[client])
        place.clock.advance(60)

        def send(client: str) -> bool:
            try:
                place.sessions.take(JOB, "mask", messages[client])
            except Conflict:
                return False
            return True

        with ThreadPoolExecutor(8) as threads:
            tended = threads.submit(place.sessions.tend, JOB)
            taken = dict(zip(place.clients, threads.map(send, place.clients), strict=True))
            tended.result()
        session = place.sessions.read(JOB)
        assert session.names(session.members["mask"]) == [client for client in place.clients if taken[client]]


class TestInBetween:
    """What another process does just before, or after, one that had looked already writes."""

    def test_who_closes_a_round_with_fewer_yields_to_who_closed_it_with_all(self) -> None:
        place = hall(4)
        gathering = place.gathering(place.open())
        gathering.until("share")
        message = gathering.message("mask", LATE)
        gathering.round("mask", others(place, LATE))

        def arrive() -> None:
            place.clock.advance(-60)
            place.sessions.take(JOB, "mask", message)

        place.clock.advance(60)
        fate = Fate(1, "before", instead=arrive)
        on_interrupted(place, fate).tend(JOB)
        assert fate.struck == ["write session"]
        session = place.sessions.read(JOB)
        assert (session.round, session.members["mask"]) == ("confirm", (0, 1, 2, 3))

    @pytest.mark.parametrize("at", [1, 2])
    @pytest.mark.parametrize("ahead", [0, 60])
    def test_a_message_that_is_entered_as_its_round_closes_is_late_and_goes(self, at: int, ahead: int) -> None:
        """Also where others are missing still, and the clock of who closed it is ahead of this one's."""
        place = hall(7)
        left = place.clients[:3] + place.clients[4:6]
        gathering = place.gathering(place.open())
        gathering.until("share")
        message = gathering.message("mask", LATE)
        gathering.round("mask", left)

        def close() -> None:
            place.clock.advance(60)
            place.sessions.tend(JOB)
            place.clock.advance(-ahead)

        fate = Fate(at, "before", instead=close)
        with pytest.raises(Conflict, match=f"the message of {LATE} in the round mask is late"):
            on_interrupted(place, fate).take(JOB, "mask", message)
        keys, rows = traces(place)
        assert not [key for key in keys if "/masked/0003" in key]
        assert not {"mask#0003", "body#mask#0003"} & set(rows)
        for round_ in ("confirm", "unmask"):
            gathering.round(round_, left)
        assert place.sessions.finish(JOB).output == summed(left)

    @pytest.mark.parametrize("at", [1, 2, 3, 5, 8])
    def test_two_who_compute_the_sum_come_to_one(self, at: int) -> None:
        place = hall(4)
        place.gathering(place.open()).until("unmask")
        fate = Fate(at, "before", instead=lambda: quietly(place))
        outcome = on_interrupted(place, fate).finish(JOB)
        assert fate.struck
        assert outcome.output == summed(place.clients)
        assert place.sessions.outcome(JOB) == outcome
        assert traces(place)[1] == ["session"]

    def test_who_finds_the_masked_vectors_gone_finds_the_sum(self) -> None:
        place = hall(4)
        place.gathering(place.open()).until("unmask")
        stale = place.sessions.read(JOB)
        outcome = place.sessions.finish(JOB)
        session = place.sessions._finishing.finish(stale)
        assert place.sessions.outcome_of(session) == outcome


def quietly(place: Hall) -> None:
    try:
        place.sessions.finish(JOB)
    except QuintetError as error:
        raise AssertionError(error.message) from error
