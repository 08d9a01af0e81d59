"""The rounds over HTTP: what owners are told and given, and that nobody speaks or reads for another."""

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from quintet.aggregation.http import app
from quintet.aggregation.secagg.terms import ROUNDS, Round, Terms
from quintet.aggregation.wiring import AggregationRoom
from tests.aggregation.gathering import JOB, Hall, named, summed
from tests.aggregation.rounds_room import (
    CLIENTS,
    OPERATOR,
    RemoteGathering,
    key_for,
    open_room,
    registered,
    started,
)

ONE, OTHER = CLIENTS[:2]


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Iterator[AggregationRoom]:
    with open_room(monkeypatch, with_keys=True) as room:
        yield room


@pytest.fixture
def http(room: AggregationRoom) -> Iterator[TestClient]:
    with TestClient(app, raise_server_exceptions=False) as http:
        yield http


def terms_of(http: TestClient, client: str = ONE) -> Terms:
    answer = http.get(f"/api/secagg/clients/{client}/sessions", headers=key_for(client))
    assert answer.status_code == 200, answer.text
    (waiting,) = answer.json()["sessions"]
    return Terms.model_validate(waiting["terms"])


def gathered(http: TestClient) -> RemoteGathering:
    registered(http)
    started(http)
    return RemoteGathering(http, terms_of(http))


class TestRounds:
    def test_a_whole_session_over_http(self, http: TestClient, room: AggregationRoom) -> None:
        gathered(http).all_rounds()
        room.sessions.finish(JOB)
        told = http.get(f"/api/get-result/job-id/{JOB}", headers=OPERATOR).json()
        assert tuple(told["computationOutput"]) == summed(CLIENTS)
        standing = http.get(f"/api/secagg/jobs/{JOB}", params={"client": ONE}, headers=key_for(ONE)).json()
        assert (standing["round"], standing["taking_part"]) == ("COMPLETED", False)

    def test_what_a_round_gives_is_there_when_it_is_closed(self, http: TestClient) -> None:
        gathering = gathered(http)
        early = http.get(f"/api/secagg/jobs/{JOB}/advertise", params={"client": ONE}, headers=key_for(ONE))
        assert (early.status_code, early.json()["error"]) == (409, "the round advertise is not closed yet")
        gathering.round("advertise", CLIENTS)
        given = gathering.given("advertise", ONE)
        assert list(given) == ["advertisements"]
        assert [one["client"] for one in given["advertisements"]] == CLIENTS

    def test_a_messages_answer_says_how_its_owner_stands(self, http: TestClient) -> None:
        gathering = gathered(http)
        message = gathering.message("advertise", ONE).model_dump_json()
        answer = http.post(f"/api/secagg/jobs/{JOB}/advertise", content=message, headers=key_for(ONE)).json()
        assert (answer["round"], answer["taking_part"], answer["members"]) == ("advertise", True, CLIENTS)

    @pytest.mark.parametrize(
        ("body", "status", "said"),
        [
            (b"", 400, "not JSON"),
            (b"[]", 400, "round advertise"),
            (b"\xff", 400, "not JSON"),
            (b'{"client": "owner-000"}', 400, "signature: Field required"),
            (b'{"client": "owner-000", "client": "owner-001"}', 400, "client stands twice"),
        ],
    )
    def test_a_body_that_is_no_message_is_told_what_is_wrong(
        self, http: TestClient, body: bytes, status: int, said: str
    ) -> None:
        gathered(http)
        answer = http.post(f"/api/secagg/jobs/{JOB}/advertise", content=body, headers=key_for(ONE))
        assert answer.status_code == status
        assert said in answer.json()["error"]

    def test_ids_may_hold_slashes_and_the_names_of_rounds(self, http: TestClient, room: AggregationRoom) -> None:
        registered(http)
        room.sessions.open("study/share/7", CLIENTS, size=None, minimum=3)
        gathering = RemoteGathering(http, terms_of(http))
        assert gathering.terms.job == "study/share/7"
        gathering.round("advertise", CLIENTS)
        told = http.get("/api/secagg/jobs/study%2Fshare%2F7", params={"client": ONE}, headers=key_for(ONE))
        assert told.json()["round"] == "share"
        assert http.get("/api/secagg/jobs/a/b", params={"client": ONE}, headers=key_for(ONE)).status_code == 404


class TestWhoMayWhat:
    def test_nobody_without_a_key(self, http: TestClient) -> None:
        gathering = gathered(http)
        message = gathering.message("advertise", ONE).model_dump_json()
        for answer in (
            http.get(f"/api/secagg/clients/{ONE}/sessions"),
            http.get(f"/api/secagg/jobs/{JOB}", params={"client": ONE}),
            http.get(f"/api/secagg/jobs/{JOB}/advertise", params={"client": ONE}),
            http.post(f"/api/secagg/jobs/{JOB}/advertise", content=message),
        ):
            assert answer.status_code == 401

    @pytest.mark.parametrize("headers", [key_for(OTHER), OPERATOR])
    def test_nobody_leaves_a_message_for_another(self, http: TestClient, headers: dict[str, str]) -> None:
        gathering = gathered(http)
        message = gathering.message("advertise", ONE).model_dump_json()
        answer = http.post(f"/api/secagg/jobs/{JOB}/advertise", content=message, headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (403, f"the client {ONE!r} belongs to another caller")
        gathering.send("advertise", ONE)

    @pytest.mark.parametrize("round_", ROUNDS[:4])
    @pytest.mark.parametrize("headers", [key_for(OTHER), OPERATOR])
    def test_nobody_reads_what_is_for_another(self, http: TestClient, headers: dict[str, str], round_: Round) -> None:
        gathering = gathered(http)
        for earlier in ROUNDS[: ROUNDS.index(round_) + 1]:
            gathering.round(earlier, CLIENTS)
        place = f"/api/secagg/jobs/{JOB}/{round_}"
        assert http.get(place, params={"client": ONE}, headers=headers).status_code == 403
        assert http.get(place, params={"client": ONE}, headers=key_for(ONE)).status_code == 200
        assert http.get(f"/api/secagg/clients/{ONE}/sessions", headers=headers).status_code == 403

    def test_an_owner_outside_the_session_is_told_that_there_is_none(self, http: TestClient) -> None:
        gathered(http)
        stranger = "owner-005"
        registered(http, [stranger])
        for place in (f"/api/secagg/jobs/{JOB}", f"/api/secagg/jobs/{JOB}/advertise"):
            answer = http.get(place, params={"client": stranger}, headers=key_for(stranger))
            assert (answer.status_code, answer.json()["error"]) == (404, f"Unknown jobId {JOB}")

    def test_standing_is_told_to_its_owner_and_to_the_operator(self, http: TestClient) -> None:
        gathered(http)
        answers: list[Any] = [
            http.get(f"/api/secagg/jobs/{JOB}", params={"client": ONE}, headers=headers)
            for headers in (key_for(ONE), OPERATOR, key_for(OTHER))
        ]
        assert [answer.status_code for answer in answers] == [200, 200, 403]

    def test_asking_makes_no_name_ones_own(self, http: TestClient, room: AggregationRoom) -> None:
        answer = http.get("/api/secagg/clients/newcomer/sessions", headers=key_for(ONE))
        assert (answer.status_code, answer.json()["error"]) == (
            403,
            "the client 'newcomer' is not known: register it, or report to a job, first",
        )
        assert room.owners.find("newcomer") is None


def test_the_open_door_of_one_machine_takes_all_owners(monkeypatch: pytest.MonkeyPatch) -> None:
    with open_room(monkeypatch) as room, TestClient(app) as http:
        place = Hall(named(4), room.rows, room.objects)
        place.register()
        room.sessions.open(JOB, place.clients, size=None, minimum=3)
        told = http.get(f"/api/secagg/clients/{ONE}/sessions").json()["sessions"]
        assert [one["terms"]["job"] for one in told] == [JOB]
