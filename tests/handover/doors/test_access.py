"""The room's own wiring of who may call: what refuses to start, and what a local experiment may leave out."""

import json
from pathlib import Path
from typing import Any

import pytest

from quintet.adapters.argon2_passwords import Argon2Hashes
from quintet.entry.caller import ANYONE
from quintet.handover.settings import TextLog
from quintet.handover.wiring import HandoverRoom, log_as_set
from quintet.kernel.errors import Misconfigured, Unauthenticated
from quintet.kernel.log import logger
from quintet.kernel.settings import read

WHOLE = {
    "AUTH_USERNAME": "ada",
    "AUTH_PASSWORD": "the right one",
    "JWT_SECRET": "j" * 32,
    "JWT_REFRESH_SECRET": "r" * 32,
    "METRICS_API_KEY": "the-api-key",
    "MODEL_SIGNING_KEY": "k" * 32,
}
OTHERS = (
    "AUTH_DISABLED", "HANDOVER_SECRET_ARN", "METRICS_AUTH_ENABLED", "METRICS_AUTH_USERNAME", "METRICS_AUTH_PASSWORD",
    "REDIS_URL", "QUINTET_TABLE", "QUINTET_BUCKET", "RATE_LIMIT_PER_MINUTE",
)  # fmt: skip


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A room with these settings and no others; None leaves one out."""

    def made(**changes: str | None) -> HandoverRoom:
        for name in (*WHOLE, *OTHERS):
            monkeypatch.delenv(name, raising=False)
        for name, value in (WHOLE | changes).items():
            if value is not None:
                monkeypatch.setenv(name, value)
        return HandoverRoom()

    return made


def test_a_whole_room_starts(room: Any) -> None:
    room().warm()


@pytest.mark.parametrize("name", WHOLE)
def test_without_one_of_its_secrets_it_refuses_and_names_it(room: Any, name: str) -> None:
    with pytest.raises(Misconfigured, match=name):
        room(**{name: None}).warm()


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"JWT_SECRET": "change-me"}, "JWT_SECRET"),
        ({"JWT_REFRESH_SECRET": "change-me"}, "JWT_REFRESH_SECRET"),
        ({"JWT_REFRESH_SECRET": "j" * 32}, "JWT_REFRESH_SECRET must be another"),
    ],
)
def test_nor_with_a_weak_one(room: Any, wrong: dict[str, str], named: str) -> None:
    with pytest.raises(Misconfigured, match=named):
        room(**wrong).warm()


def test_a_disabled_door_starts_without_any_and_warns_each_time(room: Any, caplog: pytest.LogCaptureFixture) -> None:
    without = dict.fromkeys(set(WHOLE) - {"MODEL_SIGNING_KEY"})
    for _ in range(2):
        opened = room(AUTH_DISABLED="true", **without)
        opened.warm()
        assert opened.gate.identify(None) == opened.gate.identify("nonsense") == ANYONE
        opened.metrics_gate.admit(None, "192.0.2.7")
    warnings = [record for record in caplog.records if "AUTH_DISABLED" in record.getMessage()]
    assert [record.levelname for record in warnings] == ["WARNING"] * 2


def test_nobody_logs_in_at_a_disabled_door_without_an_account(room: Any) -> None:
    opened = room(AUTH_DISABLED="true", AUTH_USERNAME=None, AUTH_PASSWORD=None)
    with pytest.raises(Unauthenticated):
        opened.login.log_in("", "", "192.0.2.7")


def test_credentials_for_metrics_are_asked_for_where_they_are_set(room: Any) -> None:
    opened = room(AUTH_DISABLED="true")
    with pytest.raises(Unauthenticated):
        opened.metrics_gate.admit(None, "192.0.2.7")
    opened.metrics_gate.admit("Bearer the-api-key", "192.0.2.7")
    room(METRICS_AUTH_ENABLED="false", METRICS_API_KEY=None).metrics_gate.admit(None, "192.0.2.7")


def test_who_logs_in_is_the_administrator_and_known_by_no_name(room: Any) -> None:
    whole = room(AUTH_PASSWORD=Argon2Hashes().hashed("the right one"))
    whole.login.__dict__["spent"] = None
    caller = whole.gate.identify(whole.login.log_in("ada", "the right one", "192.0.2.7").access)
    assert caller.administrator
    assert caller.id.startswith("user-")
    assert "ada" not in caller.id


def test_the_rate_is_the_settings(room: Any) -> None:
    assert room().pace.per_minute == 100
    assert room(RATE_LIMIT_PER_MINUTE="7").pace.per_minute == 7


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RATE_LIMIT_PER_MINUTE", "0"),
        ("MODEL_TYPE", "forest"),
        ("UE_TRACKING_MAX_UES", "many"),
        ("HANDOVER_MODE", "b5"),
        ("NEF_TIMEOUT_SECONDS", "0"),
        ("CIRCUIT_BREAKER_FAILURES", "none"),
        ("FEEDBACK_HELD_BACK", "1"),
    ],
)
def test_nor_with_a_setting_that_would_fail_later(
    room: Any, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    whole = room()
    monkeypatch.setenv(name, value)
    with pytest.raises(Misconfigured, match=name):
        whole.warm()


def test_the_log_is_in_a_file_too_where_one_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_FILE", str(tmp_path / "logs/ml-service.log"))
    back = log_as_set(read(TextLog))
    for service in ("handover", "handover-api"):
        logger(service).warning("said once")
    back()
    logger("handover").warning("said afterwards")
    lines = [json.loads(line) for line in (tmp_path / "logs/ml-service.log").read_text().splitlines()]
    assert [(line["service"], line["message"]) for line in lines] == [
        ("handover", "said once"),
        ("handover-api", "said once"),
    ]


def test_a_log_file_that_can_t_be_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    log_as_set(TextLog(file=str(tmp_path / "file/log")))()
    assert (tmp_path / "file").read_text() == ""


def test_no_log_file_is_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOG_FILE", raising=False)
    assert read(TextLog).file == ""
    log_as_set(read(TextLog))()
