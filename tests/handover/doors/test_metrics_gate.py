"""Who may read the metrics."""

from base64 import b64encode
from datetime import UTC, datetime

import pytest

from quintet.adapters.argon2_passwords import Argon2Hashes
from quintet.adapters.jwt_tokens import JwtTokens
from quintet.adapters.memory_limits import MemoryAttempts
from quintet.handover.limits import Shared, TooManyRequests
from quintet.handover.lockouts import Lockouts
from quintet.handover.metrics_gate import MetricsGate, Ways
from quintet.handover.passwords import Passwords
from quintet.kernel.clock import SteppedClock
from quintet.kernel.errors import Misconfigured, Unauthenticated

SECRET = "s" * 32
WAYS = Ways("metrics", "word", "the-api-key")
HERE = "192.0.2.7"


def gate(ways: Ways = WAYS, *, enabled: bool = True, clock: SteppedClock | None = None) -> MetricsGate:
    clock = clock or SteppedClock(datetime.now(UTC))
    return MetricsGate(
        ways=lambda: ways,
        tokens=of("metrics"),
        passwords=Passwords(Argon2Hashes()),
        lockouts=Lockouts(Shared(None, MemoryAttempts(clock)), most=5, seconds=300),
        enabled=enabled,
    )


def of(use: str) -> JwtTokens:
    return JwtTokens(use, lambda: SECRET, name="JWT_SECRET", audience="ml-service", untyped=use == "metrics")


def basic(username: str, password: str) -> str:
    return f"Basic {b64encode(f'{username}:{password}'.encode()).decode()}"


@pytest.mark.parametrize("shown", [basic("metrics", "word"), "Bearer the-api-key", "bearer  the-api-key", "TOKEN"])
def test_each_way_opens(shown: str) -> None:
    gate().admit(shown.replace("TOKEN", f"Bearer {gate().token()}"), HERE)


def test_a_hash_may_be_stored() -> None:
    hashed = gate(Ways("metrics", Argon2Hashes().hashed("word")))
    hashed.admit(basic("metrics", "word"), HERE)
    with pytest.raises(Unauthenticated):
        hashed.admit(basic("metrics", "wrong"), HERE)


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        (None, "Authorization header required"),
        ("", "Authorization header required"),
        ("Digest x", "Unsupported authentication method"),
        (basic("metrics", "wrong"), "Invalid credentials"),
        (basic("other", "word"), "Invalid credentials"),
        (basic("metrics", ""), "Invalid credentials"),
        ("Basic bWV0cmljcw==", "Invalid credentials"),
        ("Basic ü", "Invalid credentials"),
        ("Basic /w==", "Invalid credentials"),
        ("Basic", "Invalid credentials"),
        ("Bearer", "Invalid credentials"),
        ("Bearer the-api-key2", "Invalid credentials"),
        ("Bearer ü", "Invalid credentials"),
    ],
)
def test_anything_else_does_not(shown: str | None, said: str) -> None:
    with pytest.raises(Unauthenticated, match=f"^Authentication required: {said}$"):
        gate().admit(shown, HERE)


def test_an_access_token_is_none_for_metrics_whoever_it_is_of() -> None:
    for subject in ("ada", "metrics"):
        with pytest.raises(Unauthenticated):
            gate().admit(f"Bearer {of('access').issue(subject, seconds=60)}", HERE)
    with pytest.raises(Unauthenticated):
        gate().admit(f"Bearer {of('metrics').issue('ada', seconds=60)}", HERE)


@pytest.mark.parametrize("ways", [Ways(), Ways("", "word", ""), Ways("-", "word", ""), Ways("metrics", "", "")])
def test_what_is_not_set_does_not_open(ways: Ways) -> None:
    for shown in (basic(ways.username, ways.password), basic("", ""), "Bearer "):
        with pytest.raises(Unauthenticated):
            gate(ways).admit(shown, HERE)
    with pytest.raises(Misconfigured, match="METRICS_AUTH_PASSWORD"):
        gate(ways).check()


@pytest.mark.parametrize("ways", [Ways("metrics", "word"), Ways(api_key="key"), WAYS])
def test_one_way_is_enough(ways: Ways) -> None:
    gate(ways).check()


def test_a_gate_that_is_off_lets_all_through() -> None:
    gate(Ways(), enabled=False).check()
    for _ in range(10):
        gate(Ways(), enabled=False).admit(None, HERE)


def test_five_failures_lock_out_and_are_told() -> None:
    clock = SteppedClock(datetime.now(UTC))
    door = gate(clock=clock)
    for address, times in ((HERE, 5), ("192.0.2.8", 2)):
        for _ in range(times):
            with pytest.raises(Unauthenticated):
                door.admit("Bearer wrong", address)
    with pytest.raises(TooManyRequests) as refusal:
        door.admit("Bearer the-api-key", HERE)
    assert refusal.value.retry_after == 300
    assert door.lockouts.stats()._asdict() == {
        "total_failed_attempts": 7,
        "unique_failed_ips": 2,
        "currently_locked_ips": 1,
        "max_attempts_before_lockout": 5,
        "lockout_duration_seconds": 300,
    }
    door.admit("Bearer the-api-key", "192.0.2.8")
    assert door.lockouts.stats().unique_failed_ips == 1
    clock.advance(300)
    door.admit("Bearer the-api-key", HERE)
