"""Long histories of three servers beside a model of what may be told: stores go away, forget and come back."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from quintet.kernel.errors import Unavailable
from tests.glucose.cache_worlds import ADA, BOB, HOURS, World, analysis, found, handle, tag_of

SERVERS = st.integers(0, 2)
PLACES = st.tuples(st.sampled_from([ADA, BOB]), st.integers(1, 3))
MINUTES = st.sampled_from([540, 1080])
Place = tuple[str, int]


class CacheBesideModel(RuleBasedStateMachine):
    """`may`: the tags that may be told of a place. `must`: those of which one must be, as long as no store fails.

    What was computed before an erasure that succeeded is never told again, nor what has reached its end.
    """

    @initialize(
        stores=st.sampled_from([(True, True, True), (True, True, False), (True, False, True), (False, True, True)])
    )
    def begin(self, stores: tuple[bool, bool, bool]) -> None:
        self.world = World(*stores, hot_size=2)
        self.servers = [self.world.server() for _ in range(3)]
        self.tag = 0
        self.made: dict[int, tuple[Place, float, int]] = {}
        self.may: dict[Place, set[int]] = {}
        self.must: dict[Place, int] = {}
        self.now, self.failed_at = 0.0, -10.0

    @property
    def whole(self) -> bool:
        """Whether every store that there is answers."""
        return not (self.world.shared.away or self.world.bulk.away)

    @property
    def rested(self) -> bool:
        """Whether every server has noticed, too."""
        return self.now > self.failed_at + 10

    def alive(self, place: Place) -> set[int]:
        return {tag for tag in self.may.get(place, set()) if self.now < self.made[tag][1] + HOURS * 3600}

    @rule(server=SERVERS, place=PLACES, minutes=MINUTES, force=st.booleans())
    def compute(self, server: int, place: Place, minutes: int, force: bool) -> None:
        self.tag += 1
        tag, (owner, number) = self.tag, place
        self.made[tag] = (place, self.now, minutes)
        known = self.servers[server].find_or_compute(
            owner, handle(number), lambda: analysis(tag, minutes), minutes=minutes, force=force
        )
        told = tag_of(known)
        assert known.minutes >= minutes
        assert told == tag or (not force and told in self.alive(place))
        replaced = told == tag and self.whole and self.rested
        self.may[place] = {told} if replaced else self.may.get(place, set()) | {told}
        self.must.pop(place, None)
        if self.whole and self.rested:
            self.must[place] = minutes

    @rule(server=SERVERS, place=PLACES, minutes=MINUTES)
    def find(self, server: int, place: Place, minutes: int) -> None:
        owner, number = place
        told = found(self.servers[server], number, owner=owner, minutes=minutes)
        if told is None:
            assert minutes > self.must.get(place, 0)
            return
        assert told in self.alive(place)
        assert self.made[told][2] >= minutes

    @rule(server=SERVERS, place=PLACES)
    def erase(self, server: int, place: Place) -> None:
        owner, number = place
        self.must.pop(place, None)
        try:
            self.servers[server].erase(owner, handle(number))
        except Unavailable:
            assert not self.whole
        else:
            assert self.whole
            self.may.pop(place, None)

    @rule(server=SERVERS)
    def flush(self, server: int) -> None:
        self.must.clear()
        try:
            self.servers[server].flush()
        except Unavailable:
            assert not self.whole
        else:
            assert self.whole
            self.may.clear()
            assert self.world.at_rest() == set()

    @rule(server=SERVERS, place=PLACES, whole_owner=st.booleans(), action=st.sampled_from(["save", "load"]))
    def move(self, server: int, place: Place, whole_owner: bool, action: str) -> None:
        owner, number = place
        try:
            getattr(self.servers[server], action)(owner, None if whole_owner else handle(number))
        except Unavailable:
            assert not self.whole or not self.rested

    @rule(seconds=st.sampled_from([1.0, 6.0, HOURS * 1800, HOURS * 3600]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.world.clock.advance(seconds)
        if seconds > 10:
            self.must.clear()

    @rule(store=st.sampled_from(["shared", "bulk"]))
    def a_store_goes_or_comes(self, store: str) -> None:
        if store == "shared" and self.world.with_shared:
            self.world.shared.away = not self.world.shared.away
        if store == "bulk" and self.world.with_bulk:
            self.world.bulk.away = not self.world.bulk.away
        self.failed_at = self.now
        self.must.clear()

    @precondition(lambda self: not self.world.shared.away)
    @rule()
    def redis_is_started_anew(self) -> None:
        self.world.shared.lose()
        self.must.clear()


TestCacheBesideModel = CacheBesideModel.TestCase
TestCacheBesideModel.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
