"""The cache of analyses: three layers, one owner's traces each, and what becomes of them when a layer is away."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest

from quintet.adapters.memory import MemoryCache
from quintet.glucose.analysis import Analysis
from quintet.glucose.breaker import Breaker
from quintet.glucose.cache import AnalysisCache, CacheInfo
from quintet.glucose.cache_shared import CLAIM_SECONDS
from quintet.kernel.cancellation import Cancellation
from quintet.kernel.errors import Cancelled, InvalidInput, Unavailable
from tests.glucose.cache_worlds import (
    ADA,
    BOB,
    HOURS,
    StoredObjects,
    World,
    analysis,
    found,
    handle,
    making,
    never,
    tag_of,
)

WORLDS: dict[str, dict[str, bool]] = {
    "alone": {"with_shared": False, "with_bulk": False},
    "redis": {"with_bulk": False},
    "s3": {"with_shared": False},
    "s3 by hand": {"with_shared": False, "persist": False},
    "redis, s3 by hand": {"persist": False},
    "redis and s3": {},
}


@pytest.fixture(params=list(WORLDS))
def any_world(request: pytest.FixtureRequest) -> World:
    return world_like(request.param)


def world_like(name: str) -> World:
    options = {"with_shared": True, "with_bulk": True, "persist": True} | WORLDS[name]
    return World(options["with_shared"], options["with_bulk"], options["persist"])


@pytest.fixture
def world() -> World:
    return World()


def once(store: object, name: str, happens: Callable[[], object], *, key: str = "", after: bool = False) -> None:
    """Before the store's next answer to `name` of a key that begins so, or `after` it, something else happens."""
    ask = getattr(store, name)

    def interrupted(asked: str, *given: object, **named: object) -> object:
        if not asked.startswith(key):
            return ask(asked, *given, **named)
        setattr(store, name, ask)
        if not after:
            happens()
        answer = ask(asked, *given, **named)
        if after:
            happens()
        return answer

    setattr(store, name, interrupted)


def keep(server: AnalysisCache, tag: int, number: int = 1, *, minutes: int = 540, force: bool = False) -> int:
    made = making(tag, minutes)
    return tag_of(server.find_or_compute(ADA, handle(number), made, minutes=minutes, force=force))


def test_what_was_computed_is_known(any_world: World) -> None:
    server = any_world.server()
    assert found(server) is None
    assert keep(server, 7) == 7
    assert found(server) == 7
    assert server.find_or_compute(ADA, handle(1), never, minutes=540)
    assert (server.size, server.counts["computed"], server.counts["stored"]) == (1, 1, 1)


def test_nobody_sees_anothers(any_world: World) -> None:
    server = any_world.server()
    keep(server, 7)
    assert found(server, owner=BOB) is None
    assert not server.erase(BOB, handle(1))
    assert found(server) == 7
    assert server.info(BOB) == CacheInfo(0, 0)


@pytest.mark.parametrize("name", ["", "7", "../" * 20, "F" * 64, f"{'a' * 63}\n", "a:b/c*" + "0" * 58])
def test_what_is_no_handle_is_unknown_and_becomes_no_key(world: World, name: str) -> None:
    server = world.server()
    assert server.find(ADA, name) is None
    assert (server.erase(ADA, name), server.save(ADA, name), server.load(ADA, name)) == (False, 0, 0)
    assert world.shared.keys("") == world.bulk.keys() == []


def test_an_unknown_handle_leaves_nothing_behind(any_world: World) -> None:
    found(any_world.server())
    assert any_world.shared.keys("") == any_world.bulk.keys() == []


@pytest.mark.parametrize("name", ["redis", "s3", "redis, s3 by hand", "redis and s3"])
def test_one_server_finds_what_another_computed(name: str) -> None:
    world = world_like(name)
    keep(world.server(), 7)
    assert found(world.server()) == 7


def test_more_answers_for_less_and_never_the_other_way_round(any_world: World) -> None:
    server = any_world.server()
    keep(server, 1, minutes=540)
    assert found(server, minutes=1080) is None
    assert found(server, minutes=540) == 1
    assert keep(server, 2, minutes=1080) == 2
    assert found(server, minutes=540) == 2
    assert keep(server, 3, minutes=540) == 2
    assert keep(server, 4, minutes=540, force=True) == 4
    assert (found(server, minutes=540), found(server, minutes=1080)) == (4, None)


def test_a_longer_analysis_wins_over_a_shorter_one_stored_meanwhile(any_world: World) -> None:
    server = any_world.server()

    def slowly() -> Analysis:
        keep(server, 1, minutes=540)
        return analysis(2, 1080)

    server.find_or_compute(ADA, handle(1), slowly, minutes=1080)
    assert found(server) == 2


def test_a_shorter_analysis_leaves_a_longer_one_stored_meanwhile(any_world: World) -> None:
    server = any_world.server()

    def slowly() -> Analysis:
        keep(server, 2, minutes=1080)
        return analysis(1, 540)

    server.find_or_compute(ADA, handle(1), slowly, minutes=540)
    assert found(server) == 2


def test_force_replaces_everywhere(any_world: World) -> None:
    one, other = any_world.server(), any_world.server()
    keep(one, 1)
    found(other)
    keep(one, 2, force=True)
    assert found(one) == 2
    assert found(other) == (2 if any_world.with_shared or (any_world.with_bulk and any_world.persist) else None)


def test_what_is_replaced_while_it_is_looked_for_is_found() -> None:
    world = world_like("redis")
    keep(world.server(), 1)
    once(world.shared, "get", lambda: keep(world.server(), 2, force=True), key="glucose:1:entry:")
    assert found(world.server()) == 2


def test_what_was_replaced_is_gone(world: World) -> None:
    keep(world.server(), 1)
    keep(world.server(), 2, force=True)
    assert world.at_rest() == {2}


def test_all_that_is_kept_ends_with_its_time(any_world: World) -> None:
    server = any_world.server()
    keep(server, 7)
    any_world.clock.advance(HOURS * 3600 - 1)
    assert found(server) == 7
    any_world.clock.advance(1)
    assert found(server) is None
    assert found(any_world.server()) is None
    assert keep(server, 8) == 8


def test_what_bulk_storage_has_is_refused_after_its_time_and_removed(world: World) -> None:
    keep(world.server(), 7)
    world.clock.advance(HOURS * 3600)
    server = world.server()
    assert found(server) is None
    assert world.bulk.keys() == []
    assert server.counts["expired"] == 1


def test_memory_forgets_what_was_used_least_recently() -> None:
    world = World(with_shared=False, with_bulk=False, hot_size=2)
    server = world.server()
    for number in (1, 2):
        keep(server, number, number)
    found(server, 1)
    keep(server, 3, 3)
    assert [found(server, number) for number in (1, 2, 3)] == [1, None, 3]
    assert (server.size, server.evictions, server.counts["evictions"]) == (2, 1, 1)


def test_what_memory_forgot_comes_from_the_next_layer(world: World) -> None:
    world.hot_size = 1
    server = world.server()
    keep(server, 1, 1)
    keep(server, 2, 2)
    assert found(server, 1) == 1
    assert server.counts["shared_hits"] == 1
    (key,) = world.shared.keys(f"glucose:1:entry:{ADA}:{handle(2)}")
    world.shared.delete(key)
    assert found(server, 2) == 2
    assert server.counts["bulk_hits"] == 1
    found(world.server(), 2)
    assert world.shared.get(key)


def test_what_redis_forgot_comes_from_s3_and_is_hot_again(world: World) -> None:
    server = world.server()
    keep(server, 7)
    world.shared.lose()
    assert found(server) == 7
    assert found(world.server()) == 7
    assert world.shared.get(f"glucose:1:mark:{ADA}:{handle(1)}")


def test_without_s3_what_redis_forgot_is_forgotten() -> None:
    world = World(with_bulk=False)
    server = world.server()
    keep(server, 7)
    world.shared.lose()
    assert found(server) is None
    assert server.size == 0


@pytest.mark.parametrize("damage", [b"", b"{}\n", b"\xff", b'{"schema": 2}\n', b"longer"], ids=repr)
def test_what_is_damaged_counts_as_absent(world: World, damage: bytes) -> None:
    keep(world.server(), 7)
    (key,) = world.shared.keys(f"glucose:1:entry:{ADA}")
    whole = world.shared.get(key) or b""
    world.shared.set(key, whole + b"x" if damage == b"longer" else damage, seconds=60)
    world.bulk.put(f"glucose/cache/{ADA}/{handle(1)}", damage)
    server = world.server()
    assert found(server) is None
    assert server.counts["damaged"] == 2
    assert keep(server, 8) == 8
    assert found(world.server()) == 8


def test_a_mark_that_cannot_be_read_lets_nothing_through(world: World) -> None:
    server = world.server()
    keep(server, 7)
    world.shared.set(f"glucose:1:mark:{ADA}:{handle(1)}", b"\xff what", seconds=60)
    assert found(server) is None
    assert keep(server, 8) == 8
    assert found(server) is None


def test_nobody_can_write_into_what_is_kept(world: World) -> None:
    server = world.server()
    made = server.find_or_compute(ADA, handle(1), making(7), minutes=540)
    again = world.server().find(ADA, handle(1))
    assert again is not None
    for known in (made, again):
        with pytest.raises(ValueError, match="read-only"):
            known.glucose[0] = 0
        with pytest.raises(ValueError, match="read-only"):
            known.quantiles[0] = 0


class TestErasing:
    def test_is_at_once_and_everywhere(self, any_world: World) -> None:
        servers = [any_world.server(), any_world.server()]
        keep(servers[0], 7)
        keep(servers[1], 8)
        servers[0].save(ADA, None)
        servers[1].save(ADA, None)
        known = [found(server) for server in servers]
        assert servers[0].erase(ADA, handle(1))
        if any_world.with_shared or any_world.with_bulk:
            assert None not in known
            assert [found(server) for server in servers] == [None, None]
        assert found(servers[0]) is None
        assert any_world.at_rest() == set()
        assert not servers[0].erase(ADA, handle(1))

    def test_can_be_followed_by_the_same_trace_again(self, any_world: World) -> None:
        server = any_world.server()
        keep(server, 7)
        server.erase(ADA, handle(1))
        assert keep(server, 8) == 8
        assert found(server) == 8

    def test_is_not_undone_by_a_computation_from_before(self, any_world: World) -> None:
        one, other = any_world.server(), any_world.server()

        def slowly() -> Analysis:
            (other if any_world.with_shared or any_world.with_bulk else one).erase(ADA, handle(1))
            return analysis(7)

        assert tag_of(one.find_or_compute(ADA, handle(1), slowly, minutes=540)) == 7
        assert (found(one), found(other)) == (None, None)
        assert any_world.at_rest() == set()

    def test_is_not_undone_by_one_from_before_after_which_the_trace_came_again(self, any_world: World) -> None:
        server = any_world.server()

        def slowly() -> Analysis:
            server.erase(ADA, handle(1))
            keep(server, 8, minutes=540)
            return analysis(7, 1080)

        server.find_or_compute(ADA, handle(1), slowly, minutes=1080)
        assert found(server) in ({8} if any_world.with_shared or not any_world.persist else {8, None})

    @pytest.mark.parametrize("store", ["shared", "bulk"])
    def test_says_so_where_it_could_not_be_everywhere(self, world: World, store: str) -> None:
        server = world.server()
        keep(server, 7)
        chosen: MemoryCache | StoredObjects = getattr(world, store)
        chosen.away = True
        with pytest.raises(Unavailable, match="not erased everywhere yet"):
            server.erase(ADA, handle(1))
        with pytest.raises(Unavailable, match="Not every trace is erased"):
            server.flush()
        chosen.away = False
        world.clock.advance(10)
        server.erase(ADA, handle(1))
        assert found(server) is None
        assert world.at_rest() == set()

    def test_asks_a_store_that_failed_a_moment_ago(self, world: World) -> None:
        server = world.server()
        keep(server, 7)
        world.shared.away = True
        found(server)
        world.shared.away = False
        assert server.erase(ADA, handle(1))
        assert found(world.server()) is None

    @pytest.mark.parametrize("name", ["s3", "redis and s3"])
    def test_takes_back_what_a_computation_puts_after_it(self, name: str) -> None:
        world = world_like(name)
        late = world.server()
        once(world.bulk, "put", lambda: world.server().erase(ADA, handle(1)), key="glucose/cache/")
        keep(late, 7)
        assert world.at_rest() == set()
        assert found(late) is None
        assert late.counts["taken_back"] == 1

    @pytest.mark.parametrize("name", ["s3", "s3 by hand", "redis, s3 by hand", "redis and s3"])
    def test_takes_back_what_is_saved_after_it(self, name: str) -> None:
        world = world_like(name)
        late = world.server()
        keep(late, 7)
        once(world.bulk, "put", lambda: world.server().erase(ADA, handle(1)), key="glucose/cache/")
        assert late.save(ADA, handle(1)) == 0
        assert world.at_rest() == set()
        assert found(late) is None

    @pytest.mark.parametrize("forgotten", ["everything", "the entry"])
    def test_takes_back_what_was_read_from_s3_before_it(self, world: World, forgotten: str) -> None:
        keep(world.server(), 7)
        for key in world.shared.keys("" if forgotten == "everything" else "glucose:1:entry:"):
            world.shared.delete(key)
        late = world.server()
        once(world.bulk, "get", lambda: world.server().erase(ADA, handle(1)), after=True)
        found(late)
        assert world.at_rest() == set()
        assert (found(late), late.size) == (None, 0)

    def test_of_all_does_not_spare_what_is_read_from_s3_meanwhile(self, world: World) -> None:
        keep(world.server(), 7)
        world.shared.lose()
        late = world.server()
        once(world.bulk, "delete", lambda: found(late))
        world.server().flush()
        assert found(late) is None
        assert world.at_rest() == set()

    def test_of_all_does_not_spare_what_is_put_meanwhile(self, world: World) -> None:
        keep(world.server(), 7)
        once(world.shared, "keys", lambda: keep(world.server(), 8, 2))
        world.server().flush()
        assert world.at_rest() == set()
        assert found(world.server(), 2) is None

    def test_of_all_takes_everybodys(self, any_world: World) -> None:
        servers = [any_world.server(), any_world.server()]
        keep(servers[0], 1, 1)
        keep(servers[0], 2, 2)
        servers[0].find_or_compute(BOB, handle(1), making(3), minutes=540)
        servers[0].save(ADA, None)
        for number in (1, 2):
            found(servers[1], number)
        assert servers[0].flush() == 3
        for server in servers:
            assert [found(server, 1), found(server, 2), found(server, 1, owner=BOB)] == [None, None, None]
        assert any_world.at_rest() == set()
        assert servers[0].flush() == 0

    def test_of_all_is_not_undone_by_a_computation_from_before(self, any_world: World) -> None:
        one, other = any_world.server(), any_world.server()

        def slowly() -> Analysis:
            (other if any_world.with_shared or any_world.with_bulk else one).flush()
            return analysis(7)

        one.find_or_compute(ADA, handle(1), slowly, minutes=540)
        assert (found(one), found(other)) == (None, None)
        assert any_world.at_rest() == set()

    def test_of_all_takes_more_than_is_listed_at_once(self, monkeypatch: pytest.MonkeyPatch, world: World) -> None:
        monkeypatch.setattr("quintet.glucose.cache_bulk.AT_ONCE", 2)
        server = world.server()
        for number in range(5):
            keep(server, number, number)
        assert server.flush() == 5
        assert world.at_rest() == set()


class TestWithoutRedis:
    def test_the_room_still_answers_and_says_so(self, world: World) -> None:
        server = world.server()
        keep(server, 7)
        assert not server.degraded
        world.shared.away = True
        assert found(server) == 7
        assert server.degraded
        assert keep(server, 8, 2) == 8
        assert found(server, 2) == 8
        assert found(world.server(), 2) == 8
        world.shared.away = False
        world.clock.advance(10)
        assert not server.degraded
        assert found(server) == 7

    def test_it_is_not_asked_again_for_a_while(self, world: World) -> None:
        asked = []

        class Counted(type(world.shared)):  # type: ignore[misc]
            def get(self, key: str) -> bytes | None:
                asked.append(key)
                raise Unavailable("away")

        server = world.server(shared=Counted(world.clock))
        for number in range(20):
            found(server, number)
        assert len(asked) == 1
        world.clock.advance(6)
        for number in range(20):
            found(server, number)
        assert len(asked) == 2

    def test_one_at_a_time_tries_whether_it_is_back(self, world: World) -> None:
        breaker, tried = Breaker(world.clock), []

        def away() -> None:
            tried.append(1)
            raise Unavailable("away")

        def slow_to_fail() -> None:
            with pytest.raises(Unavailable, match="a moment ago"):
                breaker.ask(away)
            away()

        for question in (away, slow_to_fail):
            with pytest.raises(Unavailable, match="away"):
                breaker.ask(question)
            world.clock.advance(6)
        assert (len(tried), breaker.outages, breaker.closed) == (2, 1, False)

    def test_an_erasure_elsewhere_is_seen_in_s3(self, world: World) -> None:
        one, other = world.server(), world.server()
        keep(one, 7)
        world.shared.away = True
        assert found(one) == found(other) == 7
        with pytest.raises(Unavailable):
            other.erase(ADA, handle(1))
        assert (found(one), found(other)) == (None, None)

    def test_what_it_was_told_before_it_came_back_is_not_believed_after(self, world: World) -> None:
        server = world.server()
        keep(server, 7)
        world.shared.away = True
        keep(server, 8, force=True)
        assert found(server) == 8
        world.shared.away = False
        world.clock.advance(10)
        assert found(server) in {7, None}

    def test_and_without_s3_only_what_was_computed_since_is_believed(self) -> None:
        world = World(with_bulk=False)
        server = world.server()
        keep(server, 7)
        world.shared.away = True
        assert found(server) is None
        keep(server, 8, 2)
        assert found(server, 2) == 8
        world.shared.away = False
        world.clock.advance(10)
        assert not server.degraded
        assert found(server) == 7
        assert found(server, 2) is None

    def test_where_it_goes_while_something_is_computed_the_answer_is_given_and_not_kept(self, world: World) -> None:
        server = world.server()

        def slowly() -> Analysis:
            world.shared.away = True
            return analysis(7)

        assert tag_of(server.find_or_compute(ADA, handle(1), slowly, minutes=540)) == 7
        assert found(server) is None
        assert world.bulk.keys() == []


def test_without_s3_everything_goes_on_and_health_says_so(world: World) -> None:
    server = world.server()
    world.bulk.away = True
    assert keep(server, 7) == 7
    assert found(server) == found(world.server()) == 7
    assert server.degraded


def test_without_either_everything_is_computed(world: World) -> None:
    server = world.server()
    keep(server, 7)
    world.shared.away = world.bulk.away = True
    assert found(server) is None
    assert keep(server, 8) == 8
    world.shared.away = world.bulk.away = False
    world.clock.advance(10)
    assert found(server) == 7


class TestTheFiveActions:
    def test_info_counts_an_owners_traces(self, any_world: World) -> None:
        server = any_world.server()
        keep(server, 1, 1)
        keep(server, 2, 2)
        assert server.info(ADA) == CacheInfo(2, 2 if any_world.persist and any_world.with_bulk else 0)
        server.erase(ADA, handle(1))
        assert server.info(ADA) == CacheInfo(1, 1 if any_world.persist and any_world.with_bulk else 0)

    def test_only_save_writes_where_persistence_is_off(self) -> None:
        world = World(persist=False)
        server = world.server()
        keep(server, 1, 1)
        keep(server, 2, 2)
        assert world.bulk.keys() == []
        assert server.save(ADA, handle(1)) == 1
        assert server.info(ADA) == CacheInfo(2, 1)
        assert server.save(ADA, None) == 2
        assert server.save(BOB, None) == 0
        assert server.info(ADA) == CacheInfo(2, 2)

    def test_load_brings_back_what_was_saved(self) -> None:
        world = World(with_shared=False, persist=False)
        server = world.server()
        for number in (1, 2):
            keep(server, number, number)
        assert server.save(ADA, None) == 2
        again = world.server()
        assert found(again) is None
        assert again.load(ADA, handle(1)) == 1
        assert (found(again, 1), found(again, 2)) == (1, None)
        assert again.load(ADA, None) == 2
        assert found(again, 2) == 2
        assert again.load(BOB, None) == again.load(ADA, handle(3)) == 0

    def test_load_takes_at_most_what_memory_holds(self) -> None:
        world = World(hot_size=2)
        server = world.server()
        for number in range(5):
            keep(server, number, number)
        assert world.server().load(ADA, None) == 2

    def test_an_erased_trace_cannot_be_loaded_or_saved(self, any_world: World) -> None:
        server = any_world.server()
        keep(server, 7)
        server.save(ADA, None)
        server.erase(ADA, handle(1))
        assert (server.load(ADA, handle(1)), server.save(ADA, handle(1))) == (0, 0)
        assert any_world.at_rest() == set()

    def test_without_bulk_storage_nothing_is_saved(self) -> None:
        server = World(with_bulk=False).server()
        keep(server, 7)
        assert (server.save(ADA, None), server.load(ADA, None)) == (0, 0)

    def test_a_bulk_storage_that_is_away_is_said(self, world: World) -> None:
        server = world.server()
        keep(server, 7)
        world.bulk.away = True
        for act in (lambda: server.save(ADA, None), lambda: server.load(ADA, None), lambda: server.info(ADA)):
            with pytest.raises(Unavailable):
                act()


class TestFigures:
    def test_are_drawn_once(self, any_world: World) -> None:
        server = any_world.server()
        keep(server, 7)
        drawn = [server.figure(ADA, handle(1), (0, "mg/dL"), lambda: {"n": 1}) for _ in range(2)]
        assert drawn[0] is drawn[1]
        assert server.figure(ADA, handle(1), (-1, "mg/dL"), lambda: {"n": 2}) == {"n": 2}

    def test_go_with_their_entry(self, any_world: World) -> None:
        server = any_world.server()
        keep(server, 7)
        server.figure(ADA, handle(1), 0, lambda: {"n": 1})
        server.erase(ADA, handle(1))
        keep(server, 8)
        assert server.figure(ADA, handle(1), 0, lambda: {"n": 2}) == {"n": 2}

    def test_go_with_an_entry_that_had_to_go(self) -> None:
        world = World(hot_size=1)
        server = world.server()
        keep(server, 1, 1)
        server.figure(ADA, handle(1), 0, lambda: {"n": 1})
        keep(server, 2, 2)
        found(server, 1)
        assert server.figure(ADA, handle(1), 0, lambda: {"n": 2}) == {"n": 2}

    def test_of_an_erased_trace_are_not_kept(self, world: World) -> None:
        server = world.server()
        keep(server, 7)

        def slowly() -> dict[str, int]:
            server.erase(ADA, handle(1))
            keep(server, 8)
            return {"n": 1}

        assert server.figure(ADA, handle(1), 0, slowly) == {"n": 1}
        assert server.figure(ADA, handle(1), 0, lambda: {"n": 2}) == {"n": 2}

    def test_are_of_one_owner(self, world: World) -> None:
        server = world.server()
        for owner in (ADA, BOB):
            server.find_or_compute(owner, handle(1), making(1), minutes=540)
        server.figure(ADA, handle(1), 0, lambda: {"of": "ada"})
        assert server.figure(BOB, handle(1), 0, lambda: {"of": "bob"}) == {"of": "bob"}


class TestAtOneTime:
    def test_one_thread_computes_and_the_others_wait(self, any_world: World) -> None:
        server, start, made = any_world.server(), Barrier(64), []

        def slowly() -> Analysis:
            made.append(1)
            Event().wait(0.05)
            return analysis(7)

        def ask(_: int) -> int:
            start.wait()
            return tag_of(server.find_or_compute(ADA, handle(1), slowly, minutes=540))

        with ThreadPoolExecutor(64) as threads:
            assert set(threads.map(ask, range(64))) == {7}
        assert len(made) == 1

    def test_one_server_computes_and_the_others_wait(self, world: World) -> None:
        servers, start, made = [world.server() for _ in range(8)], Barrier(8), []

        def slowly() -> Analysis:
            made.append(1)
            Event().wait(0.1)
            return analysis(7)

        def ask(server: AnalysisCache) -> int:
            start.wait()
            return tag_of(server.find_or_compute(ADA, handle(1), slowly, minutes=540))

        with ThreadPoolExecutor(8) as threads:
            assert list(threads.map(ask, servers)) == [7] * 8
        assert len(made) == 1

    def test_what_is_raised_reaches_all_who_wait(self, world: World) -> None:
        server, started, waiting = world.server(), Event(), Event()

        def failing() -> Analysis:
            started.set()
            waiting.wait()
            raise InvalidInput("not today")

        def ask() -> Analysis:
            return server.find_or_compute(ADA, handle(1), failing, minutes=540)

        with ThreadPoolExecutor(2) as threads:
            first = threads.submit(ask)
            started.wait()
            second = threads.submit(ask)
            Event().wait(0.05)
            waiting.set()
            for asked in (first, second):
                with pytest.raises(InvalidInput, match="not today"):
                    asked.result()
        assert keep(server, 8) == 8

    def test_who_goes_away_leaves_the_work_to_the_next(self, world: World) -> None:
        server, started, gone = world.server(), Event(), Cancellation()

        def cancellable() -> Analysis:
            started.set()
            while not gone.cancelled:
                Event().wait(0.01)
            raise Cancelled("The client is gone.")

        with ThreadPoolExecutor(2) as threads:
            first = threads.submit(
                lambda: server.find_or_compute(ADA, handle(1), cancellable, minutes=540, cancellation=gone)
            )
            started.wait()
            second = threads.submit(lambda: keep(server, 8))
            Event().wait(0.05)
            gone.cancel()
            with pytest.raises(Cancelled):
                first.result()
            assert second.result() == 8

    @pytest.mark.parametrize("elsewhere", [False, True], ids=["in this server", "in another"])
    def test_who_waits_may_go_away_at_once(self, world: World, elsewhere: bool) -> None:
        server, started, over, gone = world.server(), Event(), Event(), Cancellation()
        other = world.server() if elsewhere else server

        def slowly() -> Analysis:
            started.set()
            over.wait()
            return analysis(7)

        with ThreadPoolExecutor(2) as threads:
            first = threads.submit(lambda: server.find_or_compute(ADA, handle(1), slowly, minutes=540))
            started.wait()
            second = threads.submit(
                lambda: other.find_or_compute(ADA, handle(1), never, minutes=540, cancellation=gone)
            )
            Event().wait(0.05)
            gone.cancel()
            with pytest.raises(Cancelled):
                second.result(timeout=1)
            over.set()
            assert tag_of(first.result()) == 7

    def test_who_comes_after_an_erasure_does_not_join_what_began_before(self) -> None:
        server, started, over = world_like("alone").server(), Event(), Event()

        def slowly() -> Analysis:
            started.set()
            over.wait()
            return analysis(7)

        with ThreadPoolExecutor(2) as threads:
            first = threads.submit(lambda: server.find_or_compute(ADA, handle(1), slowly, minutes=540))
            started.wait()
            server.erase(ADA, handle(1))
            second = threads.submit(lambda: keep(server, 8))
            assert second.result(timeout=5) == 8
            over.set()
            assert tag_of(first.result()) == 7
        assert found(server) == 8

    def test_a_server_that_died_holds_nobody_up_for_long(self, world: World) -> None:
        world.shared.add(f"glucose:1:claim:{ADA}:{handle(1)}:540", b"the dead", seconds=CLAIM_SECONDS)
        server = world.server()
        with ThreadPoolExecutor(1) as threads:
            asked = threads.submit(lambda: keep(server, 7))
            Event().wait(0.1)
            assert not asked.done()
            world.clock.advance(CLAIM_SECONDS)
            assert asked.result(timeout=1) == 7

    def test_a_claim_that_is_over_is_not_anothers(self, world: World) -> None:
        claim = f"glucose:1:claim:{ADA}:{handle(1)}:540"

        def slowly() -> Analysis:
            world.shared.set(claim, b"another's", seconds=60)
            return analysis(7)

        world.server().find_or_compute(ADA, handle(1), slowly, minutes=540)
        assert world.shared.get(claim) == b"another's"


@pytest.mark.parametrize("name", ["redis", "s3", "redis, s3 by hand", "redis and s3"])
def test_a_sweep_drops_from_memory_what_another_server_erased(name: str) -> None:
    world = world_like(name)
    one, other = world.server(), world.server()
    keep(one, 7)
    keep(one, 8, 2)
    assert (found(other), found(other, 2)) == (7, 8)
    assert one.erase(ADA, handle(1))
    assert other.size == 2
    other.sweep()
    assert other.size == 1
    assert found(other, 2) == 8
