"""The command line against an emulator and a service over real connections."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.demo.nef_emulator import Emulator
from infra.local.demo.nef_emulator import serving as emulating
from quintet.cli.handover import DONE, LATER, REFUSED, WRONG, main
from tests.handover.nef.service import PASSWORD, USER, AdvisingService, serving
from tests.handover.nef.test_drives import HEADER, SAMPLE, row

pytestmark = pytest.mark.enable_socket

LOGIN = ("--username", "admin@my-email.com", "--password", "pass")


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an empty folder, with a service's password in the environment, and no patience."""
    monkeypatch.chdir(tmp_path)
    for name in ("NEF_USERNAME", "NEF_PASSWORD", "NEF_API_URL", "HANDOVER_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AUTH_USERNAME", USER)
    monkeypatch.setenv("AUTH_PASSWORD", PASSWORD)


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    seconds: list[float] = []
    monkeypatch.setattr("quintet.cli.handover.time.sleep", seconds.append)
    return seconds


@pytest.fixture
def emulator() -> Iterator[tuple[Emulator, str]]:
    one = Emulator("fork")
    one.start_all()
    with emulating(one) as url:
        yield one, url


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[AdvisingService]:
    with serving(AdvisingService()) as one:
        monkeypatch.setenv("HANDOVER_URL", one.url)
        yield one


class TestCollect:
    def collect(self, url: str, *more: str) -> int:
        return main(["collect", "--url", url, *LOGIN, "--duration", "2", "--interval", "1", *more])

    def test_the_samples_lie_in_a_file(
        self, emulator: tuple[Emulator, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.collect(emulator[1]) == DONE
        (file,) = (tmp_path / "collected_data").glob("training_data_????????_??????.json")
        samples = json.loads(file.read_text())
        assert len(samples) == 6
        told = capsys.readouterr()
        assert "6 samples of 2 looks, 6 of which can be trained on" in told.out
        assert "look 1 of 2: 3 UEs move, 3 samples" in told.err

    def test_then_train(self, emulator: tuple[Emulator, str], service: AdvisingService, tmp_path: Path) -> None:
        assert self.collect(emulator[1], "--train", "--output", "here/x.json") == DONE
        assert service.heard[-1].path == "/api/train"
        assert service.heard[-1].content == json.loads((tmp_path / "here/x.json").read_text())

    def test_wrong_credentials(self, emulator: tuple[Emulator, str], capsys: pytest.CaptureFixture[str]) -> None:
        emulator[0].password = "another"
        assert self.collect(emulator[1]) == REFUSED
        assert "refuses the username or password" in capsys.readouterr().err

    def test_nobody_moves(self, emulator: tuple[Emulator, str], capsys: pytest.CaptureFixture[str]) -> None:
        for ue in emulator[0].world.ues.values():
            ue.started_at = None
        assert self.collect(emulator[1]) == REFUSED
        assert "start-loop" in capsys.readouterr().err

    def test_nobody_there(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.collect("http://127.0.0.1:9") == LATER
        assert "can't be reached" in capsys.readouterr().err

    def test_the_original_can_not_be_trained_on(
        self, emulator: tuple[Emulator, str], service: AdvisingService, capsys: pytest.CaptureFixture[str]
    ) -> None:
        emulator[0].kind = "original"
        assert self.collect(emulator[1], "--train") == REFUSED
        told = capsys.readouterr()
        assert "0 of which can be trained on" in told.out
        assert "models no radio" in told.out
        assert service.heard == []

    def test_unless_a_radio_is_drawn_for_it(
        self, emulator: tuple[Emulator, str], service: AdvisingService, capsys: pytest.CaptureFixture[str]
    ) -> None:
        emulator[0].kind = "original"
        assert self.collect(emulator[1], "--train", "--synthesise-radio", "7") == DONE
        assert "nobody's measurement" in capsys.readouterr().out
        assert len(service.heard[-1].content) == 6

    def test_interrupted_it_keeps_what_it_has(
        self, emulator: tuple[Emulator, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupt(_: float) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("quintet.cli.handover.time.sleep", interrupt)
        assert main(["collect", "--url", emulator[1], *LOGIN, "--duration", "300", "--output", "x.json"]) == DONE
        assert len(json.loads((tmp_path / "x.json").read_text())) == 3

    @pytest.mark.parametrize("given", [("--duration", "0"), ("--duration", "3601"), ("--interval", "0.5")])
    def test_the_limits(self, given: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["collect", *LOGIN, *given]) == WRONG
        assert given[0] in capsys.readouterr().err

    def test_a_password_that_nobody_gives_is_named(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["collect", "--username", "x"]) == WRONG
        assert "NEF_PASSWORD" in capsys.readouterr().err

    def test_passwords_of_the_environment(
        self, emulator: tuple[Emulator, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("NEF_USERNAME", "admin@my-email.com")
        monkeypatch.setenv("NEF_PASSWORD", "pass")
        assert main(["collect", "--url", emulator[1], "--duration", "1"]) == DONE


class TestDelegated:
    def collect(self, service: AdvisingService, *more: str) -> int:
        return main(["collect", "--ml-service-url", service.url, "--duration", "60", *more])

    def test_the_service_collects(self, service: AdvisingService, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.collect(service, *LOGIN) == DONE
        assert [heard.path for heard in service.heard] == ["/api/login", "/api/collect-data"]
        assert service.heard[-1].content == {
            "duration": 60.0, "interval": 1.0, "username": "admin@my-email.com", "password": "pass",
        }  # fmt: skip
        told = capsys.readouterr().out
        assert "3 samples, kept by the service as handover/collected/x.json" in told
        assert "note: so it is" in told

    def test_without_a_login_it_takes_its_own(self, service: AdvisingService) -> None:
        assert self.collect(service) == DONE
        assert service.heard[-1].content == {"duration": 60.0, "interval": 1.0}

    def test_a_job_is_followed(
        self, service: AdvisingService, slept: list[float], capsys: pytest.CaptureFixture[str]
    ) -> None:
        service.jobs = True
        assert self.collect(service) == DONE
        assert service.polls == 4
        told = capsys.readouterr()
        assert "3 samples" in told.out
        assert "job j1: running (looks 4)" in told.err
        assert len(slept) == 3

    def test_a_job_that_fails(
        self, service: AdvisingService, slept: list[float], capsys: pytest.CaptureFixture[str]
    ) -> None:
        service.jobs, service.fails = True, "the emulator is away"
        assert self.collect(service) == REFUSED
        assert "the emulator is away" in capsys.readouterr().err

    def test_and_trains_on_what_it_kept(self, service: AdvisingService) -> None:
        service.uploads["k"] = json.dumps([SAMPLE]).encode()
        assert self.collect(service, "--train") == DONE
        assert (service.heard[-1].path, service.heard[-1].headers["x-upload-key"]) == ("/api/train", "k")

    def test_wrong_credentials(
        self, service: AdvisingService, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("AUTH_PASSWORD", "another")
        assert self.collect(service) == REFUSED
        assert "Invalid credentials" in capsys.readouterr().err


class TestTrain:
    def test_samples(self, service: AdvisingService, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "s.json").write_text(json.dumps([SAMPLE, {**SAMPLE, "rf_metrics": {}}]))
        assert main(["train", "s.json"]) == DONE
        assert service.heard[-1].content == [SAMPLE]
        told = capsys.readouterr().out
        assert "1 samples without radio measurements are left out" in told
        assert "importance of rsrp" in told

    def test_many_go_by_an_upload(self, service: AdvisingService, tmp_path: Path) -> None:
        samples = [{**SAMPLE, "ue_id": "u" * 100}] * 20_000
        (tmp_path / "s.json").write_text(json.dumps(samples))
        assert main(["train", "s.json", "--url", service.url]) == DONE
        assert [heard.path for heard in service.heard] == [
            "/api/login", "/uploads", "/put/uploads/0", "/api/train",
        ]  # fmt: skip
        assert service.heard[2].headers["x-place"] == "uploads/0"
        assert service.heard[3].headers["x-upload-key"] == "uploads/0"
        assert json.loads(service.uploads["uploads/0"]) == samples

    @pytest.mark.parametrize("text", ["{", "{}", '[{"optimal_antenna": "a", "rf_metrics": {"a": {}}, "speed": "LOW"}]'])
    def test_a_file_of_something_else(self, text: str, tmp_path: Path) -> None:
        (tmp_path / "s.json").write_text(text)
        assert main(["train", "s.json"]) == WRONG

    def test_a_file_that_is_not_there(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["train", "none.json"]) == WRONG
        assert "none.json" in capsys.readouterr().err


class TestReplay:
    @pytest.fixture
    def drive(self, tmp_path: Path) -> str:
        """The neighbour becomes louder at 3, and serves from 4 on."""
        rows = [row(second, "a", neighbour="-70" if second == 3 else "-90") for second in range(4)]
        rows += [row(second, "b") for second in range(4, 8)]
        (tmp_path / "drive.csv").write_text("\n".join([HEADER, *rows]))
        return "drive.csv"

    def test_advice_beside_what_happened(
        self, drive: str, service: AdvisingService, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["replay", drive, "--url", service.url, "--speed", "0"]) == DONE
        told = capsys.readouterr().out
        assert "12:10:03  drive  advised: a → neighbour (0.75)" in told
        assert "12:10:04  drive  the network went a → b" in told
        for line in ("moments 8", "real cell changes 1", "handovers advised 1", "≤ 3 s before 1"):
            assert line in " ".join(told.replace("│", " ").split())

    def test_at_the_drives_own_pace(self, drive: str, service: AdvisingService, slept: list[float]) -> None:
        assert main(["replay", drive, "--speed", "4"]) == DONE
        assert slept == [0.25] * 7

    def test_a_limit_is_waited_for(self, drive: str, service: AdvisingService, slept: list[float]) -> None:
        service.limit = 5
        assert main(["replay", drive, "--speed", "0"]) == DONE
        assert slept == [7.0] * 1
        assert len([heard for heard in service.heard if heard.path == "/api/predict"]) == 9

    def test_a_token_that_expires_is_renewed(self, drive: str, service: AdvisingService) -> None:
        service.expires = 1
        assert main(["replay", drive, "--speed", "0"]) == DONE
        assert [heard.path for heard in service.heard].count("/api/login") == 2

    def test_one_that_is_never_believed(self, drive: str, service: AdvisingService) -> None:
        service.expires = 10**6
        assert main(["replay", drive, "--speed", "0"]) == REFUSED
        assert len(service.heard) == 4

    def test_its_user_goes_before_the_environments(self, drive: str, service: AdvisingService) -> None:
        assert main(["replay", drive, "--username", "ada", "--password", "x"]) == REFUSED
        assert service.heard[0].content == {"username": "ada", "password": "x"}

    @pytest.mark.parametrize("speed", ["-1", "nan", "inf", "fast"])
    def test_a_speed_that_is_none(self, drive: str, speed: str) -> None:
        with pytest.raises(SystemExit):
            main(["replay", drive, "--speed", speed])


def test_the_help_says_what_the_neighbour_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["replay", "--help"])
    assert "`neighbour`" in capsys.readouterr().out
