"""What a server says of itself."""

from quintet.glucose.health import REMEMBERED_REQUESTS, Tally, health


def test_a_fresh_server_is_idle_and_well() -> None:
    told = health(Tally(), models_ready=True, memory_mb=123.0)
    assert (told.status, told.load_status, told.models_initialized) == ("ok", "idle", True)
    assert len(type(told).model_fields) == 23
    assert told.avg_request_time_ms == 0


def test_a_server_without_a_model_is_degraded() -> None:
    told = health(Tally(), models_ready=False, memory_mb=1)
    assert (told.status, told.available_priority_models) == ("degraded", 0)


def test_requests_errors_and_times_are_counted_and_memory_is_bounded() -> None:
    tally = Tally()
    for milliseconds in range(5000):
        tally.count_request(500 if milliseconds % 10 == 0 else 200, float(milliseconds))
    told = health(tally, models_ready=True, memory_mb=1)
    assert (told.total_http_requests, told.total_http_errors) == (5000, 500)
    assert len(tally.times) == REMEMBERED_REQUESTS
    assert (told.min_request_time_ms, told.max_request_time_ms) == (5000 - REMEMBERED_REQUESTS, 4999)
