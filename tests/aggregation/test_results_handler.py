"""The original's handler: what it sends and saves, and how it says so."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from quintet.adapters.memory_calls import Call, MemoryCalls
from quintet.adapters.result_files import result_files
from quintet.aggregation.results_handler import AggregatedResultsHandler, Handled, Parts
from quintet.kernel.calls import Answer
from quintet.kernel.clock import SteppedClock
from quintet.kernel.errors import Unavailable
from quintet.sdk import results as sdk
from tests.aggregation.test_results import FEATURES

URL = "https://api.example.com/results"
NAME = "job_123_results_20260101_000000"
Lines = list[tuple[str, str]]


class World:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls = MemoryCalls()
        self.lines: Lines = []

    def handler(self, *, sending: bool = True, saving: bool = True) -> AggregatedResultsHandler:
        def say(level: str, line: str) -> None:
            self.lines.append((level, line))

        parts = Parts(self.calls, result_files, SteppedClock(), say, sending=sending, saving=saving)
        return AggregatedResultsHandler(str(self.folder), parts)

    @property
    def saved(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir()) if self.folder.is_dir() else []

    def said(self, level: str) -> list[str]:
        return [line for known, line in self.lines if known == level]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "results")


def example(handler: AggregatedResultsHandler, api_url: str | None = URL) -> Handled:
    return handler.send_and_save(
        aggregated_data=FEATURES, job_id="job_123", client_list=["client1", "client2"], api_url=api_url
    )


@pytest.mark.parametrize("sending", [True, False])
@pytest.mark.parametrize("saving", [True, False])
def test_each_half_as_far_as_it_is_switched_on(world: World, sending: bool, saving: bool) -> None:
    assert example(world.handler(sending=sending, saving=saving)) == {"api_success": True, "save_success": True}
    assert [call.url for call in world.calls.made] == [URL] * sending
    assert world.saved == [f"{NAME}.json"] * saving
    logged = "[Aggregator]   → NotNull: 1000, Sum: 45000, Avg: 45.0" in world.said("info")
    assert logged is (not sending and not saving)


def test_what_is_sent_and_what_is_saved_are_the_same_but_for_the_place(world: World) -> None:
    example(world.handler())
    sent, saved = json.loads(world.calls.made[0].body), json.loads((world.folder / f"{NAME}.json").read_text())
    assert saved["metadata"].pop("savedAt") == str(world.folder / f"{NAME}.json")
    assert sent == saved
    assert world.calls.made[0].headers["Content-Type"] == "application/json"


def test_a_switch_without_a_url_says_so(world: World) -> None:
    assert example(world.handler(), None) == {"api_success": True, "save_success": True}
    assert world.calls.made == []
    assert world.said("warning") == [
        "[ResultsHandler] ENABLE_API_SENDING is on without a URL: job job_123 is sent nowhere"
    ]
    world.lines.clear()
    example(world.handler(saving=False), None)
    assert "[Aggregator] Feature 1/3: age (NUMERIC)" in world.said("info")


@pytest.mark.parametrize(("status", "taken"), [(200, True), (201, True), (202, True), (204, False), (302, False),
                                               (400, False), (503, False)])  # fmt: skip
def test_which_answers_are_successes(world: World, status: int, taken: bool) -> None:
    world.calls.answer = lambda call: Answer(status, b"because\n")
    assert example(world.handler()) == {"api_success": taken, "save_success": True}
    assert bool(world.said("error")) is not taken


def test_an_api_that_is_away_costs_no_file(world: World) -> None:
    def away(call: Call) -> Answer:
        raise Unavailable("the service does not answer", reason="refused")

    world.calls.answer = away
    assert example(world.handler()) == {"api_success": False, "save_success": True}
    assert world.said("error") == [
        "[ResultsHandler] Results of job job_123 not sent: the service does not answer (reason: refused)"
    ]


def test_a_folder_that_can_t_be_written_to_costs_no_call(world: World) -> None:
    world.folder.write_text("a file")
    assert example(world.handler()) == {"api_success": True, "save_success": False}
    assert len(world.calls.made) == 1
    assert len(world.said("error")) == 1


def test_options(world: World, tmp_path: Path) -> None:
    path = tmp_path / "own/custom.txt"
    for clients in (["a"], ["b"]):
        world.handler().send_and_save(
            FEATURES, "j", clients, URL, str(path), headers={"X-Key": "k"}, timeout=1, file_format="TXT"
        )
    assert world.calls.made[0].headers["X-Key"] == "k"
    assert path.read_text().splitlines()[2] == "Clients: b"
    assert world.saved == []


@pytest.mark.parametrize(
    "use",
    [
        lambda handler: handler.save_to_filesystem([], "j", ["a"]),
        lambda handler: handler.save_to_filesystem(FEATURES, "j", ["a"], file_format="xml"),
        lambda handler: handler.save_to_filesystem([{"x": float("nan")}], "j", ["a"]),
        lambda handler: handler.send_to_api([], URL, "j", ["a"]),
        lambda handler: handler.send_to_api([{"x": object()}], URL, "j", ["a"]),
    ],
)
def test_what_can_t_be_told_is_a_failure_and_no_error(
    world: World, use: Callable[[AggregatedResultsHandler], bool]
) -> None:
    assert use(world.handler()) is False
    assert len(world.said("error")) == 1
    assert (world.calls.made, world.saved) == ([], [])


def test_two_results_of_a_job_in_one_second_are_two_files(world: World) -> None:
    for clients in (["a"], ["b"]):
        world.handler().save_to_filesystem(FEATURES, "job_123", clients)
    assert world.saved == [f"{NAME}.json", f"{NAME}_2.json"]


class TestSdk:
    """The document's example, with nothing but its import changed."""

    @pytest.fixture(autouse=True)
    def environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("RESULTS_SAVE_PATH", "ENABLE_API_SENDING", "ENABLE_FILESYSTEM_SAVING"):
            monkeypatch.delenv(name, raising=False)

    @pytest.fixture
    def calls(self, monkeypatch: pytest.MonkeyPatch) -> MemoryCalls:
        calls = MemoryCalls()
        monkeypatch.setattr(sdk, "HttpCalls", lambda: calls)
        return calls

    def test_the_example(self, calls: MemoryCalls, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level("INFO", "quintet"):
            handled = example(sdk.AggregatedResultsHandler(default_save_path=str(tmp_path)))
        assert handled == {"api_success": True, "save_success": True}
        assert [call.url for call in calls.made] == [URL]
        assert [path.name.split("_results_")[0] for path in tmp_path.iterdir()] == ["job_123"]
        assert "Job job_123 handled - API: True, Save: True" in caplog.text

    def test_the_switches_are_the_environments(
        self, calls: MemoryCalls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setenv("ENABLE_API_SENDING", "false")
        monkeypatch.setenv("ENABLE_FILESYSTEM_SAVING", "false")
        with caplog.at_level("INFO", "quintet"):
            example(sdk.AggregatedResultsHandler(default_save_path=str(tmp_path)))
        assert (calls.made, list(tmp_path.iterdir())) == ([], [])
        assert "[Aggregator]   → NotNull: 1000, True: 750, Percentage: 75.0%" in caplog.text

    def test_where_it_saves(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert sdk.AggregatedResultsHandler().default_save_path == "/app/results"
        monkeypatch.setenv("RESULTS_SAVE_PATH", "s3://bucket/prefix")
        assert sdk.AggregatedResultsHandler().default_save_path == "s3://bucket/prefix"
        assert sdk.AggregatedResultsHandler("/here").default_save_path == "/here"
