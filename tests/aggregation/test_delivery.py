"""Telling results: at least once, under one key and in the same bytes, whatever fails."""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from quintet.adapters.memory import MemoryObjects, MemoryQueue
from quintet.adapters.memory_calls import Call, MemoryCalls
from quintet.adapters.memory_files import MemoryResultFiles
from quintet.adapters.memory_rows import MemoryRows
from quintet.aggregation import results
from quintet.aggregation.addresses import listed
from quintet.aggregation.delivery import Deliverer
from quintet.aggregation.delivery_channels import KeptResults, ToApi, ToFiles, ToLog, ToReturnUrl, configured
from quintet.aggregation.outbox import CHANNELS, Channel, Errand, Outbox
from quintet.aggregation.settings import Results
from quintet.kernel.calls import Answer
from quintet.kernel.clock import SteppedClock
from quintet.kernel.errors import Unavailable
from tests.aggregation.test_results import FEATURES

API = "http://results.internal:8080/api/results"
HOOK = "https://hooks.example.org/done"
PUBLIC = ("93.184.216.34",)
ATTEMPTS = 4


class Killed(BaseException):
    """The process is gone."""


class World:
    """A room that delivers, in memory; `answers` are the statuses of whoever is called, by URL, 200 where none is."""

    def __init__(self, *, api: str = API, formats: Sequence[results.Format] = ("json",)) -> None:
        self.clock = SteppedClock()
        self.rows, self.objects = MemoryRows(self.clock), MemoryObjects()
        self.outbox = Outbox(self.rows, self.clock, lambda: 0.5, timedelta(days=30))
        self.calls, self.files, self.dead_letters = MemoryCalls(self.answer), MemoryResultFiles(), MemoryQueue()
        self.answers: dict[str, list[int]] = {}
        self.addresses: Sequence[str] = PUBLIC
        self.lines: list[tuple[str, str]] = []
        kept = KeptResults(self.objects)
        self.deliverer = Deliverer(
            self.outbox,
            {
                "api": ToApi(self.calls, api, kept),
                "file": ToFiles(self.files, formats, kept),
                "log": ToLog(self.say, kept),
                "return-url": ToReturnUrl(
                    self.calls, listed("hooks.example.org"), lambda host, port: self.addresses, self.objects, kept
                ),
            },
            self.dead_letters,
            self.say,
            attempts=ATTEMPTS,
        )

    def answer(self, call: Call) -> Answer:
        status = (self.answers.get(call.url) or [200]).pop(0)
        if status == 0:
            raise Unavailable("the service does not answer")
        return Answer(status, b"said so")

    def say(self, level: str, line: str) -> None:
        self.lines.append((level, line))

    def end(self, job: str, *channels: Channel, **more: str) -> None:
        self.objects.put(results.key_of(job), results.kept(job, ["a", "b"], FEATURES))
        self.rows.write(*self.outbox.rows_for(job, channels, completed_at=self.clock.now(), **more))

    def deliver(self, job: str = "j") -> None:
        self.deliverer.deliver(Errand(job=job))

    def sweep(self) -> None:
        self.clock.advance(2 * 3600)
        self.deliverer.deliver(Errand(about="sweep"))

    def left(self, job: str = "j") -> dict[str, tuple[str, int]]:
        return {one.channel: (one.state, one.attempts) for one in self.outbox.of(job)}

    def letters(self) -> list[tuple[dict[str, str], dict[str, str]]]:
        return [(json.loads(body), attributes) for body, attributes in self.dead_letters.sent]


@pytest.fixture
def world() -> World:
    return World()


def test_each_channel_tells_the_same(world: World) -> None:
    world.end("j", *CHANNELS, correlation="c-1", return_url=HOOK)
    world.deliver()
    assert world.left() == {}
    api, hook = world.calls.made
    assert (api.url, api.addresses, hook.url, hook.addresses) == (API, None, HOOK, PUBLIC)
    assert api.body == hook.body
    assert api.headers["X-Correlation-ID"] == hook.headers["X-Correlation-ID"] == "c-1"
    assert api.headers["Idempotency-Key"] != hook.headers["Idempotency-Key"]
    assert api.headers["Content-Type"] == "application/json"
    said = json.loads(api.body)
    assert (said["jobId"], said["clientList"], said["timestamp"]) == ("j", ["a", "b"], world.clock.now().isoformat())
    assert list(world.files.content) == ["j_results_20260101_000000.json"]
    assert ("info", "[Aggregator]   → NotNull: 1000, Sum: 45000, Avg: 45.0") in world.lines
    assert ("info", "[ResultsHandler] Job j: results sent to the API: 200 said so") in world.lines


def test_what_was_told_is_not_told_again(world: World) -> None:
    world.end("j", "api")
    for _ in range(3):
        world.deliver()
        world.sweep()
    assert len(world.calls.made) == 1


@pytest.mark.parametrize("status", [0, 302, 307, 408, 409, 425, 429, 500, 503])
def test_what_may_pass_is_tried_again_with_the_same_key_and_bytes(world: World, status: int) -> None:
    world.answers[API] = [status, status, 202]
    world.end("j", "api")
    world.deliver()
    world.deliver()  # it is not due yet
    assert world.left() == {"api": ("pending", 1)}
    world.sweep()
    world.sweep()
    assert world.left() == {}
    assert len(world.calls.made) == 3
    assert len({(call.body, call.headers["Idempotency-Key"]) for call in world.calls.made}) == 1
    assert world.letters() == []


def test_pauses_grow(world: World) -> None:
    world.answers[API] = [503] * 3
    world.end("j", "api")
    waited = []
    for _ in range(3):
        (one,) = world.outbox.of("j")
        waited.append((one.next_at - world.clock.now()).total_seconds())
        world.clock.advance(waited[-1])
        world.deliver()
    (one,) = world.outbox.of("j")
    assert [*waited, (one.next_at - world.clock.now()).total_seconds()] == [0, 37.5, 75, 150]


@pytest.mark.parametrize("status", [204, 400, 401, 403, 404, 410, 413, 422])
def test_a_refusal_is_given_up_at_once(world: World, status: int) -> None:
    world.answers[API] = [status]
    world.end("j", "api", "file", correlation="c")
    world.deliver()
    assert world.left() == {"api": ("dead", 1)}
    ((errand, attributes),) = world.letters()
    assert errand == {"about": "revive", "job": "j", "channel": "api"}
    assert attributes == {
        "error": "InvalidInput", "reason": f"results.internal answered {status}", "correlation_id": "c",
    }  # fmt: skip
    assert len(world.files.content) == 1
    world.sweep()
    assert len(world.calls.made) == 1


def test_what_is_tried_too_often_is_given_up_and_revived(world: World) -> None:
    world.answers[API] = [503] * ATTEMPTS
    world.end("j", "api")
    world.deliver()
    for _ in range(ATTEMPTS + 2):
        world.sweep()
    assert len(world.calls.made) == ATTEMPTS
    assert world.left() == {"api": ("dead", ATTEMPTS)}
    (dead,) = world.outbox.of("j")
    assert dead.reason == "results.internal answered 503"
    ((body, _),) = world.dead_letters.sent
    world.deliver()
    assert len(world.calls.made) == ATTEMPTS
    world.deliverer.deliver(Errand.model_validate_json(body))
    world.deliverer.deliver(Errand.model_validate_json(body))
    assert len(world.calls.made) == ATTEMPTS + 1
    assert len({call.headers["Idempotency-Key"] for call in world.calls.made}) == 1
    assert world.left() == {}


@pytest.mark.parametrize("moment", ["before", "after"])
def test_one_who_dies_while_sending_is_followed_by_another(world: World, moment: str) -> None:
    """Before the other side heard of it, or after it took it: nobody can tell."""
    told: list[Any] = []

    def die(call: Call) -> Answer:
        if moment == "after":
            told.append((call.body, call.headers["Idempotency-Key"]))
        raise Killed

    world.end("j", "api", "file")
    world.calls.answer = die
    with pytest.raises(Killed):
        world.deliver()
    assert world.left() == {"api": ("pending", 1), "file": ("pending", 0)}
    world.calls.answer = world.answer
    world.sweep()
    assert world.left() == {}
    last = world.calls.made[-1]
    assert told in ([], [(last.body, last.headers["Idempotency-Key"])])
    assert len(world.files.content) == 1


def test_one_who_dies_before_it_is_recorded_is_followed_by_another(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.end("j", "api", "file")
    with monkeypatch.context() as patch:
        patch.setattr(Outbox, "done", lambda *_: killed())
        for _ in range(2):
            with pytest.raises(Killed):
                world.sweep()
    world.sweep()
    assert world.left() == {}
    assert len({(call.body, call.headers["Idempotency-Key"]) for call in world.calls.made}) == 1
    assert list(world.files.content) == ["j_results_20260101_000000.json"]


def killed() -> None:
    raise Killed


def test_one_that_kills_whoever_sends_it_is_given_up_too(world: World) -> None:
    def die(call: Call) -> Answer:
        raise Killed

    world.end("j", "api")
    world.calls.answer = die
    for _ in range(ATTEMPTS):
        with pytest.raises(Killed):
            world.sweep()
    world.sweep()
    assert len(world.calls.made) == ATTEMPTS
    assert world.left() == {"api": ("dead", ATTEMPTS)}
    assert world.letters()[0][1]["reason"] == "every attempt was cut off"


@pytest.mark.parametrize("ill", ["api", "file"])
def test_a_channels_trouble_stays_its_own(world: World, ill: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> bool:
        raise Unavailable("the disk is full")

    if ill == "api":
        world.answers[API] = [0]
    else:
        monkeypatch.setattr(MemoryResultFiles, "create", full)
    world.end("j", *CHANNELS, return_url=HOOK)
    world.end("k", "log")
    world.sweep()
    assert set(world.left()) == {ill}
    assert world.left("k") == {}


def test_while_the_dead_letters_are_away_it_is_not_dead(world: World) -> None:
    world.answers[API] = [400, 400]
    world.dead_letters.away = True
    world.end("j", "api")
    with pytest.raises(Unavailable):
        world.deliver()
    assert world.left() == {"api": ("pending", 1)}
    world.dead_letters.away = False
    world.sweep()
    assert world.left() == {"api": ("dead", 2)}
    assert len(world.letters()) == 1


def test_only_the_job_that_is_asked_for(world: World) -> None:
    world.end("j", "log")
    world.end("j#log", "log")
    world.deliver("j")
    assert (world.left("j"), world.left("j#log")) == ({}, {"log": ("pending", 0)})


def test_two_at_once_send_once(world: World) -> None:
    world.end("j", "api")
    (seen,) = world.outbox.of("j")
    world.deliverer.attempt(seen)
    world.deliverer.attempt(seen)
    assert len(world.calls.made) == 1


def test_both_formats_are_saved_and_each_once(world: World) -> None:
    both = World(formats=("json", "txt"))
    both.end("j", "file")
    both.deliver()
    assert sorted(both.files.content) == ["j_results_20260101_000000.json", "j_results_20260101_000000.txt"]


def test_an_api_that_is_no_longer_set_up_waits_for_it() -> None:
    world = World(api="")
    world.end("j", "api")
    world.deliver()
    (one,) = world.outbox.of("j")
    assert (one.state, "RESULTS_API_URL" in one.reason) == ("pending", True)


class TestReturnUrl:
    @pytest.mark.parametrize("address", ["10.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.1"])
    def test_one_that_leads_into_a_private_network_is_given_up(self, world: World, address: str) -> None:
        world.addresses = [*PUBLIC, address]
        world.end("j", "return-url", return_url=HOOK)
        world.deliver()
        assert world.calls.made == []
        assert world.left() == {"return-url": ("dead", 1)}
        assert world.letters()[0][1]["error"] == "PermissionDenied"
        assert address not in world.letters()[0][1]["reason"]

    def test_one_that_is_not_on_the_list_any_more_is_given_up(self, world: World) -> None:
        world.end("j", "return-url", return_url="https://evil.example/")
        world.deliver()
        assert (world.calls.made, world.left()) == ([], {"return-url": ("dead", 1)})

    def test_one_that_can_t_be_resolved_now_is_tried_later(self, world: World) -> None:
        world.addresses = []
        world.end("j", "return-url", return_url=HOOK)
        world.deliver()
        world.addresses = PUBLIC
        world.sweep()
        assert ([call.url for call in world.calls.made], world.left()) == ([HOOK], {})

    def test_it_is_resolved_for_each_attempt(self, world: World) -> None:
        world.answers[HOOK] = [503]
        world.end("j", "return-url", return_url=HOOK)
        world.deliver()
        world.addresses = ["9.9.9.9"]
        world.sweep()
        assert [call.addresses for call in world.calls.made] == [PUBLIC, ("9.9.9.9",)]

    def test_a_body_that_is_kept_is_sent_as_it_is(self, world: World) -> None:
        world.objects.put("some/body", b'{"status": "COMPLETED"}')
        world.rows.write(
            *world.outbox.rows_for(
                "run", ["return-url"], completed_at=world.clock.now(), return_url=HOOK, body_key="some/body"
            )
        )
        world.deliver("run")
        assert world.calls.made[0].body == b'{"status": "COMPLETED"}'


def test_a_result_that_is_not_kept_any_more_is_given_up(world: World) -> None:
    world.end("j", "api")
    world.objects.delete(results.key_of("j"))
    world.deliver()
    assert world.left() == {"api": ("dead", 1)}
    assert world.letters()[0][1]["error"] == "NotFound"


@pytest.mark.parametrize(
    ("settings", "has_place", "channels", "warned"),
    [
        ({"api_url": API}, True, ("api", "file"), []),
        ({"api_url": API, "saving": False}, True, ("api",), []),
        ({"api_url": API, "sending": False}, True, ("file",), []),
        ({"api_url": API, "sending": False, "saving": False}, True, ("log",), []),
        ({}, True, ("file",), ["ENABLE_API_SENDING"]),
        ({"api_url": API}, False, ("api",), ["ENABLE_FILESYSTEM_SAVING"]),
        ({}, False, ("log",), ["ENABLE_API_SENDING", "ENABLE_FILESYSTEM_SAVING"]),
        ({"saving": False}, False, ("log",), ["ENABLE_API_SENDING"]),
    ],
)
def test_which_channels_a_deployment_has(
    settings: dict[str, Any], has_place: bool, channels: tuple[Channel, ...], warned: list[str]
) -> None:
    found = configured(Results(**settings), has_place=has_place)
    assert found.channels == channels
    assert [warning.split()[0] for warning in found.warnings] == warned


def test_an_errand_reads_what_the_rooms_nudges_say() -> None:
    assert Errand.model_validate_json('{"about":"job","job":"j","other":1}') == Errand(job="j")
    assert Errand.model_validate_json('{"about":"sweep","job":""}').about == "sweep"
