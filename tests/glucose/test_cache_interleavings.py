"""Several servers at one trace, one question to a store at a time in any order: what is erased stays erased."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Literal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from quintet.glucose.analysis import Analysis
from quintet.glucose.cache import AnalysisCache
from quintet.kernel.errors import Unavailable
from tests.glucose.cache_steps import Actor, Crash, Stage
from tests.glucose.cache_worlds import ADA, World, analysis, found, handle, making, tag_of

Deed = Literal["compute", "compute more", "compute anew", "find", "load", "save", "erase", "flush", "lose redis"]

ERASING = {"erase", "flush"}


@dataclass
class Play:
    """Tags rise with the moment at which a computation begins, so an erasure may compare with what it has seen."""

    world: World
    tags: "count[int]" = field(default_factory=lambda: count(1))
    begun: int = 0
    erased: int = 0
    """All computations up to this tag began before an erasure that has succeeded."""

    def __post_init__(self) -> None:
        self.stage = Stage(self.world.clock)

    def server(self) -> AnalysisCache:
        shared, bulk = self.stage.shared(self.world.shared), self.stage.bulk(self.world.bulk)
        return self.world.server(shared=shared, bulk=bulk)

    def deed(self, deed: Deed, server: AnalysisCache) -> Callable[[], object]:
        minutes = 1080 if deed == "compute more" else 540
        deeds: dict[Deed, Callable[[], object]] = {
            "compute": lambda: self.computed(server, minutes, force=False),
            "compute more": lambda: self.computed(server, minutes, force=False),
            "compute anew": lambda: self.computed(server, minutes, force=True),
            "find": lambda: self.found(server),
            "load": lambda: server.load(ADA, None),
            "save": lambda: server.save(ADA, None),
            "erase": lambda: self.erasing(lambda: server.erase(ADA, handle(1))),
            "flush": lambda: self.erasing(server.flush),
            "lose redis": self.world.shared.lose,
        }
        return deeds[deed]

    def computed(self, server: AnalysisCache, minutes: int, *, force: bool) -> None:
        erased = self.erased

        def compute() -> Analysis:
            self.begun = next(self.tags)
            return analysis(self.begun, minutes)

        known = server.find_or_compute(ADA, handle(1), compute, minutes=minutes, force=force)
        assert known.minutes >= minutes
        assert tag_of(known) > erased

    def found(self, server: AnalysisCache) -> None:
        erased = self.erased
        tag = found(server)
        assert tag is None or tag > erased

    def erasing(self, erase: Callable[[], object]) -> None:
        begun = self.begun
        erase()
        self.erased = max(self.erased, begun)


@pytest.fixture(autouse=True, scope="module")
def impatient() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("quintet.glucose.cache_shared.LOOK_AGAIN", 0.0005)
        yield


DEEDS: st.SearchStrategy[Deed] = st.sampled_from(
    ["compute", "compute more", "compute anew", "find", "load", "save", "erase", "erase", "flush"]
)
WORLDS = st.sampled_from([(True, True, True), (True, False, True), (False, True, True), (True, True, False)])
PARTS = st.lists(st.tuples(DEEDS, st.integers(0, 2)), min_size=2, max_size=4, unique=True)
ORDER = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 15)), max_size=12)
"""Who goes on, and for how many steps."""


def world_of(options: tuple[bool, bool, bool]) -> World:
    with_shared, with_bulk, persist = options
    return World(with_shared=with_shared, with_bulk=with_bulk, persist=persist)


def prepared(play: Play, *, redis_forgot: bool) -> list[AnalysisCache]:
    """Three servers, two of which hold the trace; in bulk storage it is, too, and Redis may have lost it."""
    servers = [play.server() for _ in range(3)]
    play.computed(servers[0], 540, force=False)
    play.found(servers[1])
    servers[0].save(ADA, None)
    if redis_forgot:
        play.world.shared.lose()
    return servers


def settled(play: Play, actors: list[Actor], servers: list[AnalysisCache]) -> None:
    for actor in actors:
        assert actor.error is None or isinstance(actor.error, (Crash, Unavailable)), (actor.name, actor.error)
    for server in [*servers, play.world.server()]:
        play.found(server)
        server.load(ADA, None)
        play.found(server)


@settings(max_examples=400, deadline=None)
@given(WORLDS, PARTS, ORDER, st.booleans())
@example((True, True, True), [("erase", 0), ("find", 2)], [(1, 3), (0, 8), (1, 9)], True)
def test_what_is_erased_stays_erased_whatever_the_order(
    options: tuple[bool, bool, bool], deeds: list[tuple[Deed, int]], order: list[tuple[int, int]], redis_forgot: bool
) -> None:
    play = Play(world_of(options))
    servers = prepared(play, redis_forgot=redis_forgot)
    actors = [Actor(deed, play.deed(deed, servers[server])) for deed, server in deeds]
    play.stage.play(actors, order)
    settled(play, actors, servers)
    assert all(actor.error is None for actor in actors)
    assert all(tag > play.erased for tag in play.world.at_rest())


@settings(max_examples=400, deadline=None)
@given(
    WORLDS,
    PARTS,
    ORDER,
    st.integers(0, 3),
    st.integers(0, 25),
    st.sampled_from(["crash", "cut off"]),
)
def test_what_is_erased_stays_erased_where_a_server_dies_or_loses_redis_on_its_way(
    options: tuple[bool, bool, bool],
    deeds: list[tuple[Deed, int]],
    order: list[tuple[int, int]],
    victim: int,
    moment: int,
    fate: str,
) -> None:
    play = Play(world_of(options))
    servers = prepared(play, redis_forgot=False)
    actors = [Actor(deed, play.deed(deed, servers[server])) for deed, server in deeds]
    hit = actors[victim % len(actors)]
    steps = count()

    def struck() -> None:
        if next(steps) == moment:
            hit.crashed, hit.cut_off = fate == "crash", fate == "cut off"

    watch(hit, struck)
    play.stage.play(actors, order)
    play.world.clock.advance(10)
    dead = servers[deeds[victim % len(actors)][1]] if hit.crashed else None
    settled(play, actors, [server for server in servers if server is not dead])


def watch(actor: Actor, before: Callable[[], None]) -> None:
    pause = actor.pause

    def paused() -> None:
        before()
        pause()

    actor.pause = paused  # type: ignore[method-assign]


@settings(max_examples=150, deadline=None)
@given(WORLDS, st.lists(st.sampled_from(["compute more", "compute anew", "load", "save"]), max_size=2), ORDER)
def test_what_is_there_is_found_while_it_is_replaced(
    options: tuple[bool, bool, bool], deeds: list[Deed], order: list[tuple[int, int]]
) -> None:
    play = Play(world_of(options))
    servers = prepared(play, redis_forgot=False)
    actors = [Actor(deed, play.deed(deed, play.server())) for deed in deeds]
    actors += [Actor("find", partial(found, server)) for server in (*servers, play.server())]
    play.stage.play(actors, order)
    assert None not in [actor.result for actor in actors if actor.name == "find"] or not options[2]


@settings(max_examples=100, deadline=None)
@given(ORDER, st.lists(st.sampled_from([540, 1080]), min_size=2, max_size=3))
def test_without_erasures_one_that_answers_all_is_kept(order: list[tuple[int, int]], wanted: list[int]) -> None:
    play = Play(World())
    servers = [play.server() for _ in wanted]
    deeds: list[Deed] = ["compute more" if minutes == 1080 else "compute" for minutes in wanted]
    actors = [Actor(deed, play.deed(deed, server)) for deed, server in zip(deeds, servers, strict=True)]
    play.stage.play(actors, order)
    assert [actor.error for actor in actors] == [None] * len(actors)
    for server in [*servers, play.world.server()]:
        assert server.find(ADA, handle(1), minutes=max(wanted)) is not None
    assert play.begun <= len(set(wanted))


def test_a_trace_that_came_again_after_an_erasure_is_kept() -> None:
    play = Play(World())
    servers = prepared(play, redis_forgot=False)
    servers[0].erase(ADA, handle(1))
    servers[1].find_or_compute(ADA, handle(1), making(9), minutes=540)
    assert [found(server) for server in servers] == [9, 9, 9]
