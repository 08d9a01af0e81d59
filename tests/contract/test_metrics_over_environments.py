"""`/metrics` counts for all environments together, whichever of them is asked."""

import pytest
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis

from quintet.adapters.prometheus_page import CONTENT_TYPE
from tests.contract.prediction_environments import predict, scrape
from tests.contract.telemetry_writers import processes


def numbers(text: str) -> dict[tuple[str, ...], float]:
    return {
        (one.name, *(value for _, value in sorted(one.labels.items()))): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


@pytest.mark.no_cover
def test_two_hundred_predictions_in_three_environments_are_two_hundred(redis_url: str) -> None:
    with Redis.from_url(redis_url) as redis:
        redis.flushdb()
    with processes(3) as pool:
        answered = list(pool.map(predict, [redis_url] * 3, range(3), [80, 70, 50], [4, 3, 3]))
        kind, text = pool.submit(scrape, redis_url).result()
    said = numbers(text)
    assert kind == CONTENT_TYPE
    assert answered == [80, 70, 50]
    assert said["ml_prediction_requests_total", "success"] == 200
    assert said["ml_prediction_requests_total", "error"] == 10
    assert said["ml_prediction_latency_seconds_count",] == 210
    assert said["ml_prediction_latency_seconds_bucket", "+Inf"] == 210
    assert sum(value for name, value in said.items() if name[0] == "ml_antenna_predictions_total") == 200
    assert 0 < said["ml_prediction_confidence_avg", "b"] <= 1
    assert said["ml_prediction_error_rate",] <= 0.1
    assert said["ml_model_info", "lightgbm", "1.0.0"] == 1
