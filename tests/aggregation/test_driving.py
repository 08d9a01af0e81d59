"""Jobs are taken to their end, whatever dies in between."""

import json
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quintet.aggregation import results
from quintet.aggregation.jobs import Job
from quintet.aggregation.kept import final_key
from quintet.aggregation.messages import Nudge, Outcome
from quintet.kernel.errors import InvalidInput, Misconfigured, NotFound, QuintetError, Unavailable
from quintet.kernel.rows import Create, Write
from tests.aggregation.job_faults import WHEN, Happening, Killed, Steps, killed
from tests.aggregation.job_room import JOB, OUTBOX, SCHEMA, SUM, JobRoom

COHORT = ("c1", "c2", "c3")


@pytest.fixture
def room() -> JobRoom:
    return JobRoom()


def started(room: JobRoom, **more: Any) -> Job:
    room.all_report(schema=SCHEMA, **more)
    return room.look_after()


def test_when_all_are_there_the_aggregator_is_started_once(room: JobRoom) -> None:
    job = started(room, roundSeconds=9)
    assert (job.state, job.clients, job.handed_over) == ("AGGREGATING", COHORT, True)
    room.look_after()
    assert room.scripted.started == [(JOB, COHORT)]
    assert room.scripted.asked == [{"size": 9, "minimum": 3, "round_seconds": 9}]


def test_while_some_are_missing_nothing_happens(room: JobRoom) -> None:
    for client in ("c1", "c2"):
        room.update(client)
    assert room.look_after().state == "OPEN"
    assert room.scripted.started == []


def test_at_the_deadline_enough_are_enough(room: JobRoom) -> None:
    for client in ("c1", "c2", "c3"):
        room.update(client, 5, minClients=3, deadlineSeconds=60)
    room.clock.advance(60)
    assert room.look_after().state == "OPEN"
    room.clock.advance(5)
    job = room.look_after()
    assert (job.state, job.clients) == ("AGGREGATING", COHORT)


def test_at_the_deadline_too_few_are_too_few(room: JobRoom) -> None:
    room.update("c1", 5, minClients=3, deadlineSeconds=60)
    room.clock.advance(65)
    job = room.look_after()
    when = job.deadline.isoformat(timespec="seconds")
    assert (job.state, job.reason) == ("FAILED", f"1 of 5 clients reported by {when}, and 3 are the least")
    assert room.scripted.started == []


def test_a_job_of_fewer_than_the_least_cohort_fails_at_once(room: JobRoom) -> None:
    room.update("c1", 1)
    assert room.look_after().reason == "1 of 1 clients reported, and 2 are the least"


def test_a_sum_is_released_and_told(room: JobRoom) -> None:
    started(room)
    room.scripted.complete(*COHORT)
    job = room.look_after()
    assert (job.state, job.summed, job.ended_at) == ("COMPLETED", COHORT, room.clock.now())
    assert room.outbox() == [f"{JOB}#api", f"{JOB}#file"]
    assert room.delivered() == [JOB]
    assert room.ended == [job]
    assert [*room.ledger.opens()] == []
    kept = results.read(room.objects.get(results.key_of(JOB))[0], room.clock.now())
    assert (kept.clients, [one["featureName"] for one in kept.features]) == (COHORT, ["age", "isActive"])


def test_redis_says_what_the_original_said(room: JobRoom) -> None:
    started(room)
    room.scripted.complete()
    room.look_after()
    keys = room.memory.read(JOB)
    assert keys is not None
    final = json.loads(keys.final_result)
    assert (keys.total, keys.done, json.loads(keys.schema_text)) == (3, 3, SCHEMA)
    assert (final["status"], final["computationOutput"]) == ("COMPLETED", list(SUM))
    assert final["decodedFeatures"][1]["aggregatedTrue"] == 750
    assert final == json.loads(room.objects.get(final_key(JOB))[0])


def test_without_a_schema_the_sum_is_there_to_be_asked_for(room: JobRoom) -> None:
    room.all_report()
    room.look_after()
    room.scripted.complete(output=["1", "2.5"])
    assert room.look_after().state == "COMPLETED"
    told = room.status()
    assert (told["jobInfo"]["finalResult"]["computationOutput"], told["aggregatedResults"]) == (["1", "2.5"], [])
    assert room.outbox() == []


def test_survivors_are_all_that_are_in_the_sum(room: JobRoom) -> None:
    started(room, minClients=2)
    room.scripted.complete("c1", "c3")
    assert room.look_after().summed == ("c1", "c3")


def test_a_sum_over_too_few_is_not_released(room: JobRoom) -> None:
    started(room)
    room.scripted.complete("c1", "c3")
    job = room.look_after()
    assert (job.state, job.summed) == ("FAILED", ())
    assert "over 2 clients, and none over fewer than 3" in job.reason
    assert (room.objects.keys(), room.outbox(), room.delivered()) == ([], [], [])
    assert "45000" not in json.dumps(room.status())


@pytest.mark.parametrize("output", [SUM[:8], [], [*SUM[:8], "many"]], ids=["short", "empty", "no number"])
def test_a_sum_that_does_not_fit_the_schema_fails_the_job(room: JobRoom, output: list[str]) -> None:
    started(room)
    room.scripted.complete(output=output)
    job = room.look_after()
    assert job.state == "FAILED"
    assert job.reason.startswith("the sum does not fit the schema: ")
    assert (room.objects.keys(), room.outbox()) == ([], [])


def test_a_failed_run_fails_the_job(room: JobRoom) -> None:
    started(room)
    room.scripted.result = Outcome(status="FAILED", message="2 owners are not enough")
    assert room.look_after().reason == "2 owners are not enough"
    keys = room.memory.read(JOB)
    assert keys is not None
    assert json.loads(keys.final_result)["status"] == "FAILED"
    assert room.delivered() == []


@pytest.mark.parametrize("refusal", [NotFound("c2 is not connected"), InvalidInput("too many")])
def test_a_run_that_is_refused_fails_the_job(room: JobRoom, refusal: QuintetError) -> None:
    room.scripted.refusal = refusal
    assert started(room).reason == refusal.message


@pytest.mark.parametrize("trouble", [Unavailable("it is away"), Misconfigured("set COORDINATOR_HOST")])
def test_what_may_pass_is_tried_again_until_the_deadline(room: JobRoom, trouble: QuintetError) -> None:
    room.all_report()
    room.scripted.refusal = trouble
    for _ in range(3):
        with pytest.raises(type(trouble)):
            room.look_after()
        room.clock.advance(400)
    room.clock.advance(60)
    assert room.look_after().reason == trouble.message


def test_a_reason_that_names_all_clients_is_cut_to_what_a_row_holds(room: JobRoom) -> None:
    room.scripted.refusal = NotFound("not connected: " + ", ".join(f"{number:0128}" for number in range(4000)))
    job = started(room)
    assert (job.state, len(job.reason)) == ("FAILED", 2000)
    assert job.reason.startswith("not connected: 0000")


def test_a_run_that_never_ends_is_ended(room: JobRoom) -> None:
    started(room)
    room.clock.advance(1259)
    assert room.look_after().state == "AGGREGATING"
    room.clock.advance(1)
    assert room.look_after().reason == "no result within 1200 seconds"


def test_a_result_that_is_there_counts_however_late_it_is_seen(room: JobRoom) -> None:
    started(room)
    room.clock.advance(9999)
    room.scripted.complete()
    assert room.look_after().state == "COMPLETED"


def test_the_sweep_wants_each_job_looked_after_that_has_not_ended(room: JobRoom) -> None:
    for name in ("a", "b"):
        room.all_report(job=name)
    room.update("c1", job="c")
    room.look_after("a")
    room.scripted.complete()
    room.look_after("a")
    assert room.sweep() == ["b", "c"]


def test_the_sweep_finds_sessions_that_no_job_stands_behind(room: JobRoom) -> None:
    room.sessions.names = ["direct", JOB]
    room.update("c1")
    assert room.sweep() == [JOB, "direct"]
    room.driver.look_after(Nudge(job="direct"))
    room.driver.look_after(Nudge(job="nobody knows"))
    assert room.sessions.finished == ["direct"]


def test_a_session_that_outlives_its_job_is_finished(room: JobRoom) -> None:
    started(room)
    room.clock.advance(1260)
    assert room.look_after().state == "FAILED"
    room.sessions.names = [JOB]
    assert room.sweep() == [JOB]
    room.look_after()
    assert room.sessions.finished == [JOB]


def test_the_sweep_wakes_deliveries_that_are_due(room: JobRoom) -> None:
    room.sweep()
    assert room.deliveries.sent == []
    object.__setattr__(room.driver, "due", lambda: True)
    room.sweep()
    assert Nudge.model_validate_json(room.deliveries.sent[0][0]).about == "sweep"


def test_keys_that_redis_lost_are_restored(room: JobRoom) -> None:
    started(room)
    room.update("c1", job="open", schema=SCHEMA)
    room.scripted.complete()
    room.look_after()
    before = {job: room.memory.read(job) for job in (JOB, "open")}
    room.memory.flush()
    for job in room.sweep():
        room.look_after(job)
    assert {job: room.memory.read(job) for job in (JOB, "open")} == before
    assert room.sweep() == ["open"]


def test_a_job_ends_without_redis_which_is_told_when_it_is_back(room: JobRoom) -> None:
    started(room)
    room.memory.away = True
    room.scripted.complete()
    assert room.look_after().state == "COMPLETED"
    assert room.sweep() == [JOB]
    room.memory.away = False
    room.look_after()
    keys = room.memory.read(JOB)
    assert keys is not None
    assert json.loads(keys.final_result)["status"] == "COMPLETED"
    assert room.sweep() == []


def test_whose_names_are_too_long_to_be_kept_fails(room: JobRoom) -> None:
    names = [f"{number:03d}" + "\N{GRINNING FACE}" * 125 for number in range(250)]
    for name in names:
        room.update(name, 250)
    job = room.look_after()
    assert job.reason == "the names of its clients are too long to be kept"


class World:
    """A job with its owners' updates, looked after until it has ended; at some steps something happens."""

    def __init__(self, at: dict[tuple[int, str], Happening], *, fails: bool = False) -> None:
        self.room = JobRoom()
        self.created: list[str] = []
        self.room.update("c1", schema=SCHEMA)
        self.room.update("c2")
        if fails:
            self.room.scripted.result = Outcome(status="FAILED", message="no")
        else:
            self.room.scripted.complete()
        self.steps = Steps(self.room, at)
        self._count_deliveries()

    def live(self) -> Job:
        with self.steps.watched():
            self._until_done(lambda: self.room.update("c3"))
            for _ in range(12):
                for job in self._nudged():
                    self._until_done(lambda job=job: self.room.driver.look_after(Nudge(job=job)))  # type: ignore[misc]
                self.room.clock.advance(60)
                self._until_done(lambda: self.room.driver.look_after(Nudge(about="sweep")))
        return self.room.job()

    def other(self) -> None:
        """Another driver has the same nudge at the same time."""
        self.room.driver.look_after(Nudge(job=JOB))

    def says_it_again(self) -> None:
        self.room.update("c1")

    def check(self, state: str = "COMPLETED") -> None:
        room, job = self.room, self.room.job()
        assert (job.state, job.clients, set(room.scripted.started)) == (state, COHORT, {(JOB, COHORT)})
        wanted = [f"{JOB}#api", f"{JOB}#file"] if state == "COMPLETED" else []
        assert (sorted(self.created), room.outbox()) == (wanted, wanted)
        assert set(room.delivered()) == ({JOB} if state == "COMPLETED" else set())
        assert [*room.ledger.opens()] == []
        keys = room.memory.read(JOB)
        assert keys is not None
        assert (keys.done, sorted(keys.clients)) == (3, [*COHORT])
        assert json.loads(keys.final_result)["status"] == state
        assert len(room.ended) <= 1

    def _nudged(self) -> list[str]:
        names = self.room.nudged()
        self.room.nudges.sent.clear()
        return names

    def _until_done(self, use: Callable[[], object]) -> None:
        """As SQS and clients do: what failed comes again."""
        for _ in range(9):
            try:
                use()
            except (Killed, QuintetError):
                continue
            return
        raise AssertionError("it never got through")

    def _count_deliveries(self) -> None:
        write = self.room.stored.write

        def counted(*step: Write) -> None:
            write(*step)
            self.created += [
                one.place.name for one in step if isinstance(one, Create) and one.place.partition == OUTBOX
            ]

        self.room.stored.write = counted  # type: ignore[method-assign]


LIFE = 40
"""Steps, at least as many as a life has until the job has ended."""


def test_a_life_is_no_longer_than_is_tried() -> None:
    world = World({})
    with world.steps.watched():
        world.room.update("c3")
        world.room.look_after()
        world.room.look_after()
    assert world.room.job().ended
    assert 10 <= world.steps.count < LIFE


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("when", WHEN)
def test_killed_at_any_step_it_ends_the_same(when: str, fails: bool) -> None:
    for step in range(1, LIFE):
        world = World({(step, when): killed}, fails=fails)
        world.live()
        world.check("FAILED" if fails else "COMPLETED")


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("who", ["other", "says_it_again"])
def test_whoever_acts_at_any_step_it_ends_the_same(when: str, who: str) -> None:
    for step in range(1, LIFE):
        happenings: dict[tuple[int, str], Happening] = {}
        world = World(happenings)
        world.steps.at[step, when] = getattr(world, who)
        world.live()
        world.check()


def test_killed_twice_it_ends_the_same() -> None:
    for first, second in product(range(1, LIFE, 2), range(1, LIFE, 3)):
        world = World({(first, "after"): killed, (first + second, "before"): killed})
        world.live()
        world.check()


@settings(max_examples=150)
@given(st.dictionaries(st.tuples(st.integers(1, 60), st.sampled_from(WHEN)), st.integers(0, 2), max_size=8))
def test_whatever_happens_it_ends_the_same(happenings: dict[tuple[int, str], int]) -> None:
    world = World({})
    kinds: list[Happening] = [killed, world.other, world.says_it_again]
    world.steps.at |= {place: kinds[kind] for place, kind in happenings.items()}
    world.live()
    world.check()
