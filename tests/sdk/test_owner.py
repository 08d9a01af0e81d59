"""Owners who give their vectors to a job: what comes of it, and what is refused before anything is sent."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from quintet.aggregation.messages import Update
from quintet.aggregation.secagg.policy import Policy
from quintet.aggregation.secagg.terms import Terms
from quintet.kernel.errors import Conflict, InvalidInput, Misconfigured, NotFound, PermissionDenied
from quintet.sdk import DroppedOut, JobFailed, Owner, Progress, Wishes
from quintet.sdk.identity_file import create_identity
from quintet.sdk.journal import Part
from tests.sdk.hall import Hall, Household, Request

VECTORS: dict[str, list[Any]] = {"o0": [1, 2.5], "o1": [Decimal("0.000000001"), -3], "o2": [10, 10]}
SUM = ["11.000000001", "9.5"]


def terms_of(names: list[str]) -> Terms:
    return Terms(session="5e" * 16, job="job", clients=tuple(names), threshold=3, minimum=3)


def all_contribute(hall: Hall, household: Household, job: str = "job", **more: Any) -> list[dict[str, Any]]:
    def one(name: str) -> dict[str, Any]:
        owner = household.owner(name, hall.connect)
        return owner.contribute(job, VECTORS[name], total_clients=household.count, **more)

    with ThreadPoolExecutor(household.count) as pool:
        return list(pool.map(one, household.names))


def test_the_sum_is_exact_and_everybody_has_it(hall: Hall, household: Household) -> None:
    results = all_contribute(hall, household)
    assert [result["result"] for result in results] == [SUM] * 3


def test_a_job_may_have_any_name(hall: Hall, household: Household) -> None:
    results = all_contribute(hall, household, job="studie 7 «é» 100%?#")
    assert results[0]["result"] == SUM


def test_nothing_is_left_of_the_secrets(hall: Hall, household: Household) -> None:
    all_contribute(hall, household)
    for name in household.names:
        [part] = (household.place / f"{name}.key.parts").glob("*.part")
        assert '"seed":""' in part.read_text()
        assert part.stat().st_mode & 0o777 == 0o600


def test_asked_again_it_sends_no_message_twice(hall: Hall, household: Household) -> None:
    all_contribute(hall, household)
    before = [len(hall.sent(name)) for name in ("advertise", "mask", "unmask")]
    assert [result["result"] for result in all_contribute(hall, household)] == [SUM] * 3
    assert [len(hall.sent(name)) for name in ("advertise", "mask", "unmask")] == before == [3, 3, 3]


def test_progress_goes_through_the_rounds_in_order(hall: Hall, household: Household) -> None:
    heard: list[Progress] = []
    all_contribute(hall, household, progress=heard.append)
    sent = [one.stage for one in heard if one.sent]
    assert sorted(sent, key=["advertise", "share", "mask", "confirm", "unmask"].index) == sent
    assert len(sent) == 15
    assert heard[0].stage == "waiting"
    assert heard[-1].stage == "completed"


@pytest.mark.parametrize(
    ("vector", "schema", "said"),
    [
        ([1, float("nan")], None, "1"),
        ([1, 2**62], None, "1"),
        ([1, 2], [{"name": "sick", "dataType": "NUMERIC"}], "7 elements"),
        ([1, 2], [{"name": "sick"}], "dataType"),
        ([], None, "empty"),
        ([1, True], None, "no number"),
        ([None], None, "no number"),
    ],
)
def test_what_can_not_be_summed_is_refused_before_anything_is_sent(
    hall: Hall, household: Household, vector: list[Any], schema: Any, said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        household.owner("o0", hall.connect).contribute("job", vector, total_clients=3, schema=schema)
    assert hall.seen == []


@pytest.mark.parametrize(
    ("total", "said"),
    [(0, "from 1 to"), ("3", "whole number"), (1001, "1000"), (True, "not True"), (2, "fewer than 3")],
)
def test_a_number_of_clients_that_can_not_be_is_refused_likewise(
    hall: Hall, household: Household, total: Any, said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        household.owner("o0", hall.connect).contribute("job", [1, 2], total_clients=total)
    assert hall.seen == []


def test_a_cohort_that_is_too_small_for_the_owner_gets_nothing(hall: Hall, household: Household) -> None:
    wary = household.owner("o0", hall.connect, policy=Policy(least_cohort=4))
    for name in ("o1", "o2"):
        owner = household.owner(name, hall.connect)
        owner.register()
        hall.report(name)
    wary.register()
    hall.report("o0")
    with pytest.raises(PermissionDenied, match="fewer than the 4"):
        wary.take_part("job", [1, 2])
    assert hall.sent("advertise") == []


def test_a_stranger_among_the_clients_is_refused(hall: Hall, household: Household, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    stranger = Household(tmp_path / "elsewhere", 4)
    for name in ("o1", "o3"):
        stranger.owner(name, hall.connect).register()
        hall.report(name)
    with pytest.raises(PermissionDenied, match="o3"):
        household.owner("o0", hall.connect).contribute("job", [1, 2], total_clients=3)


class OtherJob(Hall):
    """Says of every session that it is of another job."""

    def _answer(self, asked: Request) -> Any:
        told = super()._answer(asked)
        if asked.method == "GET" and asked.path == "/api/secagg/jobs/job":
            told["terms"]["job"] = "another"
        return told


def test_a_session_of_another_job_is_not_given_this_jobs_values(household: Household) -> None:
    hall = OtherJob()
    for name in ("o1", "o2"):
        household.owner(name, hall.connect).register()
        hall.report(name)
    with pytest.raises(PermissionDenied, match="asked about job job, the server tells of a session of job another"):
        household.owner("o0", hall.connect).contribute("job", [1, 2], total_clients=3)
    assert hall.sent("advertise") == []
    assert list((household.place / "o0.key.parts").glob("*.part")) == []


class HastyHall(Hall):
    """Begins with three owners, whatever they asked for."""

    def _update(self, update: Update) -> dict[str, str]:
        return super()._update(update.model_copy(update={"total": 3, "minimum": None}))


def test_who_wished_for_a_minimum_insists_on_it_whatever_the_server_asks_for(household: Household) -> None:
    hall = HastyHall()
    for name in ("o1", "o2"):
        household.owner(name, hall.connect).register()
        hall.report(name)
    with pytest.raises(PermissionDenied, match="3 owners are fewer than the 4"):
        household.owner("o0", hall.connect).contribute("job", [1, 2], total_clients=9, wishes=Wishes(minimum=4))
    assert hall.sent("advertise") == []


class FullHall(Hall):
    """Its one job is others'."""

    def _update(self, update: Update) -> dict[str, str]:
        raise Conflict("Job job has totalClients 3 and all of them have reported; 'o0' is none of them")

    def _status(self, job: str) -> dict[str, Any]:
        raise NotFound(f"Unknown jobId {job}")


def test_who_is_refused_is_told_why_although_the_job_is_none_of_its_business(household: Household) -> None:
    with pytest.raises(Conflict, match="all of them have reported"):
        household.owner("o0", FullHall().connect).contribute("job", [1, 2], total_clients=3)


class FailedHall(FullHall):
    """Its one job has failed."""

    def _status(self, job: str) -> dict[str, Any]:
        return {"status": "FAILED", "message": "", "reason": "too late"}


def test_a_job_that_failed_while_its_owner_was_away_leaves_no_secrets(household: Household) -> None:
    owner = household.owner("o0", FailedHall().connect)
    begun = Part(job="job", client="o0", terms=terms_of(household.names), values="", seed="5eed", given={"share": [1]})
    owner._journal.write(begun)
    with pytest.raises(JobFailed, match="too late"):
        owner.contribute("job", [1, 2], total_clients=3)
    kept = owner._journal.read("job")
    assert kept == begun.model_copy(update={"seed": "", "given": {"share": None}, "ended": True})


def test_a_failed_job_is_told_with_its_reason(household: Household) -> None:
    hall = Hall(round_seconds=1)
    for name in ("o1", "o2"):
        household.owner(name, hall.connect).register()
        hall.report(name)
    with pytest.raises(JobFailed, match="missing: o1, o2"):
        household.owner("o0", hall.connect).contribute("job", [1, 2], total_clients=3, wishes=Wishes(round_seconds=1))


def test_an_identity_that_is_not_the_rosters_is_refused_at_once(household: Household) -> None:
    other = household.place / "other.key"
    create_identity(other)
    with pytest.raises(Misconfigured, match="another key of o0"):
        Owner("o0", identity=other, roster=household.place / "roster.json", url="http://hall")


def test_neither_key_nor_seed_is_printed(household: Household) -> None:
    owner = household.owner("o0", Hall().connect, api_key="secret")
    part = Part(job="job", client="o0", terms=terms_of(household.names), values="", seed="5eed")
    assert "secret" not in f"{owner!r} {owner.server!r}"
    assert "5eed" not in f"{part!r} {part}"


def test_two_processes_do_not_take_part_at_once(hall: Hall, household: Household) -> None:
    first, second = household.owner("o0", hall.connect), household.owner("o0", hall.connect)
    with first._journal.alone("job"), pytest.raises(Conflict, match="another process"):
        second.contribute("job", [1, 2], total_clients=3)


def test_who_comes_when_the_rounds_are_over_has_dropped_out(hall: Hall, household: Household) -> None:
    all_contribute(hall, household)
    hall.summed = ["o1", "o2"]
    parts = household.place / "o0.key.parts"
    for part in parts.glob("*.part"):
        part.unlink()
    with pytest.raises(DroppedOut, match="completed without the values of o0"):
        household.owner("o0", hall.connect).contribute("job", [1, 2], total_clients=3)
    with pytest.raises(DroppedOut):
        household.owner("o0", hall.connect).take_part("job", [1, 2])
