"""What all telemetry promises."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis

from quintet.adapters.memory_telemetry import MemoryTelemetry
from quintet.kernel.clock import SteppedClock
from quintet.kernel.telemetry import Count, Gauge, Keep, Observe, Recent, Series, Telemetry
from tests.contract.conftest import AtOnce
from tests.contract.telemetry_writers import (
    CELLS,
    LAST,
    METRICS,
    PREFIX,
    REQUESTS,
    SCORE,
    SECONDS,
    SURENESS,
    processes,
    telemetry_of,
    write,
)

Wait = Callable[[float], None]


def series(telemetry: Telemetry, name: str) -> dict[tuple[str, ...], Series]:
    return {one.labels: one for family in telemetry.read() if family.metric.name == name for one in family.series}


def value(telemetry: Telemetry, name: str, *labels: str) -> float:
    return series(telemetry, name)[labels].value


class TelemetryContract:
    @pytest.fixture
    def telemetry(self) -> Telemetry:
        raise NotImplementedError

    @pytest.fixture
    def wait(self) -> Wait:
        raise NotImplementedError

    def test_before_anything_happens_what_will_be_counted_is_there_with_nothing(self, telemetry: Telemetry) -> None:
        assert [family.metric for family in telemetry.read()] == list(METRICS)
        assert series(telemetry, "requests_total") == {
            ("success",): Series(("success",), 0.0),
            ("error",): Series(("error",), 0.0),
        }
        assert series(telemetry, "seconds") == {(): Series((), 0.0, (0, 0, 0))}
        assert not (series(telemetry, "score"))
        assert not (series(telemetry, "sureness"))
        assert not (series(telemetry, "cells_total"))

    def test_counts_add_up(self, telemetry: Telemetry) -> None:
        telemetry.add(Count(REQUESTS, ("success",)), Count(REQUESTS, ("success",), by=2.5))
        telemetry.add(Count(REQUESTS, ("success",)), Count(REQUESTS, ("error",)))
        assert value(telemetry, "requests_total", "success") == 4.5
        assert value(telemetry, "requests_total", "error") == 1

    def test_an_observation_is_in_the_bucket_whose_bound_it_does_not_exceed(self, telemetry: Telemetry) -> None:
        telemetry.add(*(Observe(SECONDS, seconds) for seconds in (0.0, 0.1, 0.1000001, 1.0, 1.5, 99.0)))
        assert series(telemetry, "seconds")[()].counts == (2, 2, 2)
        assert value(telemetry, "seconds") == pytest.approx(101.7000001)

    @pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
    def test_what_is_no_number_is_not_observed(self, telemetry: Telemetry, number: float) -> None:
        telemetry.add(Observe(SECONDS, number), Observe(SECONDS, 0.5))
        assert series(telemetry, "seconds")[()] == Series((), 0.5, (0, 1, 0))

    def test_an_average_is_the_mean_of_all(self, telemetry: Telemetry) -> None:
        telemetry.add(Observe(SURENESS, 0.25, ("a",)), Observe(SURENESS, 0.75, ("a",)))
        telemetry.add(Observe(SURENESS, 0.125, ("a",)), Observe(SURENESS, 1.0, ("b",)))
        assert value(telemetry, "sureness", "a") == 0.375
        assert value(telemetry, "sureness", "b") == 1.0

    def test_the_latest_gauge_stands(self, telemetry: Telemetry) -> None:
        telemetry.add(Gauge(SCORE, 0.5))
        telemetry.add(Gauge(SCORE, -1e-7))
        assert value(telemetry, "score") == -1e-7

    def test_labels_that_callers_name_have_an_end(self, telemetry: Telemetry) -> None:
        for number in [*range(8), 0, 7]:
            telemetry.add(Count(CELLS, (f"cell_{number}",)))
        counted = {labels[0]: one.value for labels, one in series(telemetry, "cells_total").items()}
        assert counted == {"cell_0": 2, "cell_1": 1, "cell_2": 1, "cell_3": 1, "cell_4": 1, "other": 4}

    def test_many_at_once_have_the_same_end(self, telemetry: Telemetry, at_once: AtOnce) -> None:
        at_once(lambda number: telemetry.add(*(Count(CELLS, (f"cell_{number}-{turn}",)) for turn in range(20))))
        counted = series(telemetry, "cells_total")
        assert len(counted) == 6
        assert sum(one.value for one in counted.values()) == 320

    @pytest.mark.parametrize("label", ["x" * 101, "two\nlines", "unit\x1fseparated", "nul\x00"])
    def test_a_label_that_would_do_harm_is_another(self, telemetry: Telemetry, label: str) -> None:
        telemetry.add(Count(CELLS, (label,)))
        assert list(series(telemetry, "cells_total")) == [("other",)]

    @pytest.mark.parametrize("label", ["", "AAAAA1001", 'say "a\\b"', "日本 ü", "a b,c=d{}", "x" * 100])
    def test_a_label_may_be_any_name(self, telemetry: Telemetry, label: str) -> None:
        telemetry.add(Count(CELLS, (label,)))
        assert list(series(telemetry, "cells_total")) == [(label,)]

    def test_labels_must_be_those_of_the_metric(self, telemetry: Telemetry) -> None:
        with pytest.raises(ValueError, match="requests_total has the labels"):
            telemetry.add(Count(REQUESTS))

    def test_the_last_things_seen_are_kept_the_newest_first(self, telemetry: Telemetry) -> None:
        assert telemetry.kept(LAST) == []
        telemetry.add(*(Keep(LAST, f"ü{number}") for number in range(5)))
        telemetry.add(*(Keep(LAST, f"ü{number}") for number in range(5, 10)))
        assert telemetry.kept(LAST) == ["ü9", "ü8", "ü7", "ü6", "ü5", "ü4", "ü3"]
        assert telemetry.kept(Recent("others", 7, 60)) == []

    def test_what_is_kept_is_forgotten_when_nothing_comes(self, telemetry: Telemetry, wait: Wait) -> None:
        short = Recent("short", 7, 1)
        telemetry.add(Keep(short, "a"))
        wait(0.6)
        telemetry.add(Keep(short, "b"))
        wait(0.6)
        assert telemetry.kept(short) == ["b", "a"]
        wait(1.1)
        assert telemetry.kept(short) == []

    def test_nothing_is_lost_where_many_count_at_once(self, telemetry: Telemetry, at_once: AtOnce) -> None:
        def count(_: int) -> None:
            for _time in range(50):
                telemetry.add(Count(REQUESTS, ("success",)), Observe(SECONDS, 0.05))

        assert at_once(count) == [None] * 16
        assert value(telemetry, "requests_total", "success") == 800
        assert series(telemetry, "seconds")[()].counts == (800, 0, 0)


class TestMemoryTelemetry(TelemetryContract):
    @pytest.fixture
    def telemetry(self, clock: SteppedClock) -> Telemetry:
        return MemoryTelemetry(METRICS, clock)

    @pytest.fixture
    def wait(self, clock: SteppedClock) -> Wait:
        return clock.advance


class TestRedisTelemetry(TelemetryContract):
    @pytest.fixture
    def telemetry(self, redis_url: str) -> Telemetry:
        with Redis.from_url(redis_url) as redis:
            redis.flushdb()
        return telemetry_of(redis_url)

    @pytest.fixture
    def wait(self) -> Wait:
        return time.sleep

    def test_the_sums_are_those_of_all_processes(self, telemetry: Telemetry, redis_url: str) -> None:
        """200 predictions in four processes at one time, then 200 is what a fifth one reads."""
        with processes(4) as pool:
            list(pool.map(write, [redis_url] * 4, range(4), [50] * 4))
        assert value(telemetry, "requests_total", "success") == 200
        assert series(telemetry, "seconds")[()].counts == (100, 100, 0)
        assert value(telemetry, "seconds") == pytest.approx(55)
        cells = series(telemetry, "cells_total")
        assert (len(cells), sum(one.value for one in cells.values())) == (6, 200)
        assert value(telemetry, "sureness", "cell") == 0.25
        assert len(telemetry.kept(LAST)) == 7

    def test_an_addition_is_one_round_trip(self, telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch) -> None:
        telemetry.add(Count(REQUESTS, ("success",)))
        asked: list[str] = []
        ask: Any = Redis.execute_command

        def noted(redis: Any, *command: Any, **options: Any) -> Any:
            asked.append(command[0])
            return ask(redis, *command, **options)

        monkeypatch.setattr(Redis, "execute_command", noted)
        telemetry.add(Count(REQUESTS, ("success",)), Observe(SECONDS, 1), Gauge(SCORE, 1), Keep(LAST, "a"))
        assert asked == ["EVALSHA"]

    def test_a_script_that_redis_forgot_is_sent_again(self, telemetry: Telemetry, redis_url: str) -> None:
        telemetry.add(Count(REQUESTS, ("success",)))
        with Redis.from_url(redis_url) as redis:
            redis.script_flush()
        telemetry.add(Count(REQUESTS, ("success",)))
        assert value(telemetry, "requests_total", "success") == 2

    def test_a_connection_that_died_meanwhile_is_made_anew(self, telemetry: Telemetry, redis_url: str) -> None:
        telemetry.add(Count(REQUESTS, ("success",)))
        with Redis.from_url(redis_url) as redis:
            redis.client_kill_filter(_type="normal", skipme=True)
        telemetry.add(Count(REQUESTS, ("success",)))
        assert value(telemetry, "requests_total", "success") == 2

    def test_nothing_is_kept_of_a_process_for_ever(self, telemetry: Telemetry, redis_url: str) -> None:
        telemetry.add(Count(REQUESTS, ("success",)), Keep(LAST, "a"))
        with Redis.from_url(redis_url) as redis:
            ends = {key.decode(): redis.ttl(key) for key in redis.scan_iter(f"{PREFIX}:telemetry:*")}
        assert len(ends) == 2
        assert all(0 < end <= 24 * 60 * 60 for end in ends.values())
