"""What all trails promise."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from redis import Redis
from redis.connection import AbstractConnection as Connection

from quintet.adapters.memory_trails import MemoryTrails
from quintet.adapters.redis_connection import RedisConnection
from quintet.adapters.redis_trails import RedisTrails
from quintet.kernel.clock import SteppedClock
from quintet.kernel.errors import Unavailable
from quintet.kernel.trails import Keeping, Place, Trail, Trails
from tests.contract.conftest import AtOnce

Make = Callable[[Keeping], Trails]
Wait = Callable[[float], None]
ODD_NAMES = ["a", "a:entries", "日本 ü", "a b\nc", "1:a", "*"]
SOME = Keeping(trails=100, seconds=60, entries=3, places=4)


class TrailsContract:
    @pytest.fixture
    def make(self) -> Make:
        raise NotImplementedError

    @pytest.fixture
    def wait(self) -> Wait:
        """Lets seconds pass."""
        raise NotImplementedError

    @pytest.fixture
    def trails(self, make: Make) -> Trails:
        return make(SOME)

    def test_one_that_is_not_there_is_empty(self, trails: Trails) -> None:
        assert trails.read(["a", "b"]) == [Trail(), Trail()]
        assert trails.read([]) == []

    def test_appending_tells_what_was_before(self, trails: Trails) -> None:
        assert trails.append("a", "one") == Trail()
        assert trails.append("a", "two") == Trail(("one",))
        assert trails.read(["a"]) == [Trail(("one", "two"))]

    def test_the_last_entries_are_kept(self, trails: Trails) -> None:
        for number in range(5):
            trails.append("a", str(number))
        assert trails.append("a", "5").entries == ("2", "3", "4")
        assert trails.read(["a"])[0].entries == ("3", "4", "5")

    def test_an_entry_that_comes_again_is_kept_once(self, trails: Trails) -> None:
        trails.append("a", "one")
        trails.append("a", "two", Place("x"))
        assert trails.append("a", "two", Place("x")) == Trail(("one",), (Place("x"),))
        assert trails.read(["a"])[0].entries == ("one", "two")
        trails.append("a", "one")
        assert trails.read(["a"])[0].entries == ("one", "two", "one")

    def test_a_place_is_kept_when_it_changes(self, trails: Trails) -> None:
        trails.append("a", "1", Place("x", "at 1"))
        trails.append("a", "2", Place("x", "at 2"))
        trails.append("a", "3")
        told = trails.append("a", "4", Place("y", "at 4"))
        assert told.places == (Place("x", "at 1"), Place("y", "at 4"))
        assert trails.append("a", "5", Place("x", "at 5")).places[-1] == Place("x", "at 5")

    def test_a_place_whose_name_begins_like_the_last_is_another(self, trails: Trails) -> None:
        for number, name in enumerate(["cell", "cell 1", "ü", "üü", "1:ü"]):
            trails.append("a", str(number), Place(name, "t"))
        assert [place.name for place in trails.read(["a"])[0].places] == ["cell 1", "ü", "üü", "1:ü"]

    @pytest.mark.parametrize("name", ODD_NAMES)
    def test_anything_may_be_called_anything(self, trails: Trails, name: str) -> None:
        for other in ODD_NAMES:
            trails.append(other, f"of {other}", Place(other, other))
        assert trails.read([name]) == [Trail((f"of {name}",), (Place(name, name),))]

    def test_the_last_note_stands(self, trails: Trails) -> None:
        trails.append("a", "one")
        trails.note("a", "first")
        trails.note("a", "second")
        assert trails.append("a", "two").note == "second"
        assert trails.read(["a", "b"]) == [Trail(("one", "two"), (), "second"), Trail()]

    def test_of_nobody_no_note_is_taken(self, trails: Trails) -> None:
        trails.note("a", "first")
        assert trails.append("a", "one").note is None

    def test_a_trail_ends_with_its_time(self, make: Make, wait: Wait) -> None:
        trails = make(Keeping(trails=100, seconds=1, entries=3, places=3))
        trails.append("a", "one", Place("x"))
        trails.note("a", "here")
        trails.append("b", "one")
        wait(0.6)
        trails.append("b", "two")
        wait(0.6)
        assert trails.read(["a", "b"]) == [Trail(), Trail(("one", "two"))]
        assert trails.append("a", "two", Place("x", "again")) == Trail((), (Place("x", "again"),))

    def test_of_too_many_the_longest_unseen_go(self, make: Make) -> None:
        trails = make(Keeping(trails=3, seconds=60, entries=3, places=3))
        for name in "abc":
            trails.append(name, "one", Place("x"))
            trails.note(name, "here")
        trails.append("a", "two")
        trails.append("d", "one")
        assert [bool(trail.entries) for trail in trails.read("abcd")] == [True, False, True, True]
        assert trails.read(["b"]) == [Trail()]

    def test_many_at_once_lose_nothing(self, make: Make, at_once: AtOnce) -> None:
        trails = make(Keeping(trails=100, seconds=60, entries=16, places=16))
        before = at_once(lambda number: trails.append("a", str(number), Place(str(number))))
        trail = trails.read(["a"])[0]
        assert sorted(map(int, trail.entries)) == list(range(16))
        assert [place.name for place in trail.places] == list(trail.entries)
        seen = {entry: told.entries for entry, told in zip(map(str, range(16)), before, strict=True)}  # type: ignore[attr-defined]
        assert all(seen[entry] == trail.entries[:place] for place, entry in enumerate(trail.entries))

    def test_many_at_once_are_not_too_many(self, make: Make, at_once: AtOnce) -> None:
        trails = make(Keeping(trails=5, seconds=60, entries=3, places=3))
        at_once(lambda number: trails.append(str(number), "one"))
        names = [str(number) for number in range(16)]
        assert sum(bool(trail.entries) for trail in trails.read(names)) == 5


class TestMemoryTrails(TrailsContract):
    @pytest.fixture
    def make(self, clock: SteppedClock) -> Make:
        return lambda keeping: MemoryTrails(keeping, clock)

    @pytest.fixture
    def wait(self, clock: SteppedClock) -> Wait:
        return clock.advance


class TestRedisTrails(TrailsContract):
    @pytest.fixture
    def make(self, redis_url: str) -> Make:
        with Redis.from_url(redis_url) as redis:
            redis.flushdb()
        return lambda keeping: RedisTrails(RedisConnection(redis_url), keeping, "trails")

    @pytest.fixture
    def wait(self) -> Wait:
        return time.sleep

    def test_nothing_stays_of_what_has_gone(self, make: Make, redis_url: str) -> None:
        trails = make(Keeping(trails=1, seconds=60, entries=3, places=3))
        for name in "abc":
            trails.append(name, "one", Place("x"))
            trails.note(name, "here")
        with Redis.from_url(redis_url) as redis:
            keys = sorted(key.decode() for key in redis.scan_iter())
            assert keys == ["trails:c:entries", "trails:c:note", "trails:c:places", "trails:seen"]
            assert all(0 < redis.pttl(key) <= 60_000 for key in keys)

    def test_a_lower_limit_is_reached_bit_by_bit(self, make: Make) -> None:
        many = make(Keeping(trails=1000, seconds=60, entries=3))
        names = [str(number) for number in range(150)]
        for name in names:
            many.append(name, "one")
        few = make_another(many, Keeping(trails=10, seconds=60, entries=3))
        few.append("last", "one")
        few.append("last", "two")
        assert sum(bool(trail.entries) for trail in few.read(names)) == 9

    def test_kinds_of_trails_do_not_meet(self, make: Make, redis_url: str) -> None:
        make(SOME).append("a", "one")
        assert RedisTrails(RedisConnection(redis_url), SOME, "others").read(["a"]) == [Trail()]

    def test_a_step_is_one_round_trip(self, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        trails = make(SOME)
        asked: list[object] = []
        monkeypatch.setattr(Connection, "send_packed_command", counting(Connection.send_packed_command, asked))
        trails.append("a", "one", Place("x"))
        trails.append("a", "two", Place("y"))
        greetings = len(asked) - 2
        trails.read(["a", "b", "c"])
        trails.append("a", "three")
        assert len(asked) == greetings + 4
        assert greetings <= 3


def counting(send: Callable[..., None], asked: list[object]) -> Callable[..., None]:
    def counted(connection: Connection, command: object, check_health: bool = True) -> None:
        asked.append(command)
        send(connection, command, check_health)

    return counted


def make_another(trails: Trails, keeping: Keeping) -> RedisTrails:
    assert isinstance(trails, RedisTrails)
    return RedisTrails(trails.redis, keeping, trails.prefix)


def each_use(trails: Trails) -> list[Callable[[], object]]:
    return [lambda: trails.read(["a"]), lambda: trails.append("a", "x"), lambda: trails.note("a", "x")]


def test_a_memory_that_is_away_is_unavailable() -> None:
    trails = MemoryTrails(SOME, away=True)
    for use in each_use(trails):
        with pytest.raises(Unavailable):
            use()


def test_a_redis_that_is_away_is_unavailable(tmp_path: Path) -> None:
    trails = RedisTrails(RedisConnection(f"unix://{tmp_path}/nobody"), SOME, "trails")
    for use in each_use(trails):
        with pytest.raises(Unavailable):
            use()
