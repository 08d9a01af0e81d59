"""All of a session's run is logged in the end, whatever becomes of the server or of the one who logs."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quintet.calibration import tracking
from quintet.calibration.experiment import Columns, batch_columns, batch_path, experiment_name
from quintet.calibration.tracked import Contents, Ending
from quintet.calibration.tracking import IDLE_SECONDS, RESTS, Round, Tracker
from quintet.entry.worker import foreign
from quintet.kernel.errors import NotFound, Unavailable
from tests.calibration.tracked_sessions import CLASSES, ROWS, WIDTH, Moody, Streamed, Watch, a_session, made

EXPERIMENT = "Calibration Experiment for MNIST"


def plain_table(columns: Columns) -> bytes:
    return repr({name: np.asarray(column).tolist() for name, column in columns.items()}).encode()


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def server(watch: Watch) -> Moody:
    return Moody(watch)


@pytest.fixture
def tracker(server: Moody, watch: Watch) -> Tracker:
    return Tracker(server, plain_table, EXPERIMENT, watch)


def live(tracker: Tracker, watch: Watch, rounds: int = 500) -> list[str]:
    """Rounds until there is nothing to do; the sessions that were finished."""
    finished: list[str] = []
    for _ in range(rounds):
        done = tracker.round()
        finished += done.finished
        if done.pause == IDLE_SECONDS and not done.troubles and not any_rests(tracker, watch):
            return finished
        watch.now += done.pause
    raise AssertionError(f"still busy after {rounds} rounds")


def any_rests(tracker: Tracker, watch: Watch) -> bool:
    return any(turns.rests_until > watch.now for turns in tracker._turns.values())


# What stands in a run


def test_a_session_is_a_run_with_its_params_metrics_tables_and_report(
    tracker: Tracker, server: Moody, watch: Watch
) -> None:
    session = Streamed().come(5).end()
    tracker.add(session)
    assert live(tracker, watch) == ["s1"]
    (run,) = server.runs.values()
    assert (run.experiment, run.name) == (f"{EXPERIMENT} - Client client_1", "EvaluationSession-client_1")
    assert run.params == {"client_id": "client_1", "calibration_batches": "2"}
    assert run.values("batch/accuracy") == [(batch.index, batch.accuracy) for batch in session.batches(-1)]
    assert [step for step, _ in run.values("batch/uncertainty")] == [2, 3]
    assert run.values("batches") == [(0, 5.0)]
    assert list(run.artifacts) == [f"batches/client_1/batch{i}-client_1.parquet" for i in range(5)] + [
        "report.html",
        "report.pdf",
    ]
    assert run.status == "FINISHED"
    assert run.tags["quintet.verdict"] == "fine"


def test_a_session_by_notification_has_the_later_names(tracker: Tracker, server: Moody, watch: Watch) -> None:
    tracker.add(Streamed(a_session(via="notification")).come(1).end())
    live(tracker, watch)
    (run,) = server.runs.values()
    assert (run.experiment, run.name) == ("client_1", "s1")
    assert "batch_00000.parquet" in run.artifacts


def test_the_columns_are_the_originals() -> None:
    contents = made(7)
    older, later = (batch_columns(a_session(via=via), contents) for via in ("grpc", "notification"))
    assert list(older) == ["input", "probabilities"]
    assert np.array_equal(older["input"], np.frombuffer(contents.data, "<f4").reshape(ROWS, WIDTH))
    assert list(later) == ["input", "y_pred", "y_test"]
    assert b"".join(bytes(one) for one in later["input"]) == contents.data
    assert {len(one) for one in later["input"]} == {WIDTH * 4}
    assert np.asarray(later["y_pred"]).shape == (ROWS, CLASSES)


@pytest.mark.parametrize("data", [b"", b"123", b"1234567"])
def test_data_that_no_sample_can_be_made_of_is_no_failure(data: bytes) -> None:
    contents = replace(made(1), data=data)
    assert np.asarray(batch_columns(a_session(), contents)["input"]).shape == (ROWS, len(data) // ROWS // 4)
    assert len(batch_columns(a_session(via="notification"), contents)["input"]) == ROWS


def test_a_batch_without_rows_or_labels_has_a_table() -> None:
    nothing = Contents(b"", np.zeros((0, CLASSES), np.float32), None)
    assert np.asarray(batch_columns(a_session(), nothing)["input"]).shape == (0, 0)
    assert list(batch_columns(a_session(via="notification"), nothing)) == ["input", "y_pred"]


@pytest.mark.parametrize("client", ["../../etc", "a/b", "..", "x y#?", ""])
def test_no_client_leads_the_paths_of_artifacts_astray(client: str) -> None:
    parts = batch_path(a_session().model_copy(update={"client_id": client}), 3).split("/")
    assert len(parts) == 3
    assert not {"..", "."} & set(parts)


def test_experiments_of_clients_differ() -> None:
    assert experiment_name(a_session(1), "x") != experiment_name(a_session(2), "x")


@pytest.mark.parametrize(("state", "status"), [("FAILED", "FAILED"), ("TIMED_OUT", "KILLED")])
def test_a_session_that_ended_badly_says_so(
    tracker: Tracker, server: Moody, watch: Watch, state: Any, status: str
) -> None:
    tracker.add(Streamed().come(2).end(Ending(state, "queue 'x' is missing")))
    assert live(tracker, watch) == ["s1"]
    (run,) = server.runs.values()
    assert (run.status, run.tags["quintet.reason"]) == (status, "queue 'x' is missing")
    assert run.tags["quintet.state"] == state


def test_a_session_is_logged_as_it_goes(tracker: Tracker, server: Moody, watch: Watch) -> None:
    session = Streamed()
    tracker.add(session)
    assert live(tracker, watch) == []
    for known in range(1, 4):
        session.come(1)
        live(tracker, watch)
        run = server.of("s1")
        assert (len(run.values("batch/rows")), len(run.artifacts), run.status) == (known, known, "RUNNING")
    assert session.asked_for == [0, 1, 2]


def test_long_sessions_are_logged_in_pieces(tracker: Tracker, server: Moody, watch: Watch) -> None:
    tracker.add(Streamed().come(200).end())
    live(tracker, watch)
    assert len(server.of("s1").values("batch/rows")) == 200
    assert [what for what, _ in server.asked].count("metrics") == 4


# Servers that are away


def test_a_dead_server_is_asked_once_in_a_while_however_many_sessions_there_are(
    tracker: Tracker, server: Moody, watch: Watch
) -> None:
    for number in range(1000):
        tracker.add(Streamed(a_session(number)))
    server.away = lambda what, run: True
    rounds = [one_round(tracker, watch) for _ in range(20)]
    assert len(server.asked) == 20
    assert [done.pause for done in rounds[:3]] == list(RESTS[:3])
    assert {done.pause for done in rounds[4:]} == {RESTS[-1]}
    assert len({which for _, which in server.asked}) == 20  # one that spoils it for all would not stay first


def one_round(tracker: Tracker, watch: Watch) -> Round:
    done = tracker.round()
    watch.now += done.pause
    return done


def test_what_a_server_missed_is_logged_later_in_order(tracker: Tracker, server: Moody, watch: Watch) -> None:
    session = Streamed().come(2)
    tracker.add(session)
    live(tracker, watch)
    server.away = lambda what, run: True
    session.come(3)
    assert one_round(tracker, watch).troubles
    session.come(2).end()
    one_round(tracker, watch)
    server.away = lambda what, run: False
    assert live(tracker, watch) == ["s1"]
    run = server.of("s1")
    assert [step for step, _ in run.values("batch/accuracy")] == list(range(7))
    assert list(run.artifacts)[:7] == [f"batches/client_1/batch{i}-client_1.parquet" for i in range(7)]


def test_nobody_asks_before_the_pause_is_over(tracker: Tracker, server: Moody, watch: Watch) -> None:
    tracker.add(Streamed())
    server.away = lambda what, run: True
    first = tracker.round()
    again = tracker.round()
    assert (first.pause, again.pause, len(server.asked)) == (RESTS[0], RESTS[0], 1)
    assert again.troubles == []


def test_a_session_that_makes_the_server_fall_over_does_not_hold_up_others(
    tracker: Tracker, server: Moody, watch: Watch
) -> None:
    for number in range(10):
        tracker.add(Streamed(a_session(number)).come(3).end())
    server.away = lambda what, which: what == "metrics" and which == "run-0"
    finished: list[str] = []
    while len(finished) < 9:
        finished += one_round(tracker, watch).finished
        assert watch.now < 60
    assert "s0" not in finished


def test_a_file_that_never_gets_through_is_left_out_in_the_end(tracker: Tracker, server: Moody, watch: Watch) -> None:
    tracker.add(Streamed().come(2).end())
    others = [Streamed(a_session(number)) for number in (2, 3)]
    for other in others:
        tracker.add(other)
    server.away = lambda what, which: which == "report.pdf"
    server.seconds = 0.1
    troubles: list[str] = []
    while server.asked.count(("close", "run-0")) == 0:
        for other in others:
            other.come(1)
        troubles += [trouble.problem for trouble in one_round(tracker, watch).troubles]
    assert server.of("s1").status == "FINISHED"
    assert "report.html" in server.of("s1").artifacts
    assert any("report.pdf is not logged" in problem for problem in troubles)


def test_a_slow_server_gets_the_figures_of_all_before_the_files_of_any(
    tracker: Tracker, server: Moody, watch: Watch
) -> None:
    server.seconds = 0.5
    for number in range(20):
        tracker.add(Streamed(a_session(number)).come(5))
    while len(done_for(server, "metrics")) < 20:
        started = watch.now
        one_round(tracker, watch)
        assert watch.now - started < 3 * tracking.TURNS_SECONDS
        assert len(done_for(server, "artifact")) <= 20
    assert len(set(done_for(server, "artifact"))) <= len(server.asked) / 4


def done_for(server: Moody, what: str) -> list[str]:
    return [which for one, which in server.asked if one == what]


def test_files_are_stored_in_turn(tracker: Tracker, server: Moody, watch: Watch) -> None:
    for number in range(3):
        tracker.add(Streamed(a_session(number)).come(3))
    live(tracker, watch)
    batches = [path.split("/")[-1].split("-")[0] for path in done_for(server, "artifact")]
    assert batches == ["batch0"] * 3 + ["batch1"] * 3 + ["batch2"] * 3


# Servers that refuse


def test_a_run_that_was_deleted_is_begun_anew(tracker: Tracker, server: Moody, watch: Watch) -> None:
    session = Streamed().come(3)
    tracker.add(session)
    live(tracker, watch)
    server.of("s1").deleted = True
    session.come(2).end()
    assert live(tracker, watch) == ["s1"]
    assert len(server.runs) == 2
    assert len(server.of("s1").values("batch/rows")) == 5
    assert len(server.of("s1").artifacts) == 7


def test_a_run_that_is_refused_for_ever_is_given_up_after_its_end(
    tracker: Tracker, server: Moody, watch: Watch
) -> None:
    session = Streamed().come(1)
    tracker.add(session)
    server.picky = lambda what, which: what == "metrics"
    for _ in range(50):
        assert one_round(tracker, watch).finished == []
    session.end()
    troubles: list[str] = []
    while tracker._turns:
        troubles += [trouble.problem for trouble in one_round(tracker, watch).troubles]
    assert troubles[-1].startswith("the run is given up")


def test_a_file_that_is_refused_is_left_out(tracker: Tracker, server: Moody, watch: Watch) -> None:
    tracker.add(Streamed().come(3).end())
    server.picky = lambda what, which: "batch1-" in which
    troubles: list[str] = []
    while tracker._turns:
        troubles += [trouble.problem for trouble in one_round(tracker, watch).troubles]
    assert [problem.split("/")[-1] for problem in troubles] == [
        "batch1-client_1.parquet is not logged: MLflow refuses it"
    ]
    assert len(server.of("s1").artifacts) == 4


@pytest.mark.parametrize("what", ["open", "params", "metrics", "artifact", "close"])
def test_what_nobody_foresaw_costs_one_run_alone(server: Moody, watch: Watch, what: str) -> None:
    tracker = Tracker(server, plain_table, EXPERIMENT, watch, guard=foreign)
    for number in (1, 2):
        tracker.add(Streamed(a_session(number)).come(2).end())
    server.picky = lambda asked, which: asked == what and of_the_first(server, which) and bool(1 / 0)
    finished: list[str] = []
    while tracker._turns:
        finished += one_round(tracker, watch).finished
    assert sorted(finished) == ["s1", "s2"]
    assert server.of("s2").status == "FINISHED"
    assert len(server.of("s2").artifacts) == 4


def of_the_first(server: Moody, which: str) -> bool:
    return which == "s1" or "client_1" in which or (which in server.runs and "_1" in server.runs[which].name)


# What is to be logged can't be read


def test_contents_that_cannot_be_read_now_hold_up_their_session_alone(
    tracker: Tracker, server: Moody, watch: Watch
) -> None:
    tracker.add(Streamed(unreadable=3).come(3).end())
    tracker.add(Streamed(a_session(2)).come(3).end())
    one_round(tracker, watch)  # runs are begun
    done = tracker.round()
    assert [(trouble.session, trouble.problem) for trouble in done.troubles] == [("s1", "the bucket is away")]
    assert done.pause == 0.0
    assert live(tracker, watch) == ["s2", "s1"]
    assert len(server.of("s1").artifacts) == 5


@pytest.mark.parametrize("reader", [lambda: missing(NotFound("gone")), lambda: None])
def test_contents_that_are_not_kept_are_left_out(
    tracker: Tracker, server: Moody, watch: Watch, reader: Callable[[], Any]
) -> None:
    session = Streamed().come(2).end()
    session.contents = lambda index: reader()  # type: ignore[method-assign]
    tracker.add(session)
    while tracker._turns:
        one_round(tracker, watch)
    assert set(server.of("s1").artifacts) == {"report.html", "report.pdf"}
    assert server.of("s1").status == "FINISHED"


def missing(error: Exception) -> None:
    raise error


def test_a_report_that_cannot_be_read_yet_is_stored_later(tracker: Tracker, server: Moody, watch: Watch) -> None:
    missing_for = iter(range(2))

    def read() -> bytes:
        if next(missing_for, None) is not None:
            raise Unavailable("the bucket is away")
        return b"%PDF"

    tracker.add(Streamed().come(1).end(Ending("COMPLETED", files={"report.pdf": read})))
    while tracker._turns:
        one_round(tracker, watch)
    assert server.of("s1").artifacts["report.pdf"] == b"%PDF"


# Other workers


@given(st.integers(0, 30), st.integers(0, 8), st.booleans())
def test_who_logs_after_a_death_leaves_the_same_run(requests: int, batches: int, taken: bool) -> None:
    """The one before died at any request, before or after the server took it."""
    undisturbed = logged(batches)
    assert logged(batches, lambda server: kill_at(server, requests, taken)) == undisturbed


class Death(BaseException):
    """Of the process: nothing catches it."""


def logged(batches: int, disturb: Callable[[Moody], None] | None = None) -> dict[str, Any]:
    watch = Watch()
    server = Moody(watch)
    session = Streamed().come(batches).end()
    if disturb:
        disturb(server)
        with suppress(Death):
            log_all(session, server)
        server.noted, server.away = lambda: None, lambda what, which: False
    log_all(session, server)
    (run,) = server.runs.values()
    return {**vars(run), "history": {key: run.values(key) for key in run.history}}


def log_all(session: Streamed, server: Moody) -> None:
    tracker = Tracker(server, plain_table, EXPERIMENT, server.watch)
    tracker.add(session)
    assert live(tracker, server.watch) == ["s1"]


def kill_at(server: Moody, requests: int, taken: bool) -> None:
    left = iter(range(requests))

    def count(*_: str) -> bool:
        if next(left, None) is None:
            raise Death
        return False

    if taken:
        server.noted = count  # type: ignore[assignment]
    else:
        server.away = count


def test_whoever_lost_a_session_logs_no_more_of_it(tracker: Tracker, server: Moody, watch: Watch) -> None:
    session = Streamed().come(1)
    tracker.add(session)
    live(tracker, watch)
    tracker.drop("s1")
    tracker.drop("s1")
    session.come(1)
    live(tracker, watch)
    assert len(server.of("s1").values("batch/rows")) == 1


def test_a_session_that_is_added_twice_is_logged_once(tracker: Tracker, server: Moody, watch: Watch) -> None:
    session = Streamed().come(1).end()
    tracker.add(session)
    tracker.add(session)
    assert live(tracker, watch) == ["s1"]
    assert len(done_for(server, "artifact")) == 3


def test_with_nobody_to_log_the_thread_sleeps(tracker: Tracker, server: Moody) -> None:
    assert tracker.round() == Round(pause=IDLE_SECONDS)
    assert server.asked == []
