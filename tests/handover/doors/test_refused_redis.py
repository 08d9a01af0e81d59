"""Redis is there and refuses our password: what it keeps may be lost, and nobody is sent away for that."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from typing_extensions import override

from quintet.adapters.memory_limits import MemoryAttempts, MemoryRateLimit
from quintet.adapters.redis_connection import RedisConnection
from quintet.adapters.redis_limits import RedisAttempts, RedisRateLimit
from quintet.adapters.redis_trails import RedisTrails
from quintet.handover.kept_histories import KeptHistories, keeping
from quintet.handover.kept_outcomes import KEEPING, KeptOutcomes
from quintet.handover.limits import Pace, Shared, TooManyRequests
from quintet.handover.lockouts import Attempts, Lockouts
from quintet.handover.messages import QosFeedback
from quintet.kernel.breaker import Breaker
from quintet.kernel.clock import SteppedClock
from quintet.kernel.errors import Misconfigured, QuintetError
from tests.handover.doors.open_room import OpenRoom, at_the_door

HEARD = {"ue_id": "ue-1", "connected_to": "a", "rf_metrics": {"a": {"rsrp": -100}, "b": {"rsrp": -70}}}


@dataclass(frozen=True)
class Refusing(RedisConnection):
    @override
    def ask(self, command: Callable[..., Any], *, attempts: int = 2) -> Any:
        raise Misconfigured("Redis refuses the user or password of REDIS_URL")


class RefusingCache:
    def get(self, key: str) -> bytes | None:
        raise Misconfigured("Redis refuses the user or password of REDIS_URL")

    def add(self, key: str, value: bytes, *, seconds: int) -> bool:
        raise Misconfigured("Redis refuses the user or password of REDIS_URL")

    def replace(self, key: str, value: bytes, *, expect: bytes, seconds: int) -> bool:
        raise Misconfigured("Redis refuses the user or password of REDIS_URL")

    def delete(self, key: str) -> None:
        raise Misconfigured("Redis refuses the user or password of REDIS_URL")


REDIS = Refusing("redis://127.0.0.1:1")


@pytest.mark.parametrize("route", ["/api/predict", "/api/predict-with-qos"])
def test_predictions_go_on_without_a_memory_and_it_is_told_once(route: str) -> None:
    room, told = OpenRoom(), list[QuintetError]()
    room.predictor.histories = KeptHistories(RedisTrails(REDIS, keeping(10, 1), "ue"))
    room.predictor.outcomes = KeptOutcomes(RedisTrails(REDIS, KEEPING, "qos"))
    room.predictor.on_trouble = told.append
    with at_the_door(room, headers=room.headers) as ada:
        assert [ada.post(route, json=HEARD).json()["predicted_antenna"] for _ in range(2)] == ["b", "b"]
    assert len(told) == 1


def test_limits_count_by_themselves_and_it_is_told() -> None:
    told = list[QuintetError]()
    pace = Pace(Shared(RedisRateLimit(REDIS, most=2), MemoryRateLimit(2), tell=told.append), per_minute=2)
    attempts: Shared[Attempts] = Shared(RedisAttempts(REDIS, "failures"), MemoryAttempts(), tell=told.append)
    lockouts = Lockouts(attempts, most=1, seconds=9)
    for _ in range(2):
        pace.check("192.0.2.7")
    lockouts.failed("192.0.2.7")
    for refuses in (pace.check, lockouts.check):
        with pytest.raises(TooManyRequests):
            refuses("192.0.2.7")
    assert len(told) == 2


def test_a_breaker_counts_by_itself() -> None:
    assert Breaker("nef", RefusingCache(), SteppedClock()).call(lambda: 7) == 7


def test_feedback_on_a_service_is_answered() -> None:
    feedback = replace(OpenRoom().feedback, outcomes=KeptOutcomes(RedisTrails(REDIS, KEEPING, "qos")))
    told = QosFeedback(ue_id="ue-1", antenna_id="a", service_type="urllc", service_priority=10)
    assert feedback.qos(told).adaptive_required_confidence == 0.95
