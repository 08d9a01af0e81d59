"""The client against both kinds of emulator: their paths, their redirections, their refusals."""

import json
from collections.abc import Callable

import pytest

from quintet.adapters.memory_calls import Call, MemoryCalls
from quintet.handover.errors import NEFConnectionError
from quintet.handover.nef import NefClient, NefStatus, WrongNefCredentials
from quintet.kernel.breaker import Breaker
from quintet.kernel.calls import Answer
from quintet.kernel.clock import SteppedClock
from tests.handover.nef_emulators import RECORDED_FORK, RECORDED_ORIGINAL, URL, Scene

UE = "202010000000001"


@pytest.fixture(params=["original", "fork"])
def scene(request: pytest.FixtureRequest) -> Scene:
    return Scene(request.param)


def saying(answer: Callable[[Call], Answer] | Answer) -> NefClient:
    calls = MemoryCalls(answer if callable(answer) else lambda _: answer)
    return NefClient(calls, URL, Breaker("nef", None, SteppedClock()))


class TestLogin:
    def test_the_form_that_the_emulators_want(self, scene: Scene) -> None:
        scene.nef.login("admin@my-email.com", "pass")
        (call,) = scene.calls.made
        assert (call.method, call.url) == ("POST", f"{URL}/api/v1/login/access-token")
        assert call.body == b"username=admin%40my-email.com&password=pass"
        assert call.headers["Content-Type"] == "application/x-www-form-urlencoded"
        assert scene.nef.moving() == {}

    def test_400_is_bad_credentials(self, scene: Scene) -> None:
        with pytest.raises(WrongNefCredentials, match="username or password") as refusal:
            scene.nef.login("admin@my-email.com", "other")
        assert (refusal.value.status, refusal.value.retry) == (502, False)
        assert isinstance(refusal.value, NEFConnectionError)
        assert scene.breaker.standing().total_failures == 0

    def test_without_a_login_it_is_asked_for(self, scene: Scene) -> None:
        with pytest.raises(WrongNefCredentials, match="asks for a login"):
            scene.nef.moving()

    def test_a_token_that_expired_is_renewed_once(self, scene: Scene) -> None:
        scene.log_in()
        scene.emulator.start_all()
        scene.emulator.expire_tokens()
        assert len(scene.nef.moving()) == 3
        assert scene.emulator.logins == 2

    @pytest.mark.parametrize("status", [401, 403])
    def test_one_that_is_never_believed_is_given_up(self, status: int) -> None:
        calls = MemoryCalls(
            lambda call: Answer(200, b'{"access_token": "x"}') if call.method == "POST" else Answer(status)
        )
        nef = NefClient(calls, URL, Breaker("nef", None, SteppedClock()))
        nef.login("a", "b")
        with pytest.raises(WrongNefCredentials):
            nef.moving()
        assert [call.method for call in calls.made] == ["POST", "GET", "POST", "GET"]

    @pytest.mark.parametrize("body", [b"{}", b'{"access_token": ""}', b'{"access_token": 1}', b"[]", b"<html>"])
    def test_an_answer_without_a_token(self, body: bytes) -> None:
        with pytest.raises(NEFConnectionError):
            saying(Answer(200, body)).login("a", "b")


class TestStatus:
    def test_neither_kind_tells_a_version(self, scene: Scene) -> None:
        assert scene.nef.status() == NefStatus(status="connected", nef_version="unknown")
        assert scene.asked() == ["GET /paths/", "GET /paths"]

    def test_a_version_that_is_told(self, scene: Scene) -> None:
        scene.emulator.version = "1.4"
        assert scene.nef.status().model_dump() == {"status": "connected", "nef_version": "1.4"}

    def test_nobody_there(self, scene: Scene) -> None:
        scene.away = True
        with pytest.raises(NEFConnectionError, match="can't be reached"):
            scene.nef.status()

    @pytest.mark.parametrize("status", [500, 502, 503])
    def test_a_server_in_trouble(self, scene: Scene, status: int) -> None:
        scene.status = status
        with pytest.raises(NEFConnectionError, match=str(status)):
            scene.nef.status()

    def test_somebody_else_at_its_address(self) -> None:
        with pytest.raises(NEFConnectionError, match="no NEF emulator"):
            saying(Answer(404, b"<html>")).status()

    def test_after_five_failures_it_is_left_alone(self, scene: Scene) -> None:
        scene.away = True
        for _ in range(7):
            with pytest.raises(NEFConnectionError):
                scene.nef.status()
        assert len(scene.calls.made) == 5
        scene.away = False
        scene.clock.advance(60)
        assert scene.nef.status().status == "connected"


def redirecting(location: str) -> Callable[[Call], Answer]:
    """307 from /paths/, and 200 from everywhere else."""
    return lambda call: Answer(307, b"", {"location": location}) if call.url.endswith("/paths/") else Answer(200, b"[]")


class TestRedirections:
    @pytest.mark.parametrize(
        "location",
        [f"{URL}/api/v1/paths", "http://nef.example.org/api/v1/paths", "https://NEF.example.org:4443/api/v1/paths",
         "/api/v1/paths", "../paths"],
    )  # fmt: skip
    def test_the_same_host_is_followed_on_our_own_port(self, location: str) -> None:
        """An emulator behind a proxy names another port or scheme than the one it is reached by."""
        nef = saying(redirecting(location))
        assert nef.status().status == "connected"
        assert isinstance(nef.calls, MemoryCalls)
        assert nef.calls.made[-1].url == f"{URL}/api/v1/paths"

    @pytest.mark.parametrize(
        "location", ["http://elsewhere.example.org/api/v1/paths", "//elsewhere.example.org/x", "", "ftp://x/"]
    )
    def test_another_host_never_gets_our_token(self, location: str) -> None:
        nef = saying(redirecting(location))
        with pytest.raises(NEFConnectionError, match="another host"):
            nef.status()
        assert isinstance(nef.calls, MemoryCalls)
        assert len(nef.calls.made) == 1

    def test_the_token_goes_along(self, scene: Scene) -> None:
        scene.log_in()
        scene.nef.status()
        assert scene.calls.made[-1].headers["Authorization"].startswith("Bearer ")

    def test_an_endless_one_ends(self) -> None:
        nef = saying(Answer(307, b"", {"location": "/api/v1/paths/"}))
        with pytest.raises(NEFConnectionError, match="again and again"):
            nef.status()


class TestMovement:
    def test_nobody_moves_until_a_loop_runs(self, scene: Scene) -> None:
        scene.log_in()
        assert scene.nef.moving() == {}
        scene.emulator.start_all()
        assert list(scene.nef.moving()) == [UE, "202010000000002", "202010000000003"]

    def test_the_underscore_is_tried_first_and_the_hyphen_second(self, scene: Scene) -> None:
        scene.log_in()
        scene.nef.moving()
        assert scene.asked()[1:] == ["GET /ue_movement/state-ues"]

    def test_a_version_with_the_hyphen(self) -> None:
        scene = Scene("fork")
        scene.emulator.movement = "ue-movement"
        scene.log_in()
        for _ in range(2):
            scene.nef.moving()
        assert scene.asked()[1:] == [
            "GET /ue_movement/state-ues", "GET /ue-movement/state-ues", "GET /ue-movement/state-ues",
        ]  # fmt: skip

    def test_something_that_is_no_emulator(self) -> None:
        with pytest.raises(NEFConnectionError, match="no NEF emulator"):
            saying(Answer(404, b'{"detail": "Not Found"}')).moving()

    @pytest.mark.parametrize("body", [b"[]", b"null", b"<html>", b""])
    def test_an_answer_of_another_form(self, body: bytes) -> None:
        with pytest.raises(NEFConnectionError):
            saying(Answer(200, body)).moving()

    def test_the_original_emulators_own_words(self) -> None:
        assert saying(Answer(200, RECORDED_ORIGINAL)).moving()[UE]["cell_id_hex"] == "AAAAA1004"


class TestRadio:
    def test_the_original_knows_none_and_is_asked_once(self) -> None:
        scene = Scene("original")
        scene.log_in()
        scene.emulator.start_all()
        assert [scene.nef.state(UE) for _ in range(3)] == [None, None, None]
        assert not scene.nef.models_radio
        assert scene.asked()[1:] == [f"GET /ml/state/{UE}", f"GET /ml/ml/state/{UE}"]

    def test_the_fork_tells_of_every_cell(self) -> None:
        scene = Scene("fork")
        scene.log_in()
        scene.emulator.start_all()
        state = scene.nef.state(UE)
        assert state is not None
        assert set(state["neighbor_rsrp_dbm"]) == {"AAAAA1001", "AAAAA1002", "AAAAA1003", "AAAAA1004"}
        assert scene.nef.models_radio

    def test_a_ue_that_is_gone_is_none_though_radio_is_modelled(self) -> None:
        scene = Scene("fork")
        scene.log_in()
        assert scene.nef.state(UE) is None
        assert scene.nef.models_radio

    def test_the_path_that_was_doubled(self) -> None:
        scene = Scene("fork")
        scene.emulator.features = "ml/ml/state"
        scene.log_in()
        scene.emulator.start_all()
        assert scene.nef.state(UE) is not None
        assert scene.nef.state(UE) is not None
        assert scene.asked()[-2:] == [f"GET /ml/ml/state/{UE}"] * 2

    def test_a_name_that_would_lead_elsewhere_does_not(self) -> None:
        nef = saying(Answer(200, RECORDED_FORK))
        nef.state("../../users?x=1")
        assert isinstance(nef.calls, MemoryCalls)
        assert nef.calls.made[0].url == f"{URL}/api/v1/ml/state/..%2F..%2Fusers%3Fx%3D1"


def test_cells(scene: Scene) -> None:
    scene.log_in()
    assert [cell["cell_id"] for cell in scene.nef.cells()] == [f"AAAAA100{number}" for number in (1, 2, 3, 4)]
    with pytest.raises(NEFConnectionError):
        saying(Answer(200, json.dumps({}).encode())).cells()
