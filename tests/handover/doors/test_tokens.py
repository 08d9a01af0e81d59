"""Tokens: which open, which do not, and that a refresh token is good for one pair."""

import base64
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from quintet.adapters.argon2_passwords import Argon2Hashes
from quintet.adapters.jwt_tokens import JwtTokens
from quintet.adapters.memory import MemoryRecords
from quintet.adapters.memory_limits import MemoryAttempts
from quintet.handover.limits import Shared, TooManyRequests
from quintet.handover.lockouts import Attempts, Lockouts
from quintet.handover.passwords import Passwords
from quintet.handover.tokens import Account, Login
from quintet.kernel.clock import SteppedClock
from quintet.kernel.errors import Misconfigured, Unauthenticated

SECRET, OTHER = "s" * 32, "o" * 32
AUDIENCE = "ml-service"
HERE = "192.0.2.7"


def now() -> SteppedClock:
    """The library looks at the system's clock."""
    return SteppedClock(datetime.now(UTC))


def tokens(use: str = "access", secret: str = SECRET, **more: Any) -> JwtTokens:
    return JwtTokens(use, lambda: secret, name="JWT_SECRET", audience=AUDIENCE, **more)


def claims(**changes: Any) -> dict[str, Any]:
    moment = int(datetime.now(UTC).timestamp())
    whole = {"sub": "ada", "aud": AUDIENCE, "iss": AUDIENCE, "iat": moment, "exp": moment + 60, "type": "access"}
    return {name: value for name, value in (whole | changes).items() if value is not None}


def signed(content: dict[str, Any], secret: str = SECRET, algorithm: str = "HS256") -> str:
    return jwt.encode(content, secret, algorithm=algorithm)


def by_hand(header: bytes, payload: bytes) -> str:
    """Any header and payload, with a right signature."""
    text = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in (header, payload))
    signature = hmac.digest(SECRET.encode(), text, "sha256")
    return (text + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


def ending(moment: str) -> str:
    """Signed rightly, and expiring at anything."""
    said = json.dumps(claims(exp=7)).replace('"exp": 7', f'"exp": {moment}')
    return by_hand(b'{"alg":"HS256"}', said.encode())


def test_a_token_tells_whose_it_is() -> None:
    known = tokens().read(tokens().issue("ada", seconds=60))
    assert known.subject == "ada"
    assert 58 < known.seconds <= 60
    assert known.id != tokens().read(tokens().issue("ada", seconds=60)).id


def test_a_right_token_of_another_library_is_read() -> None:
    assert tokens().read(signed(claims())).subject == "ada"


REFUSED: dict[str, Callable[[], str]] = {
    "expired": lambda: signed(claims(exp=int(datetime.now(UTC).timestamp()) - 1)),
    "of another secret": lambda: signed(claims(), OTHER),
    "unsigned": lambda: jwt.encode(claims(), "", algorithm="none"),
    "unsigned, said otherwise": lambda: jwt.encode(claims(), "", algorithm="none").replace("none", "HS256"),
    "by another algorithm": lambda: signed(claims(), SECRET * 2, "HS512"),
    "for another audience": lambda: signed(claims(aud="billing")),
    "for no audience": lambda: signed(claims(aud=None)),
    "of another issuer": lambda: signed(claims(iss="elsewhere")),
    "of no issuer": lambda: signed(claims(iss=None)),
    "without an end": lambda: signed(claims(exp=None)),
    "of nobody": lambda: signed(claims(sub=None)),
    "of a number": lambda: by_hand(b'{"alg":"HS256","typ":"JWT"}', json.dumps(claims(sub=7)).encode()),
    "not yet": lambda: signed(claims(nbf=int(datetime.now(UTC).timestamp()) + 60)),
    "for another use": lambda: signed(claims(type="refresh")),
    "for no use": lambda: signed(claims(type=None)),
    "an algorithm that is a list": lambda: by_hand(b'{"alg":["HS256"]}', json.dumps(claims()).encode()),
    "a header that is a list": lambda: by_hand(b'["HS256"]', json.dumps(claims()).encode()),
    "a header of brackets": lambda: by_hand(b"[" * 20_000, b"{}"),
    "a payload of brackets": lambda: by_hand(b'{"alg":"HS256"}', b"[" * 20_000),
    "an end that is no number": lambda: ending("[]"),
    "an end that is a text": lambda: ending('"99999999999"'),
    "an end that no float holds": lambda: ending("1" + "0" * 400),
    "for a list of uses": lambda: by_hand(b'{"alg":"HS256"}', json.dumps(claims(type=["access"])).encode()),
    "an end beyond numbers": lambda: ending("1e400"),
    "an end of many digits": lambda: ending("9" * 5000),
    "an unknown critical header": lambda: by_hand(b'{"alg":"HS256","crit":["x"],"x":1}', json.dumps(claims()).encode()),
    "two parts": lambda: "a.b",
    "nothing": lambda: "",
    "letters beyond ASCII": lambda: "ü.ü.ü",
    "a NUL": lambda: "\x00.\x00.\x00",
}  # fmt: skip


@pytest.mark.parametrize("made", REFUSED.values(), ids=REFUSED)
def test_others_are_refused(made: Callable[[], str]) -> None:
    with pytest.raises(Unauthenticated, match=r"^Invalid token$"):
        tokens().read(made())


def test_a_changed_token_is_refused() -> None:
    token = tokens().issue("ada", seconds=60)
    header, payload, signature = token.split(".")
    root = base64.urlsafe_b64encode(json.dumps(claims(sub="root")).encode()).rstrip(b"=").decode()
    for changed in (f"{header}.{root}.{signature}", f"{header}.{payload}.", f"{header}.{payload}"):
        with pytest.raises(Unauthenticated):
            tokens().read(changed)


def test_where_it_is_let_through_a_token_may_say_no_use() -> None:
    metrics = tokens("metrics", untyped=True)
    assert metrics.read(signed(claims(sub="metrics", type=None))).subject == "metrics"
    with pytest.raises(Unauthenticated):
        metrics.read(signed(claims(sub="metrics")))


@pytest.mark.parametrize("secret", ["", "change-me", "ä" * 15])
def test_a_secret_that_is_none_or_short_refuses_to_start(secret: str) -> None:
    with pytest.raises(Misconfigured, match=r"JWT_SECRET .*openssl rand -hex 32"):
        tokens(secret=secret).check()
    with pytest.raises(Misconfigured):
        tokens(secret=secret).issue("ada", seconds=60)
    assert SECRET not in repr(tokens())


# --- logging in


def login(account: Account, clock: SteppedClock | None = None, shared: Attempts | None = None) -> Login:
    clock = clock or now()
    return Login(
        account=lambda: account,
        passwords=Passwords(Argon2Hashes()),
        access=tokens(clock=clock),
        refresh=tokens("refresh", OTHER, clock=clock),
        spent=MemoryRecords(clock),
        lockouts=Lockouts(Shared(shared, MemoryAttempts(clock)), most=5, seconds=300),
    )


ADA = Account("ada", "the right one")


def test_the_right_one_comes_in_for_half_an_hour() -> None:
    door = login(ADA)
    pair = door.log_in("ada", "the right one", HERE)
    access, refresh = door.access.read(pair.access), door.refresh.read(pair.refresh)
    assert (access.subject, refresh.subject) == ("ada", "ada")
    assert 1795 < access.seconds <= 1800
    assert 86_395 < refresh.seconds <= 86_400


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("ada", "wrong"),
        ("bob", "the right one"),
        ("ada", ""),
        ("", ""),
        ("ada", "the right one "),
        ("Ada", "the right one"),
    ],
)
def test_others_do_not(username: str, password: str) -> None:
    with pytest.raises(Unauthenticated, match=r"^Invalid credentials$"):
        login(ADA).log_in(username, password, HERE)


@pytest.mark.parametrize("nobody", [Account("", ""), Account("ada", ""), Account("", "word")])
def test_where_nobody_may_log_in_nobody_does(nobody: Account) -> None:
    with pytest.raises(Unauthenticated):
        login(nobody).log_in(*nobody, HERE)


def test_a_stored_hash_is_known_by_its_password() -> None:
    door = login(Account("ada", Argon2Hashes().hashed("the right one")))
    assert door.log_in("ada", "the right one", HERE)
    for wrong in ("wrong", door.account().password):
        with pytest.raises(Unauthenticated):
            door.log_in("ada", wrong, HERE)


def test_who_is_unknown_is_checked_as_long() -> None:
    """The hash is worked out all the same: else the time would tell which names there are."""
    asked = []

    class Counted(Argon2Hashes):
        def verify(self, given: str, stored: str) -> bool:
            asked.append(stored)
            return super().verify(given, stored)

    stored = Argon2Hashes().hashed("the right one")
    door = Login(**{**vars(login(Account("ada", stored))), "passwords": Passwords(Counted())})
    with pytest.raises(Unauthenticated):
        door.log_in("bob", "the right one", HERE)
    assert asked == [stored]


def test_a_hash_that_is_none_is_named() -> None:
    with pytest.raises(Misconfigured, match="argon2"):
        login(Account("ada", "$argon2id$nonsense")).log_in("ada", "x", HERE)


def test_five_wrong_ones_lock_an_address_out_for_a_while() -> None:
    clock = now()
    door = login(ADA, clock)
    for _ in range(5):
        with pytest.raises(Unauthenticated):
            door.log_in("ada", "wrong", HERE)
    with pytest.raises(TooManyRequests) as refusal:
        door.log_in("ada", "the right one", HERE)
    assert 299 <= refusal.value.retry_after <= 300
    assert door.log_in("ada", "the right one", "192.0.2.8")
    clock.advance(301)
    assert door.log_in("ada", "the right one", HERE)


def test_a_right_one_forgives_those_before() -> None:
    door = login(ADA)
    for _ in range(3):
        for _ in range(4):
            with pytest.raises(Unauthenticated):
                door.log_in("ada", "wrong", HERE)
        assert door.log_in("ada", "the right one", HERE)


def test_an_owner_of_a_network_is_one_guesser() -> None:
    door = login(ADA)
    for number in range(5):
        with pytest.raises(Unauthenticated):
            door.log_in("ada", "wrong", f"2001:db8::{number}")
    with pytest.raises(TooManyRequests):
        door.log_in("ada", "the right one", "2001:db8::ffff")
    assert door.log_in("ada", "the right one", "2001:db8:0:1::1")


def test_a_refresh_token_is_good_for_one_pair() -> None:
    door = login(ADA)
    first = door.log_in(*ADA, HERE)
    second = door.renew(first.refresh)
    assert door.access.read(second.access).subject == "ada"
    with pytest.raises(Unauthenticated, match=r"^Invalid refresh token$"):
        door.renew(first.refresh)
    assert door.renew(second.refresh)


def test_tokens_are_not_for_each_other() -> None:
    door = login(ADA)
    pair = door.log_in(*ADA, HERE)
    for read, token in ((door.renew, pair.access), (door.access.read, pair.refresh)):
        with pytest.raises(Unauthenticated):
            read(token)


def test_the_library_is_told_the_time_that_is_passed_in() -> None:
    clock = SteppedClock(datetime.now(UTC) - timedelta(hours=1))
    with pytest.raises(Unauthenticated):
        tokens().read(tokens(clock=clock).issue("ada", seconds=60))


def test_a_token_that_was_read_before_ends_when_it_says_and_with_its_secret() -> None:
    clock = now()
    token = tokens().issue("ada", seconds=60)
    for _ in range(2):
        assert tokens(clock=clock).read(token).subject == "ada"
    with pytest.raises(Unauthenticated):
        tokens(secret=OTHER, clock=clock).read(token)
    with pytest.raises(Unauthenticated):
        tokens("metrics", clock=clock).read(token)
    clock.advance(61)
    with pytest.raises(Unauthenticated):
        tokens(clock=clock).read(token)
