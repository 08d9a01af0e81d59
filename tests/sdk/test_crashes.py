"""Owners that die at any moment and come again: the sum is exact, and no second masked input is ever sent."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import httpx
import pytest

from quintet.kernel.errors import Conflict, Misconfigured, PermissionDenied
from quintet.sdk.journal import Journal
from tests.sdk.hall import Hall, Household

VECTORS: dict[str, list[Any]] = {"o0": [1, 2.5], "o1": [7, -3], "o2": [10, 10]}
SUM = ["18", "9.5"]
POSTS = ["register-client", "update", "advertise", "share", "mask", "confirm", "unmask"]


class Killed(BaseException):
    """The process is no more: nothing of it goes on."""


class Mortal:
    """Dies with the first request that ends so: before it has gone, or when it has come but its answer has not."""

    def __init__(self, hall: Hall, method: str, ending: str, *, sent: bool) -> None:
        self._hall, self._method, self._ending, self._sent = hall, method, ending, sent
        self.died = False

    def connect(self) -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(self._answer))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        dies = request.method == self._method and request.url.path.endswith(self._ending) and not self.died
        if dies and not self._sent:
            self.died = True
            raise Killed
        answer = self._hall.answer(request)
        if dies:
            self.died = True
            raise Killed
        return answer


def contribute(household: Household, name: str, connect: Callable[[], httpx.Client], vector: Any = None) -> Any:
    return household.owner(name, connect).contribute("job", vector or VECTORS[name], total_clients=3)


def with_one_that_dies(hall: Hall, household: Household, mortal: Mortal, again: Callable[[], Any]) -> list[Any]:
    def dying() -> Any:
        with pytest.raises(Killed):
            contribute(household, "o0", mortal.connect)
        return again()

    with ThreadPoolExecutor(3) as pool:
        others = [pool.submit(contribute, household, name, hall.connect) for name in ("o1", "o2")]
        return [pool.submit(dying).result(), *(other.result() for other in others)]


@pytest.mark.parametrize("sent", [False, True])
@pytest.mark.parametrize("ending", POSTS)
def test_who_dies_with_a_message_goes_on_as_the_same(hall: Hall, household: Household, ending: str, sent: bool) -> None:
    mortal = Mortal(hall, "POST", ending, sent=sent)
    results = with_one_that_dies(hall, household, mortal, lambda: contribute(household, "o0", hall.connect))
    assert mortal.died
    assert [result["result"] for result in results] == [SUM] * 3
    assert results[0]["clients"] == ["o0", "o1", "o2"]
    for round_ in POSTS[2:]:
        mine = {body for body in hall.sent(round_) if json.loads(body)["client"] == "o0"}
        assert len(mine) == 1, f"two different messages of round {round_}"


@pytest.mark.parametrize("ending", ["/advertise", "/share", "/mask", "/confirm", "/job"])
def test_who_dies_with_a_question_goes_on_as_the_same(hall: Hall, household: Household, ending: str) -> None:
    mortal = Mortal(hall, "GET", ending, sent=True)
    results = with_one_that_dies(hall, household, mortal, lambda: contribute(household, "o0", hall.connect))
    assert mortal.died
    assert [result["result"] for result in results] == [SUM] * 3


def test_who_dies_in_every_round_goes_on_as_the_same(hall: Hall, household: Household) -> None:
    deaths = [Mortal(hall, "POST", ending, sent=True) for ending in POSTS[3:]]

    def again() -> Any:
        for mortal in deaths:
            with pytest.raises(Killed):
                contribute(household, "o0", mortal.connect)
        return contribute(household, "o0", hall.connect)

    results = with_one_that_dies(hall, household, Mortal(hall, "POST", "/advertise", sent=True), again)
    assert results[0]["result"] == SUM


@pytest.mark.parametrize("ending", ["/mask", "/confirm", "/unmask"])
@pytest.mark.parametrize("sent", [False, True])
def test_once_masked_it_has_no_other_values(hall: Hall, household: Household, ending: str, sent: bool) -> None:
    def again() -> Any:
        with pytest.raises(Conflict, match="other values"):
            contribute(household, "o0", hall.connect, [1, 3])
        return contribute(household, "o0", hall.connect)

    mortal = Mortal(hall, "POST", ending, sent=sent)
    results = with_one_that_dies(hall, household, mortal, again)
    assert results[0]["result"] == SUM


@pytest.mark.parametrize("ending", ["/advertise", "/share"])
def test_before_that_it_may_have_others(hall: Hall, household: Household, ending: str) -> None:
    mortal = Mortal(hall, "POST", ending, sent=True)
    results = with_one_that_dies(hall, household, mortal, lambda: contribute(household, "o0", hall.connect, [0, 2.5]))
    assert results[0]["result"] == ["17", "9.5"]


def test_a_second_session_of_a_job_gets_nothing_from_who_was_masked(hall: Hall, household: Household) -> None:
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda name: contribute(household, name, hall.connect), household.names))
    other = Hall()
    for name in ("o1", "o2"):
        household.owner(name, other.connect).register()
        other.report(name)
    with pytest.raises(Conflict, match="another session of job job"):
        contribute(household, "o0", other.connect)
    assert other.sent("advertise") == []


def test_a_second_session_is_joined_by_who_had_masked_nothing(hall: Hall, household: Household) -> None:
    barrier = Barrier(3)

    def one(name: str) -> Any:
        mortal = Mortal(hall, "POST", "/share", sent=False)
        with pytest.raises(Killed):
            contribute(household, name, mortal.connect)
        barrier.wait()
        return contribute(household, name, other.connect)

    other = Hall()
    with ThreadPoolExecutor(3) as pool:
        assert [result["result"] for result in pool.map(one, household.names)] == [SUM] * 3


def test_terms_that_were_changed_are_refused(hall: Hall, household: Household) -> None:
    def again() -> Any:
        with pytest.raises(PermissionDenied, match="changed the terms"):
            contribute(household, "o0", lambda: httpx.Client(transport=httpx.MockTransport(lowered)))
        return contribute(household, "o0", hall.connect)

    def lowered(request: httpx.Request) -> httpx.Response:
        answer = hall.answer(request)
        if request.url.path.endswith("/job") and "terms" in answer.json():
            body = answer.json()
            return httpx.Response(200, json={**body, "terms": {**body["terms"], "threshold": 2}})
        return answer

    results = with_one_that_dies(hall, household, Mortal(hall, "POST", "/advertise", sent=True), again)
    assert results[0]["result"] == SUM


def test_without_its_journal_it_sends_nothing(hall: Hall, household: Household) -> None:
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda name: contribute(household, name, hall.connect), household.names))
    [part] = (household.place / "o0.key.parts").glob("*.part")
    part.write_text(part.read_text()[:-20])
    with pytest.raises(Misconfigured, match="damaged"):
        Journal(part.parent).read("job")
