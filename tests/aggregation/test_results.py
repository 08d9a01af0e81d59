"""What is told of a result: the API's payload, the files, and their names."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quintet.adapters.memory_files import MemoryResultFiles
from quintet.aggregation import results
from quintet.aggregation.results import MOST_COPIES, Result, api_body, file_body, file_name, path_part, save
from quintet.aggregation.results_text import log_lines, text
from quintet.kernel.errors import Conflict, InvalidInput

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 600_000, tzinfo=UTC)
AGE = {
    "featureName": "age", "dataType": "NUMERIC", "aggregatedNotNull": 1000, "aggregatedSum": 45000,
    "aggregatedAvg": 45.0,
}  # fmt: skip
EMPLOYED = {
    "featureName": "is_employed", "dataType": "BOOLEAN", "aggregatedNotNull": 1000, "aggregatedTrue": 750,
    "percentage": 75.0,
}  # fmt: skip
DEPARTMENT = {
    "featureName": "département", "dataType": "CATEGORICAL", "aggregatedNotNull": 950, "aggregatedUniqueValues": 8,
    "aggregatedTopValueCount": 200, "diversity": 8.42,
}  # fmt: skip
FEATURES = (AGE, EMPLOYED, DEPARTMENT)
RESULT = Result("job_1", MOMENT, ("client1", "client2"), FEATURES)


def test_the_payload_of_the_api() -> None:
    assert json.loads(api_body(RESULT)) == {
        "jobId": "job_1",
        "timestamp": "2026-01-02T03:04:05.600000+00:00",
        "clientList": ["client1", "client2"],
        "totalClients": 2,
        "aggregatedResults": list(FEATURES),
        "metadata": {"totalFeatures": 3, "processingCompletedAt": "2026-01-02T03:04:05.600000+00:00"},
    }


def test_the_json_file_says_where_it_was_saved() -> None:
    body = file_body(RESULT, "json", "/app/results/x.json").decode()
    content = json.loads(body)
    assert content["metadata"].pop("savedAt") == "/app/results/x.json"
    assert content == json.loads(api_body(RESULT))
    assert body.startswith('{\n    "jobId": "job_1",\n    "timestamp"')
    assert "département" in body


def test_the_text_file() -> None:
    assert file_body(Result("job_1", MOMENT, ("a", "b"), (EMPLOYED, {"featureName": "x"})), "txt", "").decode() == (
        "=== AGGREGATED RESULTS FOR JOB job_1 ===\n"
        "Timestamp: 2026-01-02T03:04:05.600000+00:00\n"
        "Clients: a, b\n"
        "Total Features: 2\n"
        "\n"
        "--- Feature 1: is_employed ---\n"
        "  featureName: is_employed\n"
        "  dataType: BOOLEAN\n"
        "  aggregatedNotNull: 1000\n"
        "  aggregatedTrue: 750\n"
        "  percentage: 75.0\n"
        "\n"
        "--- Feature 2: x ---\n"
        "  featureName: x\n"
        "\n"
    )


def test_no_name_makes_lines_of_its_own() -> None:
    feature = {"featureName": "x\n--- Feature 2: y ---", "k\n": "v\r\nw", "pooled": {"counts": {"a\nb": 1}}}
    assert len(text("j\nk", "t", ["c\nd"], [feature]).splitlines()) == 5 + 1 + 3 + 1
    assert len(log_lines("j\nk", ["c\nd"], [{**feature, "dataType": "a\nb"}])) == 5
    assert not any("\n" in line for line in log_lines("j\nk", ["c\nd"], [{**feature, "dataType": "a\nb"}]))


def test_the_lines_of_the_log_are_the_documents() -> None:
    assert log_lines("job_1", ["client1", "client2"], FEATURES) == [
        "[Aggregator] Both API sending and filesystem saving disabled - logging results for job job_1",
        "[Aggregator] Job: job_1, Clients: client1, client2, Features: 3",
        "[Aggregator] Feature 1/3: age (NUMERIC)",
        "[Aggregator]   → NotNull: 1000, Sum: 45000, Avg: 45.0",
        "[Aggregator] Feature 2/3: is_employed (BOOLEAN)",
        "[Aggregator]   → NotNull: 1000, True: 750, Percentage: 75.0%",
        "[Aggregator] Feature 3/3: département (CATEGORICAL)",
        "[Aggregator]   → NotNull: 950, Unique: 8, Diversity: 8.42%",
        "[Aggregator] Results logging completed for job job_1",
    ]


@pytest.mark.parametrize(
    ("feature", "figures"),
    [
        (
            {"dataType": "NUMERIC", "aggregatedNotNull": 3, "pooled": {"sum": 135, "mean": 45}},
            "NotNull: 3, Sum: 135, Avg: 45.0",
        ),
        ({"dataType": "NUMERIC", "aggregatedNotNull": 0, "pooled": {"sum": 0, "mean": None}}, "NotNull: 0, Sum: 0"),
        ({"dataType": "NUMERIC", "aggregatedNotNull": 3, "pooled": None}, "NotNull: 3"),
        (
            {"dataType": "NUMERIC", "aggregatedNotNull": 3, "aggregatedAvg": 90,
             "sumsOfOwnersValues": ["aggregatedAvg"]},
            "NotNull: 3, Avg: 90.0 (sum of owners' values)",
        ),
        ({"dataType": "BOOLEAN", "aggregatedNotNull": 3, "percentageTrue": 50.0}, "NotNull: 3, Percentage: 50.0%"),
        (
            {"dataType": "CATEGORICAL", "aggregatedNotNull": 3, "pooled": {"uniqueValues": 2}},
            "NotNull: 3, Unique: 2",
        ),
        ({"dataType": "X", "aggregatedNotNull": 3}, 'NotNull: 3, Data: {"dataType": "X", "aggregatedNotNull": 3}'),
    ],
)  # fmt: skip
def test_only_numbers_that_are_known_are_told(feature: dict[str, object], figures: str) -> None:
    assert log_lines("j", [], [feature])[3] == f"[Aggregator]   → {figures}"


@pytest.mark.parametrize(
    ("job", "name"),
    [
        ("job_123", "job_123"),
        ("a.b-c~d", "a.b-c~d"),
        ("../../x", "%2E.%2F..%2Fx"),
        ("/etc/passwd", "%2Fetc%2Fpasswd"),
        ("..", "%2E."),
        ("a\\b c", "a%5Cb%20c"),
        ("ü", "%C3%BC"),
    ],
)
def test_the_name_of_a_file(job: str, name: str) -> None:
    assert file_name(Result(job, MOMENT), "json") == f"{name}_results_20260102_030405.json"
    assert file_name(Result(job, MOMENT), "txt", 2) == f"{name}_results_20260102_030405_2.txt"


def test_the_name_is_of_utc() -> None:
    there = MOMENT.astimezone(timezone(timedelta(hours=9)))
    assert file_name(Result("j", there), "json") == "j_results_20260102_030405.json"


JOBS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=128)


@given(JOBS, JOBS)
def test_no_two_jobs_share_a_name_and_every_file_system_takes_it(one: str, other: str) -> None:
    assert (path_part(one) == path_part(other)) is (one == other)
    name = file_name(Result(one, MOMENT), "json", MOST_COPIES)
    assert len(name) <= 220
    assert name.isascii()
    assert not name.startswith(".")
    assert not set(name) & set('/\\:*?"<>| ')


def test_long_names_that_begin_alike_differ() -> None:
    assert len({path_part("ü" * 127 + last) for last in "abc"} | {path_part("ü" * 128)}) == 4


def test_what_is_saved_again_is_the_same_file() -> None:
    files = MemoryResultFiles()
    assert save(files, RESULT, "json") == save(files, RESULT, "json") == "memory:/job_1_results_20260102_030405.json"
    assert list(files.content) == ["job_1_results_20260102_030405.json"]


@pytest.mark.parametrize("format", ["json", "txt"])
def test_another_result_of_that_name_keeps_its_file(format: results.Format) -> None:  # noqa: A002
    files = MemoryResultFiles()
    other = Result("job_1", MOMENT, ("client3",), FEATURES)
    first, second = save(files, RESULT, format), save(files, other, format)
    assert second == f"memory:/job_1_results_20260102_030405_2.{format}"
    assert (save(files, other, format), save(files, RESULT, format)) == (second, first)
    assert b"client1" in files.content[first.removeprefix("memory:/")]
    if format == "json":
        assert json.loads(files.content[second.removeprefix("memory:/")])["metadata"]["savedAt"] == second


def test_there_is_an_end_to_names() -> None:
    files = MemoryResultFiles()
    for number in range(MOST_COPIES):
        save(files, Result("j", MOMENT, (str(number),)), "txt")
    with pytest.raises(Conflict):
        save(files, Result("j", MOMENT, ("one more",)), "txt")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object()])
def test_what_json_can_t_hold_is_refused(value: object) -> None:
    with pytest.raises(InvalidInput):
        api_body(Result("j", MOMENT, (), ({"x": value},)))


def test_what_the_room_keeps_comes_back_with_the_moment_of_the_jobs_end() -> None:
    kept = results.kept("job_1", ["client1", "client2"], FEATURES)
    assert results.read(kept, MOMENT) == RESULT
    assert results.key_of("a/b") == "aggregation/jobs/a%2Fb/result.json"
