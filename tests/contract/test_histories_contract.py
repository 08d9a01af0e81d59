"""What is remembered of UEs, by whatever trails."""

import json
from collections.abc import Iterator

import pytest
from redis import Redis

from quintet.adapters.memory_trails import MemoryTrails
from quintet.adapters.redis_connection import RedisConnection
from quintet.adapters.redis_trails import RedisTrails
from quintet.handover.history import EMPTY, Handover, Histories
from quintet.handover.kept_histories import KeptHistories, keeping
from quintet.handover.kept_outcomes import KEEPING, KeptOutcomes
from quintet.handover.qos import Outcomes, Rate
from quintet.handover.sights import Candidate, Sight
from quintet.kernel.trails import Trails
from tests.contract.conftest import AtOnce

CELLS = (Candidate("antenna_1", -80.123456789, 9.5, -10.0, 0.25), Candidate("ü", -1e-300, 0.1 + 0.2))
FULL = Sight(
    1.5, -22.3, 53.7, "antenna_1", CELLS, altitude=1, speed=2, velocity=3, acceleration=4, cell_load=5,
    handover_count=6, signal_trend=7, environment=8, direction_x=9, direction_y=10, heading_change_rate=11,
    path_curvature=12, time_since_handover=13, rsrp_stddev=14, sinr_stddev=15,
)  # fmt: skip


def at(moment: float, serving: str | None = "a") -> Sight:
    return Sight(moment, None, None, serving, CELLS)


class HistoriesContract:
    @pytest.fixture
    def trails(self) -> Trails:
        raise NotImplementedError

    @pytest.fixture
    def histories(self, trails: Trails) -> Histories:
        return KeptHistories(trails)

    def test_nobody_has_a_history(self, histories: Histories) -> None:
        assert histories.read("ue") == EMPTY

    def test_a_sight_comes_back_as_it_was(self, histories: Histories) -> None:
        assert histories.remember("ue", FULL) == EMPTY
        assert histories.remember("ue", at(2.0)).sights == (FULL,)
        assert histories.read("ue").sights == (FULL, at(2.0))
        assert histories.read("UE") == EMPTY

    def test_the_present_one_is_part_of_no_history_and_its_handover_is(self, histories: Histories) -> None:
        histories.remember("ue", at(1.0, "a"))
        history = histories.remember("ue", at(2.0, "b"))
        assert history.sights == (at(1.0, "a"),)
        assert history.handovers == (Handover(2.0, "a", "b"),)
        assert histories.remember("ue", at(3.0, None)).handovers == history.handovers

    def test_ten_sights_and_twenty_handovers_are_remembered(self, histories: Histories) -> None:
        for number in range(30):
            histories.remember("ue", at(float(number), "ab"[number % 2]))
        history = histories.read("ue")
        assert [one.at for one in history.sights] == list(range(20, 30))
        assert [one.at for one in history.handovers] == list(range(10, 30))

    def test_advice_is_remembered_until_it_is_followed(self, histories: Histories) -> None:
        histories.remember("ue", at(1.0, "a"))
        histories.advise("ue", Handover(1.0, "a", "b", followed=False))
        assert histories.remember("ue", at(2.0, "a")).handovers == (Handover(1.0, "a", "b", followed=False),)
        assert histories.remember("ue", at(3.0, "b")).handovers == (Handover(3.0, "a", "b"),)
        assert histories.remember("ue", at(4.0, "a")).done[-1] == Handover(4.0, "b", "a")

    def test_many_at_once_lose_nothing(self, histories: Histories, at_once: AtOnce) -> None:
        histories.remember("ue", at(0.0, "a"))
        at_once(lambda number: histories.remember("ue", at(1.0 + number, f"cell {number}")))
        history = histories.read("ue")
        assert len(history.sights) == 10
        assert len(history.handovers) == 16

    def test_what_another_release_kept_is_passed_over(self, histories: Histories, trails: Trails) -> None:
        histories.remember("ue", at(1.0))
        (name,) = names(trails)
        trails.append(name, json.dumps([2, "something", "else"]))
        trails.note(name, json.dumps([2, 9.0, "a", "b"]))
        assert histories.read("ue").sights == (at(1.0),)
        assert histories.read("ue").handovers == ()

    def test_outcomes_are_counted_by_service_and_cell(self, trails: Trails) -> None:
        outcomes = KeptOutcomes(trails)
        for success in (True, True, False):
            outcomes.add("embb", "a", success)
        outcomes.add("embb", "b", success=False)
        outcomes.add("urllc", "a", success=False)
        assert outcomes.read("embb", ["b", "a", "c"]) == Outcomes(
            Rate(2, 4), {"b": Rate(0, 1), "a": Rate(2, 3), "c": Rate()}
        )
        assert outcomes.read("mmtc", []) == Outcomes()

    def test_the_last_hundred_outcomes_count(self, trails: Trails) -> None:
        outcomes = KeptOutcomes(trails)
        for number in range(130):
            outcomes.add("embb", "a", number >= 60)
        assert outcomes.read("embb", []).service == Rate(70, 100)


def names(trails: Trails) -> list[str]:
    if isinstance(trails, MemoryTrails):
        return list(trails._kept)
    assert isinstance(trails, RedisTrails)
    found: list[bytes] = trails.redis.ask(lambda redis: redis.zrange(f"{trails.prefix}:seen", 0, -1))
    return [name.decode() for name in found]


class TestMemory(HistoriesContract):
    @pytest.fixture
    def trails(self, request: pytest.FixtureRequest) -> Trails:
        outcomes = "outcomes" in request.node.name
        return MemoryTrails(KEEPING if outcomes else keeping(100, 24))


class TestRedis(HistoriesContract):
    @pytest.fixture
    def trails(self, redis_url: str, request: pytest.FixtureRequest) -> Iterator[Trails]:
        with Redis.from_url(redis_url) as redis:
            redis.flushdb()
            outcomes = "outcomes" in request.node.name
            yield RedisTrails(RedisConnection(redis_url), KEEPING if outcomes else keeping(100, 24), "ue")

    def test_no_key_tells_whose_it_is_and_all_expire(self, histories: Histories, redis_url: str) -> None:
        histories.remember("imsi-202010000000001", FULL)
        histories.advise("imsi-202010000000001", Handover(1.5, "antenna_1", "ü", followed=False))
        with Redis.from_url(redis_url) as redis:
            keys = list(redis.scan_iter())
            kept = b" ".join([*keys, *redis.zrange("ue:seen", 0, -1)])
            assert len(keys) == 4
            assert b"202010000000001" not in kept
            assert all(0 < redis.ttl(key) <= 24 * 3600 for key in keys)
