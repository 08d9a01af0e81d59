"""What every store of control state promises."""

import json
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from quintet.adapters.aws import client
from quintet.adapters.dynamodb import DynamoRecords
from quintet.adapters.memory import MemoryRecords
from quintet.entry.ports import Records
from quintet.kernel.clock import SteppedClock
from quintet.kernel.errors import Conflict, Misconfigured, NotFound, TooLarge
from quintet.kernel.ids import new_id
from tests.contract.conftest import AtOnce

SCALARS = (
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False, allow_infinity=False) | some.text()
)
VALUES = some.recursive(
    SCALARS,
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(), inner, max_size=4),
    max_leaves=8,
)
NAMES = some.text(some.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
RECORDS = some.dictionaries(NAMES, VALUES, max_size=6).map(lambda record: {**record, "schema": 1})
a_few = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,  # every example has a key of its own
        HealthCheck.differing_executors,  # one contract, a class for every adapter: that is the point
        HealthCheck.too_slow,
    ],
)


def text(value: Any) -> str:
    """Types count: 1, 1.0 and true are equal in Python."""
    return json.dumps(value, sort_keys=True)


class RecordsContract:
    @pytest.fixture
    def records(self, clock: SteppedClock) -> Records:
        raise NotImplementedError

    @a_few
    @given(record=RECORDS)
    def test_a_record_comes_back_as_it_went(self, records: Records, record: dict[str, Any]) -> None:
        key = f"glucose#job#{new_id()}"
        records.create(key, record)
        assert text(records.read(key)) == text(record)

    @a_few
    @given(record=RECORDS, changes=some.dictionaries(NAMES, VALUES, max_size=4))
    def test_a_record_that_is_as_expected_is_changed(
        self, records: Records, record: dict[str, Any], changes: dict[str, Any]
    ) -> None:
        key = f"glucose#job#{new_id()}"
        records.create(key, record)
        records.update(key, changes, expect=record)
        assert text(records.read(key)) == text(record | changes)

    @pytest.mark.parametrize("key", ["a", "glucose#job#Ada#1", "日本 ü", "a/b#c?d&e", "k" * 1000])
    def test_a_key_may_be_called_anything(self, records: Records, key: str) -> None:
        records.create(key, {"schema": 1, "at": key})
        records.create(f"{key}.", {"schema": 1, "at": "elsewhere"})
        assert records.read(key)["at"] == key

    @pytest.mark.parametrize("name", ["status", "pk", "sk", "expires_at", "fields", "write", "a.b", "a[0]", "#x", ":x"])
    def test_a_field_may_be_called_anything(self, records: Records, name: str) -> None:
        records.create("a", {"schema": 1, name: "before"})
        records.update("a", {name: "after"}, expect={name: "before"})
        assert records.read("a") == {"schema": 1, name: "after"}

    def test_a_second_record_is_a_conflict_and_changes_nothing(self, records: Records) -> None:
        records.create("a", {"schema": 1, "by": "first"})
        with pytest.raises(Conflict):
            records.create("a", {"schema": 1, "by": "second"})
        assert records.read("a")["by"] == "first"

    def test_a_record_without_schema_is_refused(self, records: Records) -> None:
        with pytest.raises(ValueError, match="schema"):
            records.create("a", {"by": "nobody"})

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
    def test_what_json_cannot_say_is_refused(self, records: Records, value: float) -> None:
        with pytest.raises(ValueError, match="JSON"):
            records.create("a", {"schema": 1, "value": [value]})

    def test_too_large_is_refused(self, records: Records) -> None:
        with pytest.raises(TooLarge):
            records.create("a", {"schema": 1, "value": "x" * 400_000})
        records.create("a", {"schema": 1, "value": "x" * 300_000})
        assert len(records.read("a")["value"]) == 300_000

    def test_another_state_than_expected_is_a_conflict_and_changes_nothing(self, records: Records) -> None:
        records.create("a", {"schema": 1, "status": "running", "tries": 1})
        with pytest.raises(Conflict):
            records.update("a", {"tries": 2}, expect={"status": "running", "tries": 2})
        with pytest.raises(Conflict):
            records.update("a", {"tries": 2}, expect={"status": "running", "owner": "Ada"})
        assert records.read("a") == {"schema": 1, "status": "running", "tries": 1}

    @pytest.mark.parametrize(("stored", "expected"), [(1, 1.0), (1, True), (0, False), (0, None), ("1", 1), ([], {})])
    def test_equal_means_the_same_json(self, records: Records, stored: Any, expected: Any) -> None:
        records.create("a", {"schema": 1, "value": stored})
        with pytest.raises(Conflict):
            records.update("a", {"value": "changed"}, expect={"value": expected})
        records.update("a", {"value": "changed"}, expect={"value": stored})

    def test_an_absent_field_is_null(self, records: Records) -> None:
        records.create("a", {"schema": 1, "null": None})
        records.update("a", {"new": 1}, expect={"new": None, "null": None})
        with pytest.raises(Conflict):
            records.update("a", {"new": 2}, expect={"new": None})

    def test_nothing_expected_is_enough_of_a_record(self, records: Records) -> None:
        with pytest.raises(NotFound):
            records.update("a", {"x": 1}, expect={})
        records.create("a", {"schema": 1})
        records.update("a", {"x": 1}, expect={})
        records.update("a", {}, expect={"x": 1})
        records.update("a", {}, expect={})
        assert records.read("a") == {"schema": 1, "x": 1}

    def test_what_is_not_there_is_not_found(self, records: Records) -> None:
        records.create("a", {"schema": 1})
        records.delete("a")
        records.delete("a")
        with pytest.raises(NotFound):
            records.read("a")
        with pytest.raises(NotFound):
            records.update("a", {"x": 1}, expect={})
        with pytest.raises(NotFound):
            records.update("a", {"x": 1}, expect={"schema": 1})

    def test_a_record_ends_with_its_time(self, records: Records, clock: SteppedClock) -> None:
        records.create("a", {"schema": 1}, seconds=60)
        records.create("b", {"schema": 1})
        clock.advance(59)
        records.update("a", {"x": 1}, expect={})
        clock.advance(1)
        with pytest.raises(NotFound):
            records.read("a")
        with pytest.raises(NotFound):
            records.update("a", {"x": 2}, expect={"x": 1})
        assert records.read("b") == {"schema": 1}

    def test_an_ended_record_makes_room_for_another(self, records: Records, clock: SteppedClock) -> None:
        records.create("a", {"schema": 1, "by": "first", "old": True}, seconds=60)
        clock.advance(60)
        records.create("a", {"schema": 1, "by": "second"})
        clock.advance(1000)
        assert records.read("a") == {"schema": 1, "by": "second"}

    def test_one_of_many_creates(self, records: Records, at_once: AtOnce) -> None:
        outcomes = at_once(lambda number: records.create("a", {"schema": 1, "by": number}))
        assert outcomes.count(None) == 1
        assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 15
        assert records.read("a")["by"] == outcomes.index(None)

    def test_one_of_many_takes_an_ended_records_place(
        self, records: Records, clock: SteppedClock, at_once: AtOnce
    ) -> None:
        records.create("a", {"schema": 1}, seconds=1)
        clock.advance(1)
        outcomes = at_once(lambda number: records.create("a", {"schema": 1, "by": number}))
        assert outcomes.count(None) == 1

    def test_one_of_many_updates(self, records: Records, at_once: AtOnce) -> None:
        records.create("a", {"schema": 1, "owner": None})
        outcomes = at_once(lambda number: records.update("a", {"owner": number}, expect={"owner": None}))
        assert outcomes.count(None) == 1
        assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 15
        assert records.read("a")["owner"] == outcomes.index(None)

    def test_no_update_is_lost(self, records: Records, at_once: AtOnce) -> None:
        records.create("a", {"schema": 1, "count": 0})

        def count_one(_: int) -> None:
            for _attempt in range(1000):
                seen = records.read("a")["count"]
                try:
                    return records.update("a", {"count": seen + 1}, expect={"count": seen})
                except Conflict:
                    continue
            raise AssertionError("never got through")

        assert at_once(count_one) == [None] * 16
        assert records.read("a")["count"] == 16


class TestMemoryRecords(RecordsContract):
    @pytest.fixture
    def records(self, clock: SteppedClock) -> Records:
        return MemoryRecords(clock)

    def test_nobody_shares_what_is_stored(self) -> None:
        records, shared = MemoryRecords(), [1]
        records.create("a", {"schema": 1, "list": shared})
        shared.append(2)
        records.read("a")["list"].append(3)
        assert records.read("a")["list"] == [1]


class TestDynamoRecordsOnMoto(RecordsContract):
    @pytest.fixture
    def records(self, moto_table: str, clock: SteppedClock) -> Records:
        return DynamoRecords(moto_table, clock)

    def test_the_tables_own_expiry_is_whole_seconds_and_never_early(
        self, records: Records, moto_table: str, clock: SteppedClock
    ) -> None:
        clock.advance(0.4)
        records.create("a", {"schema": 1}, seconds=60)
        item = client("dynamodb").get_item(TableName=moto_table, Key={"pk": {"S": "a"}, "sk": {"S": "record"}})["Item"]
        assert int(item["expires_at"]["N"]) == int(clock.now().timestamp()) + 61

    def test_a_write_that_meets_itself_has_succeeded(self, moto_table: str, clock: SteppedClock) -> None:
        """As boto3 does when the answer to a write is lost: the same request comes twice."""
        records = DynamoRecords(moto_table, clock, connect=lambda: cast(Any, SendsTwice(client("dynamodb"))))
        records.create("a", {"schema": 1, "count": 0})
        records.update("a", {"count": 1}, expect={"count": 0})
        assert records.read("a") == {"schema": 1, "count": 1}

    def test_a_table_that_is_not_there_is_somebodys_mistake(self, moto: None) -> None:
        with pytest.raises(Misconfigured):
            DynamoRecords("no-such-table").read("a")


class SendsTwice:
    def __init__(self, dynamodb: Any) -> None:
        self._dynamodb = dynamodb
        self.exceptions = dynamodb.exceptions
        self.get_item = dynamodb.get_item

    def put_item(self, **request: Any) -> Any:
        self._dynamodb.put_item(**request)
        return self._dynamodb.put_item(**request)

    def update_item(self, **request: Any) -> Any:
        self._dynamodb.update_item(**request)
        return self._dynamodb.update_item(**request)


@pytest.mark.enable_socket
class TestDynamoRecordsOnCloud(RecordsContract):
    @pytest.fixture
    def records(self, cloud_table: str, clock: SteppedClock) -> Records:
        return DynamoRecords(cloud_table, clock)
