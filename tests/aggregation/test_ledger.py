"""What stands in the rows: durable before anybody is told, and forgotten in time."""

import json
from datetime import timedelta

import pytest

from quintet.aggregation.ledger import ENDED, OPEN, Ledger, Overtaken, Report, job_of, place_of, record_of
from quintet.kernel.errors import Conflict
from quintet.kernel.rows import Create, Place
from tests.aggregation.job_room import JOB, SCHEMA, JobRoom


@pytest.fixture
def room() -> JobRoom:
    return JobRoom()


@pytest.fixture
def ledger(room: JobRoom) -> Ledger:
    return room.ledger


def test_a_job_is_read_as_it_was_written(room: JobRoom) -> None:
    room.update("c1", schema=SCHEMA, roundSeconds=7.5)
    room.ledger.start(room.job(), ["c1"])
    job = room.job()
    assert (job.state, job.clients, job.layout.size, job.round_seconds) == ("AGGREGATING", ("c1",), 9, 7.5)
    assert room.ledger.find(JOB) == job
    assert room.ledger.find("another") is None


def test_a_schema_keeps_the_order_of_its_fields(room: JobRoom) -> None:
    odd = [{"zeta": 1, "name": "ü", "dataType": "BOOLEAN", "alpha": [None, 0.1]}]
    room.update("c1", schema=odd)
    assert json.dumps(room.job().schema_items) == json.dumps(odd)


def test_a_large_schema_is_packed_and_the_same(room: JobRoom) -> None:
    large = [{"name": f"a variable called {number:05d}", "dataType": "NUMERIC"} for number in range(3000)]
    room.update("c1", schema=large)
    assert len(json.dumps(large)) > 3 * len(json.dumps(record_of(room.job())))
    assert room.job().schema_items == large


def test_one_of_two_opens_a_job(ledger: Ledger, room: JobRoom) -> None:
    room.update("c1")
    with pytest.raises(Conflict):
        ledger.open(room.job())


def test_reports_come_in_the_order_of_their_times_and_seats(ledger: Ledger, room: JobRoom) -> None:
    room.update("c9", 5)
    for seconds, seat, client in ((0, 4, "a"), (0, 3, "b#ü/"), (1, 2, "c")):
        room.clock.advance(seconds)
        ledger.report(room.job(), Report(client, "somebody", seat))
    assert room.standing().clients == ("c9", "b#ü/", "a", "c")
    assert room.standing().free_seats == [5]


@pytest.mark.parametrize("report", [Report("c1", "x", 2), Report("c2", "x", 1)], ids=["client", "seat"])
def test_a_client_has_one_seat_and_a_seat_one_client(ledger: Ledger, room: JobRoom, report: Report) -> None:
    room.update("c1")
    with pytest.raises(Conflict):
        ledger.report(room.job(), report)
    assert room.standing().reports == (Report("c1", "operator", 1),)


def test_a_thousand_clients_are_all_seen(ledger: Ledger, room: JobRoom) -> None:
    room.update("c1", 1000)
    partition, at = place_of(JOB).partition, room.clock.now().isoformat()
    in_hundreds(
        room,
        [
            Create(
                Place(partition, f"client#c{seat}"),
                {"schema": 1, "client": f"c{seat}", "caller": "x", "seat": seat, "at": at},
            )
            for seat in range(2, 1001)
        ],
    )
    assert room.standing().clients == tuple(f"c{seat}" for seat in range(1, 1001))


def test_similar_names_are_other_jobs(room: JobRoom) -> None:
    for job in ("a", "a#client#c1", "a/b", "A"):
        room.update("c1", job=job)
        room.update("c2", job=job)
    assert [len(room.standing(job).reports) for job in ("a", "a#client#c1", "a/b", "A")] == [2, 2, 2, 2]


def test_a_job_is_started_once(ledger: Ledger, room: JobRoom) -> None:
    room.update("c1")
    job = room.job()
    ledger.start(job, ["c1"])
    with pytest.raises(Overtaken):
        ledger.start(job, ["c1", "c2"])
    assert room.job().clients == ("c1",)


def test_an_end_and_what_follows_from_it_are_one_step(ledger: Ledger, room: JobRoom) -> None:
    room.update("c1")
    job = ledger.start(room.job(), ["c1"])
    before = ledger.amend(job, handed_over=True)
    with pytest.raises(Overtaken):
        ledger.complete(job, ["c1"], room.clock.now(), room.release.deliveries(JOB, room.clock.now()))
    assert (room.job(), room.outbox(), ledger.ended(limit=9)) == (before, [], [])
    ledger.complete(before, ["c1"], room.clock.now(), room.release.deliveries(JOB, room.clock.now()))
    assert (room.job().state, len(room.outbox()), ledger.ended(limit=9)) == ("COMPLETED", 2, [JOB])


def test_an_ended_job_is_among_the_open_ones_until_it_is_closed(ledger: Ledger, room: JobRoom) -> None:
    room.update("c1")
    job = ledger.fail(room.job(), "no")
    assert [*ledger.opens()] == [JOB]
    ledger.close(job)
    ledger.close(job)
    assert [*ledger.opens()] == []


def test_all_open_jobs_are_told_however_many(ledger: Ledger, room: JobRoom) -> None:
    names = [f"job {number:04d}" for number in range(1100)]
    in_hundreds(room, [Create(Place(OPEN, name), {"schema": 1}) for name in names])
    assert [*ledger.opens()] == names


def in_hundreds(room: JobRoom, rows: list[Create]) -> None:
    for first in range(0, len(rows), 100):
        room.stored.write(*rows[first : first + 100])


def test_the_jobs_that_ended_last_come_first(ledger: Ledger, room: JobRoom) -> None:
    for name in "abc":
        room.update("c1", job=name)
        room.clock.advance(1)
        ledger.fail(room.job(name), "no")
    assert ledger.ended(limit=2) == ["c", "b"]


def test_everything_of_a_job_is_forgotten_in_time(room: JobRoom) -> None:
    room.update("c1", deadlineSeconds=60)
    room.ledger.fail(room.job(), "no")
    kept = timedelta(days=room.settings.retention_days, seconds=60 + room.settings.aggregation_seconds)
    partitions = [place_of(JOB).partition, f"aggregation#seats#{JOB}", OPEN, ENDED]
    room.clock.advance(kept.total_seconds() - 1)
    assert [len(room.stored.list(one)) for one in partitions] == [2, 1, 1, 1]
    room.clock.advance(1)
    assert [len(room.stored.list(one)) for one in partitions] == [0, 0, 0, 0]


def test_a_record_that_lacks_newer_fields_is_read(room: JobRoom) -> None:
    room.update("c1")
    record = {name: value for name, value in record_of(room.job()).items() if name not in {"watched_until", "summed"}}
    assert job_of(record) == room.job()
    assert record["schema"] == 1
