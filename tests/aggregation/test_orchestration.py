"""Clients report: each is counted once, the last of them triggers, and who disagrees is told with what."""

import json
from contextlib import suppress
from datetime import timedelta

import pytest

from quintet.aggregation.counting import durable_of
from quintet.aggregation.ledger import Report
from quintet.aggregation.messages import Outcome
from quintet.entry.caller import Caller
from quintet.kernel.errors import Conflict, InvalidInput, NotFound, PermissionDenied, Unavailable
from quintet.kernel.job_keys import DurableJob
from tests.aggregation.job_faults import Killed, Steps, killed
from tests.aggregation.job_room import ACTIVE, AGE, JOB, SCHEMA, JobRoom

ANA, BEA = Caller("key-ana"), Caller("key-bea")


@pytest.fixture(params=[True, False], ids=["with Redis", "without"])
def room(request: pytest.FixtureRequest) -> JobRoom:
    return JobRoom(with_redis=request.param)


def test_what_is_answered_is_the_originals(room: JobRoom) -> None:
    assert room.update("c1").message == "Update for job j1, client c1 recorded."
    assert room.update("c1").message == "Update for job j1, client c1 recorded."
    room.all_report()
    room.look_after()
    room.scripted.complete()
    room.look_after()
    assert room.update("c1").message == "Job j1 is already completed. No further updates are needed."
    assert room.update("new", 99).message == "Job j1 is already completed. No further updates are needed."


def test_a_client_counts_once(room: JobRoom) -> None:
    counts = [(answer.new, answer.done) for answer in (room.update(client) for client in ("c1", "c1", "c2", "c1"))]
    assert counts == [(True, 1), (False, 1), (True, 2), (False, 2)]
    assert room.standing().clients == ("c1", "c2")


def test_the_last_client_triggers_and_so_does_each_that_comes_again(room: JobRoom) -> None:
    assert [room.update(client).triggered for client in ("c1", "c2", "c3", "c1")] == [False, False, True, True]
    assert room.nudged() == [JOB, JOB]
    room.look_after()
    assert not room.update("c1").triggered


def test_one_client_too_many_is_refused(room: JobRoom) -> None:
    room.all_report()
    with pytest.raises(Conflict, match=r"totalClients 3 and all of them have reported.*'c4'"):
        room.update("c4")
    room.look_after()
    with pytest.raises(Conflict, match="'c4'"):
        room.update("c4")
    assert room.standing().clients == ("c1", "c2", "c3")


def test_another_number_of_clients_is_refused_with_both(room: JobRoom) -> None:
    room.update("c1", 3)
    with pytest.raises(Conflict, match=r"totalClients of job j1 is 3, and this update says 4"):
        room.update("c2", 4)
    assert room.standing().clients == ("c1",)


def test_the_first_schema_that_comes_is_the_jobs(room: JobRoom) -> None:
    assert not room.update("c1").schema_stored
    assert room.update("c2", schema=SCHEMA).schema_stored
    assert not room.update("c3", schema=SCHEMA).schema_stored
    assert room.job().schema_items == SCHEMA


def test_another_schema_is_refused(room: JobRoom) -> None:
    room.update("c1", schema=SCHEMA)
    with pytest.raises(Conflict, match=r"schema of job j1 is another one.*\(9 elements there, 2 here\)"):
        room.update("c2", schema=[ACTIVE])
    with pytest.raises(Conflict, match="schema of job j1"):
        room.update("c1", schema=[{**AGE, "name": "years"}, ACTIVE])
    assert room.standing().clients == ("c1",)


def test_schemas_are_compared_by_what_they_mean(room: JobRoom) -> None:
    room.update("c1", schema=SCHEMA)
    placed = [
        {"featureName": "isActive", "offset": 7, "length": 2, "dataType": "BOOLEAN"},
        {"featureName": "age", "offset": 0, "length": 7, "dataType": "NUMERIC"},
    ]
    assert room.update("c2", schema=placed).new
    assert room.update("c3", schema=[]).new
    assert room.job().schema_items == SCHEMA


def test_a_schema_that_says_nothing_is_refused_before_anything_is_written(room: JobRoom) -> None:
    with pytest.raises(InvalidInput, match=r"schema item 2, dataType"):
        room.update("c1", schema=[AGE, {"name": "x"}])
    with pytest.raises(NotFound):
        room.status()


def test_a_schema_after_the_start_is_refused(room: JobRoom) -> None:
    room.all_report()
    room.look_after()
    with pytest.raises(Conflict, match="was started without a schema"):
        room.update("c1", schema=SCHEMA)


def test_what_the_first_update_says_counts_for_the_job(room: JobRoom) -> None:
    room.update("c1", 10, minClients=7, deadlineSeconds=90, roundSeconds=5)
    room.update("c2", 10, minClients=3, deadlineSeconds=9999, roundSeconds=50)
    job = room.job()
    assert (job.minimum, job.round_seconds) == (7, 5)
    assert job.deadline == job.created_at + timedelta(seconds=90)


@pytest.mark.parametrize(("total", "asked", "minimum"), [(20, None, 14), (20, 3, 3), (20, 1, 2), (1, None, 2)])
def test_no_sum_over_fewer_than_the_least_cohort(room: JobRoom, total: int, asked: int | None, minimum: int) -> None:
    room.update("c1", total, minClients=asked)
    assert room.job().minimum == minimum


def test_after_the_deadline_nobody_new_is_taken(room: JobRoom) -> None:
    room.update("c1", deadlineSeconds=10)
    room.clock.advance(10)
    with pytest.raises(Conflict, match="takes no more clients"):
        room.update("c2", deadlineSeconds=10)
    assert not room.update("c1").new


def test_whoever_looks_at_an_overdue_job_has_it_looked_after(room: JobRoom) -> None:
    room.update("c1", deadlineSeconds=10)
    room.clock.advance(14)
    room.status()
    assert room.nudged() == []
    room.clock.advance(1)
    room.status()
    assert room.nudged() == [JOB]


def test_who_comes_after_the_start_is_told_so(room: JobRoom) -> None:
    for client in ("c1", "c2"):
        room.update(client, minClients=2, deadlineSeconds=10)
    room.clock.advance(20)
    room.look_after()
    with pytest.raises(Conflict, match="started without 'c3'"):
        room.update("c3")
    assert room.update("c2").message.endswith("recorded.")


def test_a_failed_job_says_why(room: JobRoom) -> None:
    room.update("c1", deadlineSeconds=10)
    room.clock.advance(20)
    room.look_after()
    for client in ("c1", "c2"):
        with pytest.raises(Conflict, match="has failed: 1 of 3 clients reported"):
            room.update(client)


def test_who_takes_no_part_in_a_failed_job_learns_no_more_of_it(room: JobRoom) -> None:
    room.update("c1", deadlineSeconds=10, caller=Caller("first"))
    room.clock.advance(20)
    room.look_after()
    with pytest.raises(Conflict, match=r"^Job j1 has failed: 1 of 3"):
        room.update("c1", caller=Caller("first"))
    with pytest.raises(Conflict, match=r"^Job j1 has failed\. Use another jobId$"):
        room.update("c2", caller=Caller("second"))


def test_a_name_is_the_callers_who_used_it_first(room: JobRoom) -> None:
    room.update("hospital-a", caller=ANA)
    with pytest.raises(PermissionDenied):
        room.update("hospital-a", caller=BEA)
    with pytest.raises(PermissionDenied):
        room.update("hospital-a", job="another job", caller=BEA)
    with pytest.raises(NotFound):
        room.status("another job")
    room.update("hospital-b", caller=BEA)
    assert room.standing().clients == ("hospital-a", "hospital-b")


def test_a_job_is_seen_by_those_who_take_part_and_by_administrators(room: JobRoom) -> None:
    room.update("hospital-a", caller=ANA)
    assert room.status(caller=ANA)["jobInfo"]["doneCount"] == 1
    assert room.status()["jobInfo"]["doneCount"] == 1
    for job, caller in ((JOB, BEA), ("none", ANA)):
        with pytest.raises(NotFound, match=f"^Unknown jobId {job}$"):
            room.status(job, caller)


def test_a_jobs_keys_are_never_anothers(room: JobRoom) -> None:
    with pytest.raises(InvalidInput, match="jobId must not end"):
        room.update("c1", job="j1:updatedClients")


def test_status_while_clients_report(room: JobRoom) -> None:
    room.update("b", schema=SCHEMA)
    room.update("a")
    assert room.status() == {
        "jobId": "j1",
        "status": "IN_PROGRESS",
        "message": "Job j1 is in progress (doneCount=2/3).",
        "progress": {"doneCount": 2, "totalClients": 3, "percentage": 66.7},
        "jobInfo": {
            "totalClients": 3,
            "doneCount": 2,
            "schema": SCHEMA,
            "finalResult": None,
            "updatedClients": ["b", "a"],
        },
    }


def test_a_job_that_nobody_is_counted_in_yet_is_waiting(room: JobRoom) -> None:
    """Whoever opened it was killed before it was counted."""
    room.update("c1")
    opened = room.job().model_copy(update={"id": "j2"})
    room.ledger.open(opened)
    assert room.status("j2")["status"] == "WAITING"
    assert room.update("c1", job="j2").new


def test_while_it_is_summed_the_rounds_are_told(room: JobRoom) -> None:
    room.all_report()
    room.look_after()
    object.__setattr__(room.orchestrator, "rounds", lambda job: {"round": "mask", "got": 1, "of": 3})
    told = room.status()
    assert (told["status"], told["message"]) == ("AGGREGATING", "Job j1 is in progress (doneCount=3/3).")
    assert told["aggregation"] == {"round": "mask", "got": 1, "of": 3}


def test_status_of_a_completed_job(room: JobRoom) -> None:
    room.all_report(schema=SCHEMA, minClients=2)
    room.look_after()
    room.scripted.complete("c1", "c3")
    room.clock.advance(5)
    room.look_after()
    told = room.status()
    assert (told["status"], told["message"]) == ("COMPLETED", "Job j1 is completed.")
    assert told["jobInfo"]["finalResult"]["computationOutput"] == list(room.scripted.result.output)
    assert told["jobInfo"]["finalResult"]["decodedFeatures"] == told["aggregatedResults"]
    assert [feature["featureName"] for feature in told["aggregatedResults"]] == ["age", "isActive"]
    assert told["metadata"] == {
        "totalFeatures": 2,
        "totalClients": 3,
        "completedAt": room.clock.now().isoformat(),
        "doneCount": 3,
        "summedClients": ["c1", "c3"],
    }


def test_status_of_a_failed_job(room: JobRoom) -> None:
    room.all_report()
    room.look_after()
    room.scripted.result = Outcome(status="FAILED", message="too few answered")
    room.look_after()
    told = room.status()
    assert (told["status"], told["reason"]) == ("FAILED", "too few answered")
    assert told["message"] == "Job j1 has failed: too few answered"
    assert "aggregatedResults" not in told


def test_while_redis_is_away_the_seats_count() -> None:
    room = JobRoom()
    room.update("c1")
    room.memory.away = True
    assert [room.update(client).done for client in ("c2", "c1", "c3")] == [2, 2, 3]
    assert room.nudged() == [JOB]
    with pytest.raises(Conflict, match="'c4'"):
        room.update("c4")
    room.memory.away = False
    room.look_after()
    keys = room.memory.read(JOB)
    assert keys is not None
    assert (keys.done, sorted(keys.clients)) == (3, ["c1", "c2", "c3"])


def test_what_redis_has_lost_it_is_told_again() -> None:
    room = JobRoom()
    room.update("c1", schema=SCHEMA)
    room.update("c2")
    room.memory.flush()
    assert room.update("c3").done == 3
    keys = room.memory.read(JOB)
    assert keys is not None
    assert (json.loads(keys.schema_text), keys.total, sorted(keys.clients)) == (SCHEMA, 3, ["c1", "c2", "c3"])


def test_a_client_that_was_counted_but_has_no_seat_keeps_nobody_out() -> None:
    """Its update died in between and never came again."""
    room = JobRoom()
    room.update("c1", 2)
    standing = room.standing()
    room.memory.record(JOB, "phantom", durable(room))
    assert len(standing.reports) == 1
    assert room.update("c2", 2).new
    with pytest.raises(Conflict):
        room.update("phantom", 2)
    keys = room.memory.read(JOB)
    assert keys is not None
    assert sorted(keys.clients) == ["c1", "c2"]


def test_a_client_that_was_counted_but_has_no_seat_gets_one_when_it_comes_again() -> None:
    room = JobRoom()
    room.update("c1", 2)
    room.memory.record(JOB, "c2", durable(room))
    answer = room.update("c2", 2)
    assert (answer.new, answer.done, answer.triggered) == (True, 2, True)


def test_seats_that_redis_gave_twice_are_sorted_out() -> None:
    """Redis lost its keys between two clients' counts and their seats."""
    room = JobRoom()
    room.update("c1")
    room.ledger.report(room.job(), Report("c2", "x", 3))
    room.memory.flush()
    assert [room.update(client).done for client in ("c2", "c3")] == [2, 3]
    assert sorted(room.standing().clients) == ["c1", "c2", "c3"]


@pytest.mark.parametrize("times", [1, 2, 5])
def test_a_queue_that_is_away_loses_no_trigger(times: int) -> None:
    room = JobRoom()
    room.update("c1", 2)
    room.nudges.away = True
    for _ in range(times):
        with pytest.raises(Unavailable):
            room.update("c2", 2)
    room.nudges.away = False
    assert room.update("c2", 2).triggered


def test_the_last_to_be_seated_triggers_though_another_was_counted_last() -> None:
    """The word of the other one came while a seat was empty, and nothing came of it."""
    room = JobRoom()

    def the_other() -> None:
        assert room.update("c2", 2).triggered
        assert room.look_after().state == "OPEN"
        room.nudges.sent.clear()

    steps = Steps(room, {})
    with steps.watched():
        room.update("c0", 2, job="another job")
        steps.at[steps.count + 2, "after"] = the_other
        assert room.update("c1", 2).triggered
    assert (room.nudged(), sorted(room.look_after().clients)) == ([JOB], ["c1", "c2"])


def durable(room: JobRoom) -> DurableJob:
    return durable_of(room.standing())


def test_whoever_is_killed_anywhere_may_say_it_again() -> None:
    """Each update dies after each of its steps in turn; said again, all is as it should be."""
    for deadly in range(1, 8):
        room = JobRoom()
        for client in ("c1", "c2", "c3"):
            with Steps(room, {(deadly, "after"): killed}).watched(), suppress(Killed):
                room.update(client, schema=SCHEMA)
            room.update(client, schema=SCHEMA)
        assert (room.standing().clients, room.job().schema_items) == (("c1", "c2", "c3"), SCHEMA)
        keys = room.memory.read(JOB)
        assert keys is not None
        assert (keys.done, sorted(keys.clients)) == (3, ["c1", "c2", "c3"])
        assert JOB in room.nudged()
