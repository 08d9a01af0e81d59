"""The breaker: when it opens, whom it lets through then, and what its administrators see."""

from collections.abc import Callable

import pytest

from quintet.adapters.memory import MemoryCache
from quintet.handover.breakers import Breakers
from quintet.handover.errors import ResourceNotFoundError
from quintet.kernel.breaker import Breaker, CircuitOpen
from quintet.kernel.clock import SteppedClock
from quintet.kernel.errors import InvalidInput, Unavailable


class Service:
    """Somebody who answers, or does not; `asked` counts how often."""

    def __init__(self, clock: SteppedClock) -> None:
        self.clock = clock
        self.trouble: Exception | None = None
        self.takes = 0.0
        self.asked = 0

    def ask(self) -> str:
        self.asked += 1
        self.clock.advance(self.takes)
        if self.trouble:
            raise self.trouble
        return "answer"


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def service(clock: SteppedClock) -> Service:
    return Service(clock)


@pytest.fixture
def cache(clock: SteppedClock) -> MemoryCache:
    return MemoryCache(clock)


@pytest.fixture
def breaker(cache: MemoryCache, clock: SteppedClock) -> Breaker:
    return Breaker("nef", cache, clock)


def fail(breaker: Breaker, service: Service, times: int = 1, trouble: Exception | None = None) -> None:
    service.trouble = trouble or Unavailable("it is away")
    for _ in range(times):
        with pytest.raises(type(service.trouble)):
            breaker.call(service.ask)
    service.trouble = None


def test_it_opens_after_five_failures_and_asks_no_more(breaker: Breaker, service: Service) -> None:
    fail(breaker, service, 4)
    assert breaker.call(service.ask) == "answer"
    fail(breaker, service, 5)
    assert breaker.standing().state == "open"
    with pytest.raises(CircuitOpen, match="try again in 60 s"):
        breaker.call(service.ask)
    assert service.asked == 10


def test_failures_that_lie_further_apart_than_the_window_do_not_add_up(
    breaker: Breaker, service: Service, clock: SteppedClock
) -> None:
    for _ in range(20):
        fail(breaker, service)
        clock.advance(15.1)
    assert breaker.standing().state == "closed"


def test_two_successes_close_it_again(breaker: Breaker, service: Service, clock: SteppedClock) -> None:
    fail(breaker, service, 5)
    clock.advance(59.9)
    with pytest.raises(CircuitOpen):
        breaker.call(service.ask)
    clock.advance(0.2)
    assert breaker.standing().state == "half_open"
    breaker.call(service.ask)
    assert breaker.standing().state == "half_open"
    breaker.call(service.ask)
    assert breaker.standing().state == "closed"
    fail(breaker, service, 4)
    assert breaker.standing().state == "closed"


def test_a_failure_while_half_open_opens_it_for_as_long_again(
    breaker: Breaker, service: Service, clock: SteppedClock
) -> None:
    fail(breaker, service, 5)
    clock.advance(60)
    breaker.call(service.ask)
    fail(breaker, service)
    clock.advance(59)
    with pytest.raises(CircuitOpen):
        breaker.call(service.ask)
    clock.advance(1)
    assert breaker.call(service.ask) == "answer"


def test_while_half_open_one_tries_and_the_others_do_not_wait(
    breaker: Breaker, service: Service, clock: SteppedClock, cache: MemoryCache
) -> None:
    fail(breaker, service, 5)
    clock.advance(60)
    other = Breaker("nef", cache, clock)

    def meanwhile() -> str:
        with pytest.raises(CircuitOpen):
            other.call(service.ask)
        return service.ask()

    assert breaker.call(meanwhile) == "answer"
    assert other.call(service.ask) == "answer"


def test_a_trial_that_never_ended_is_given_up_after_its_time(
    breaker: Breaker, service: Service, clock: SteppedClock, cache: MemoryCache
) -> None:
    fail(breaker, service, 5)
    clock.advance(60)

    def dies() -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        breaker.call(dies)
    with pytest.raises(CircuitOpen):
        Breaker("nef", cache, clock).call(service.ask)
    clock.advance(30)
    assert Breaker("nef", cache, clock).call(service.ask) == "answer"


def test_an_answer_that_says_no_is_none_of_its_failures(breaker: Breaker, service: Service) -> None:
    fail(breaker, service, 9, InvalidInput("no"))
    assert breaker.standing().state == "closed"


def test_an_answer_that_took_too_long_is_a_failure(breaker: Breaker, service: Service) -> None:
    service.takes = 30.1
    for _ in range(2):
        assert breaker.call(service.ask) == "answer"
    assert breaker.standing().total_failures == 2
    service.takes = 30.0
    breaker.call(service.ask)
    assert breaker.standing().total_failures == 2


def test_all_environments_share_it(service: Service, cache: MemoryCache, clock: SteppedClock) -> None:
    for _ in range(5):
        fail(Breaker("nef", cache, clock), service)
    with pytest.raises(CircuitOpen):
        Breaker("nef", cache, clock).call(service.ask)
    assert Breaker("other", cache, clock).call(service.ask) == "answer"


@pytest.mark.parametrize("states", ["none", "away"])
def test_without_shared_memory_it_counts_for_itself(states: str, service: Service, clock: SteppedClock) -> None:
    cache = MemoryCache(clock)
    cache.away = states == "away"
    breaker = Breaker("nef", None if states == "none" else cache, clock)
    fail(breaker, service, 5)
    with pytest.raises(CircuitOpen):
        breaker.call(service.ask)
    clock.advance(60)
    breaker.call(service.ask)
    breaker.call(service.ask)
    assert breaker.standing().state == "closed"


def test_what_was_known_is_not_forgotten_when_the_memory_goes(
    breaker: Breaker, service: Service, cache: MemoryCache
) -> None:
    fail(breaker, service, 5)
    cache.away = True
    with pytest.raises(CircuitOpen):
        breaker.call(service.ask)


def test_what_nobody_can_read_counts_as_new(breaker: Breaker, service: Service, cache: MemoryCache) -> None:
    cache.set("breaker:nef", b"{", seconds=60)
    assert breaker.call(service.ask) == "answer"
    assert breaker.standing().calls == 1


class TestAdministration:
    @pytest.fixture
    def others(self, cache: MemoryCache, clock: SteppedClock) -> list[Breaker]:
        return [Breaker(name, cache, clock) for name in ("maps", "mail")]

    def test_status_and_stats(self, breaker: Breaker, service: Service, clock: SteppedClock) -> None:
        breakers = Breakers([breaker], clock)
        breaker.call(service.ask)
        fail(breaker, service, 5)
        with pytest.raises(CircuitOpen):
            breaker.call(service.ask)
        data = breakers.status().data
        assert (data.open_circuits, data.total_breakers, data.open_count, data.health) == (("nef",), 1, 1, "degraded")
        stats = breakers.stats("nef").data
        assert stats == data.circuit_breakers["nef"]
        assert (stats.state, stats.failure_count, stats.refused_calls) == ("open", 5, 1)
        assert (stats.total_calls, stats.total_failures, stats.total_successes) == (6, 5, 1)
        assert stats.last_failure_time == stats.opened_at == clock.now()
        assert stats.last_failure_reason == "it is away"
        assert stats.config.model_dump() == {
            "failure_threshold": 5, "recovery_timeout": 60.0, "success_threshold": 2, "timeout": 30.0,
        }  # fmt: skip

    def test_health(self, breaker: Breaker, others: list[Breaker], service: Service, clock: SteppedClock) -> None:
        """Degraded while fewer than half are open."""
        breakers = Breakers([breaker, *others], clock)
        assert breakers.health().model_dump() == {
            "status": "healthy", "open_circuits": 0, "total_circuits": 3, "timestamp": clock.now(),
        }  # fmt: skip
        fail(breaker, service, 5)
        assert breakers.health().status == "degraded"
        fail(others[0], service, 5)
        assert breakers.health().status == "unhealthy"
        assert Breakers([breaker], clock).health().status == "unhealthy"

    @pytest.mark.parametrize(
        "reset", [lambda breakers: breakers.reset(), lambda breakers: breakers.reset_one("nef")], ids=["all", "one"]
    )
    def test_reset(
        self,
        reset: Callable[[Breakers], object],
        breaker: Breaker,
        service: Service,
        cache: MemoryCache,
        clock: SteppedClock,
    ) -> None:
        fail(breaker, service, 5)
        reset(Breakers([Breaker("nef", cache, clock)], clock))
        assert breaker.call(service.ask) == "answer"
        assert breaker.standing().total_failures == 0

    def test_one_that_is_not_there(self, breaker: Breaker, clock: SteppedClock) -> None:
        for ask in (Breakers([breaker], clock).stats, Breakers([breaker], clock).reset_one):
            with pytest.raises(ResourceNotFoundError, match="there are: nef"):
                ask("fen")
