"""Whole sessions: five rounds, owners who stay away in each of them, and what is left behind."""

from datetime import timedelta
from itertools import combinations

import pytest

from quintet.aggregation.secagg.terms import ROUNDS, Round
from quintet.kernel.errors import Conflict, InvalidInput, NotFound
from quintet.kernel.rows import Create, Place
from tests.aggregation.gathering import JOB, hall, named, summed, survivors, traces


class TestAWholeSession:
    def test_gives_the_exact_sum_of_all(self) -> None:
        place = hall(5)
        place.gathering(place.open()).until("unmask")
        outcome = place.sessions.finish(JOB)
        assert outcome.status == "COMPLETED"
        assert outcome.output == summed(place.clients)
        assert outcome.clients == tuple(place.clients)
        assert place.nudged == [JOB]
        assert place.told == [(JOB, outcome)]

    def test_leaves_nothing_but_its_terms_and_its_sum(self) -> None:
        place = hall(4)
        terms = place.open()
        place.gathering(terms).until("unmask")
        place.sessions.finish(JOB)
        assert traces(place) == ([], ["session"])
        assert place.sessions.running() == []
        assert place.sessions.outcome(JOB) == place.sessions.finish(JOB)

    def test_every_row_but_an_owners_ends_some_day(self) -> None:
        place = hall(4)
        place.gathering(place.open()).until("mask")
        place.clock.advance(31 * 86400)
        assert traces(place)[1] == []

    def test_is_the_same_however_often_it_is_asked_for(self) -> None:
        place = hall(4)
        terms = place.open()
        assert place.sessions.open(JOB, place.clients[::-1], size=None, minimum=3) == terms
        with pytest.raises(Conflict, match="other clients"):
            place.sessions.open(JOB, place.clients[:3], size=None, minimum=3)

    def test_goes_on_with_two_hundred_owners(self) -> None:
        place = hall(200)
        terms = place.open()
        gathering = place.gathering(terms)
        gathering.round("advertise", terms.clients)
        assert len(gathering.given("advertise", "owner-150")["advertisements"]) == 200
        assert place.sessions.progress(JOB) == {"round": "share", "got": 0, "of": 200}

    @pytest.mark.parametrize("round_", ROUNDS)
    @pytest.mark.parametrize("count", [4, 6])
    def test_goes_on_without_those_who_stay_away_from_a_round(self, round_: Round, count: int) -> None:
        place = hall(count)
        gone = {round_: place.clients[1:2] if count == 4 else [place.clients[0]]}
        place.gathering(place.open()).until("unmask", gone=gone)
        outcome = place.sessions.finish(JOB)
        left = survivors(place.clients, gone)
        assert (outcome.status, outcome.output) == ("COMPLETED", summed(left))
        assert outcome.clients == tuple(left)

    def test_owners_may_stay_away_one_after_the_other(self) -> None:
        place = hall(13)
        gone = {round_: [place.clients[2 * number]] for number, round_ in enumerate(ROUNDS[:4])}
        place.gathering(place.open()).until("unmask", gone=gone)
        assert place.sessions.finish(JOB).output == summed(survivors(place.clients, gone))

    @pytest.mark.parametrize("round_", ROUNDS)
    def test_fails_with_a_reason_where_too_few_are_left(self, round_: Round) -> None:
        place = hall(5)
        gone = {round_: place.clients[:2]}
        place.gathering(place.open()).until(round_, gone=gone)
        outcome = place.sessions.finish(JOB)
        assert outcome.status == "FAILED"
        assert outcome.message == (
            f"3 of 5 owners sent their message of the round {round_} in time, 4 are needed; "
            "missing: owner-000, owner-001"
        )
        assert (place.nudged, place.told) == ([JOB], [(JOB, outcome)])
        assert traces(place) == ([], ["session"])

    def test_a_cohort_below_the_minimum_is_not_summed_though_it_could_be(self) -> None:
        place = hall(7, minimum_cohort=6)
        place.gathering(place.open()).until("mask", gone={"mask": place.clients[:2]})
        assert "5 of 7" in place.sessions.finish(JOB).message

    def test_a_round_that_closes_when_the_time_is_over_is_the_last(self) -> None:
        place = hall(4, aggregation_seconds=90)
        gathering = place.gathering(place.open())
        gathering.round("advertise", place.clients[:3])
        place.clock.advance(60)
        gathering.round("share", place.clients[:2])
        place.clock.advance(30)
        assert place.sessions.finish(JOB).message.startswith("2 of 3 owners")
        place = hall(4, aggregation_seconds=60)
        place.gathering(place.open()).round("advertise", place.clients[:3])
        place.clock.advance(60)
        assert place.sessions.finish(JOB).message == "the session's time was over in the round advertise"

    def test_a_sum_that_nobody_computes_fails_in_the_end(self) -> None:
        place = hall(4)
        place.gathering(place.open()).until("unmask")
        assert place.sessions.standing(JOB, "owner-000").round == "COMPUTING"
        place.clock.advance(600)
        assert place.sessions.finish(JOB).message == "the sum could not be computed in time"

    def test_a_masked_vector_that_is_gone_is_said(self) -> None:
        place = hall(4)
        terms = place.open()
        place.gathering(terms).until("unmask")
        for key, *_ in place.objects.list(f"aggregation/sessions/{terms.session}/masked/0002", 10):
            place.objects.delete(key)
        outcome = place.sessions.finish(JOB)
        assert outcome.status == "FAILED"
        assert outcome.message.startswith("the sum could not be put together: there is no such object")


class TestSizes:
    def test_the_largest_group_of_one_size_goes_on(self) -> None:
        place = hall(5)
        sizes = {"owner-001": 7}
        gathering = place.gathering(place.open(), sizes)
        gathering.round("advertise", place.clients)
        standing = place.sessions.standing(JOB, "owner-001")
        assert not standing.taking_part
        assert standing.reason == "its vector has 7 elements, that of 4 others 3"
        left = [client for client in place.clients if client != "owner-001"]
        for round_ in ROUNDS[1:]:
            gathering.round(round_, left)
        assert place.sessions.finish(JOB).output == summed(left)

    def test_where_no_group_is_large_enough_the_sizes_are_told(self) -> None:
        place = hall(5)
        gathering = place.gathering(place.open(), {"owner-001": 7, "owner-004": 7})
        gathering.round("advertise", place.clients)
        assert place.sessions.finish(JOB).message == (
            "the owners' vectors differ in size: 3 (owner-000, owner-002, owner-003), 7 (owner-001, owner-004); "
            "4 must agree"
        )

    def test_another_size_than_the_schemas_is_refused_at_once(self) -> None:
        place = hall(4)
        terms = place.open(size=3)
        loose = terms.model_copy(update={"size": None})
        wrong = place.gathering(loose, {"owner-002": 8}).message("advertise", "owner-002")
        with pytest.raises(Conflict, match="the vector of owner-002 has 8 elements; the session's have 3"):
            place.sessions.take(JOB, "advertise", wrong)


class TestOpening:
    def test_owners_must_be_registered_with_a_key(self) -> None:
        place = hall(4)
        place.clients.append("stranger")
        for client in place.clients[:3]:
            place.owners.register(client, "anyone", port=1, crt="", signing_key=bytes(32), force=False)
        place.owners.register("owner-003", "anyone", port=1, crt="c", signing_key=None, force=False)
        with pytest.raises(NotFound, match="not connected: owner-003, stranger"):
            place.sessions.open(JOB, place.clients, size=None, minimum=3)
        assert traces(place) == ([], [])

    @pytest.mark.parametrize(
        ("count", "wishes", "reason"),
        [
            (2, {}, "no sum of so few is released"),
            (5, {"minimum": 6}, "no sum of so few is released"),
            (4, {"threshold": 2}, "threshold of 2 of 4"),
            (4, {"threshold": 5}, "can't be reached"),
            (4, {"size": 0}, "size"),
        ],
    )
    def test_terms_that_nobody_should_agree_to_are_refused(
        self, count: int, wishes: dict[str, int], reason: str
    ) -> None:
        place = hall(count)
        with pytest.raises(InvalidInput, match=reason):
            place.open(**wishes)
        assert traces(place) == ([], [])

    def test_a_session_is_for_so_many_owners_and_no_more(self) -> None:
        place = hall(1)
        with pytest.raises(InvalidInput, match="501 clients are too many"):
            place.sessions.open(JOB, named(501), size=None, minimum=3)

    def test_a_job_can_not_be_mistaken_for_a_round(self) -> None:
        place = hall(1)
        with pytest.raises(InvalidInput, match="name of a round"):
            place.sessions.open("a/share", named(4), size=None, minimum=3)

    def test_what_an_attempt_enlisted_that_went_no_further_does_no_harm(self) -> None:
        place = hall(4)
        until = place.clock.now() + timedelta(days=1)
        place.rows.write(Create(Place("aggregation#member#owner-001", JOB), {"schema": 1}, until))
        assert place.sessions.waiting_for("owner-001") == []
        terms = place.open()
        assert [place.sessions.waiting_for(client)[0].terms for client in place.clients] == [terms] * 4


class TestWhatOwnersSee:
    def test_an_owner_is_told_of_the_sessions_that_wait_for_it(self) -> None:
        place = hall(4)
        terms = place.open()
        gathering = place.gathering(terms)
        (waiting,) = place.sessions.waiting_for("owner-003")
        assert (waiting.round, waiting.taking_part, waiting.members) == ("advertise", True, tuple(place.clients))
        gathering.round("advertise", place.clients[:3])
        place.clock.advance(60)
        assert place.sessions.waiting_for("owner-003") == []
        standing = place.sessions.standing(JOB, "owner-003")
        assert standing.round == "share"
        assert standing.reason == "its message of the round advertise did not come before the round was closed"
        assert place.sessions.waiting_for("stranger") == []

    def test_a_stranger_is_told_that_there_is_no_such_job(self) -> None:
        place = hall(4)
        place.open()
        for job, client in ((JOB, "stranger"), ("job-2", "owner-000")):
            with pytest.raises(NotFound, match=f"Unknown jobId {job}"):
                place.sessions.standing(job, client)
            with pytest.raises(NotFound, match=f"Unknown jobId {job}"):
                place.sessions.given(job, "advertise", client)

    def test_only_the_members_of_a_closed_round_are_given_what_it_holds(self) -> None:
        place = hall(4)
        gathering = place.gathering(place.open())
        with pytest.raises(Conflict, match="the round advertise is not closed yet"):
            place.sessions.given(JOB, "advertise", "owner-000")
        gathering.round("advertise", place.clients[:3])
        place.clock.advance(60)
        with pytest.raises(Conflict, match="owner-003 has no part in it any more: its message"):
            place.sessions.given(JOB, "advertise", "owner-003")
        with pytest.raises(InvalidInput, match="the last round gives nothing"):
            place.sessions.given(JOB, "unmask", "owner-000")

    def test_boxes_are_those_for_the_one_who_asks(self) -> None:
        place = hall(5)
        gathering = place.gathering(place.open())
        gathering.until("share", gone={"share": ["owner-002"]})
        left = [client for client in place.clients if client != "owner-002"]
        boxes = {client: gathering.given("share", client)["boxes"] for client in left}
        for one, other in combinations(left, 2):
            assert boxes[one][other] != boxes[other][one]
        assert all(set(boxes[client]) == {*left} - {client} for client in left)

    def test_progress_is_told_by_round(self) -> None:
        place = hall(4)
        gathering = place.gathering(place.open())
        gathering.round("advertise", place.clients[:3])
        assert place.sessions.progress(JOB) == {"round": "advertise", "got": 3, "of": 4}
        gathering.send("advertise", "owner-003")
        for round_ in ROUNDS[1:]:
            gathering.round(round_, place.clients)
        assert place.sessions.progress(JOB) == {"round": "COMPUTING", "got": 4, "of": 4}
        assert place.sessions.outcome("job-2") is None
