"""What every store of rows promises."""

import json
from datetime import timedelta
from typing import Any, cast

import pytest

from quintet.adapters.aws import client
from quintet.adapters.dynamodb_rows import DynamoRows
from quintet.adapters.memory_rows import MemoryRows
from quintet.kernel.clock import SteppedClock
from quintet.kernel.errors import Conflict, Misconfigured, NotFound, TooLarge, Unavailable
from quintet.kernel.rows import STEP_LIMIT, Change, Create, Place, Remove, Rows, Write
from tests.contract.conftest import AtOnce

A, B, C = Place("shelf", "a"), Place("shelf", "b"), Place("another shelf", "a")


VALUES: list[Any] = [
    *(0, 1.0, 0.1, -1e-300, 10**30, True, None),
    *("", "日本 ü \0 \U0001f5ff", [], [1, [None]], {"b": {"a": 1}}),
]


def text(value: Any) -> str:
    """Types count: 1, 1.0 and true are equal in Python."""
    return json.dumps(value, sort_keys=True)


def row(place: Place, **fields: Any) -> Create:
    return Create(place, {"schema": 1, **fields})


def names(rows: Rows, partition: str = "shelf", **how: Any) -> list[str]:
    return [name for name, _ in rows.list(partition, **how)]


class RowsContract:
    @pytest.fixture
    def rows(self, clock: SteppedClock) -> Rows:
        raise NotImplementedError

    def test_a_record_comes_back_as_it_went(self, rows: Rows) -> None:
        for number, value in enumerate(VALUES):
            place = Place("shelf", f"{number}")
            rows.write(row(place, value=value))
            assert text(rows.read(place)) == text({"schema": 1, "value": value})

    def test_a_step_does_all(self, rows: Rows) -> None:
        rows.write(row(A, by=1), row(B), row(C))
        rows.write(Change(A, {"by": 2}, {"by": 1}), Remove(B), row(Place("shelf", "d")))
        assert rows.read(A)["by"] == 2
        assert names(rows) == ["a", "d"]
        assert names(rows, "another shelf") == ["a"]

    @pytest.mark.parametrize(
        "refused",
        [row(A), Change(A, {"by": 2}, {"by": 3}), Change(Place("shelf", "none"), {"by": 2})],
        ids=["create", "expectation", "nothing to change"],
    )
    @pytest.mark.parametrize("at", [0, 1, 3])
    def test_a_step_does_nothing_where_one_write_is_refused(self, rows: Rows, refused: Write, at: int) -> None:
        rows.write(row(A, by=1), row(B, by=1), row(C, by=1))
        others: list[Write] = [row(Place("shelf", "d")), Change(B, {"by": 2}, {"by": 1}), Remove(C)]
        with pytest.raises(Conflict):
            rows.write(*others[:at], refused, *others[at:])
        assert names(rows) == ["a", "b"]
        assert (rows.read(B)["by"], rows.read(C)["by"]) == (1, 1)

    def test_equal_means_the_same_json(self, rows: Rows) -> None:
        cases: list[tuple[Any, Any]] = [(1, 1.0), (1, True), (0, False), (0, None), ("1", 1), ([], {})]
        for stored, expected in cases:
            place = Place("shelf", f"{stored!r} {expected!r}")
            rows.write(row(place, value=stored))
            with pytest.raises(Conflict):
                rows.write(Change(place, {"value": "changed"}, {"value": expected}))
            rows.write(Change(place, {"value": "changed"}, {"value": stored}))

    def test_every_expectation_counts(self, rows: Rows) -> None:
        rows.write(row(A, status="running", attempt=1))
        with pytest.raises(Conflict):
            rows.write(Change(A, {"x": 1}, {"status": "running", "attempt": 2}))
        rows.write(Change(A, {"x": 1}, {"status": "running", "attempt": 1}))
        rows.write(Change(A, {"x": 2}))
        rows.write(Change(A, {}, {"x": 2}), row(B))
        rows.write(Change(A, {}), row(C))
        with pytest.raises(Conflict):
            rows.write(Change(A, {}, {"x": 1}), Remove(B))
        assert rows.read(B) == {"schema": 1}
        assert rows.read(A) == {"schema": 1, "status": "running", "attempt": 1, "x": 2}

    def test_an_absent_field_is_null(self, rows: Rows) -> None:
        rows.write(row(A, null=None))
        rows.write(Change(A, {"new": 1}, {"new": None, "null": None}))
        with pytest.raises(Conflict):
            rows.write(Change(A, {"new": 2}, {"new": None}))

    def test_nothing_stands_in_the_way_of_a_removal(self, rows: Rows) -> None:
        rows.write(Remove(A))
        rows.write(row(A))
        rows.write(Remove(A), Remove(B), row(C))
        with pytest.raises(NotFound):
            rows.read(A)
        assert rows.read(C) == {"schema": 1}

    def test_a_field_may_be_called_anything(self, rows: Rows) -> None:
        for name in ["status", "pk", "sk", "expires_at", "fields", "write", "a.b", "a[0]", "#x", ":x"]:
            place = Place("shelf", name)
            rows.write(row(place, **{name: "before"}))
            rows.write(Change(place, {name: "after"}, {name: "before"}))
            assert rows.read(place) == {"schema": 1, name: "after"}

    def test_a_row_may_be_called_anything(self, rows: Rows) -> None:
        for name in ["a", "job", "日本#ü", "a/b#c?d&e", " ", "\x01", "\U0001f5ff", "n" * 1000]:
            place = Place(f"training#job#{name}", name)
            rows.write(row(place, at=name), row(Place(place.partition, f"{name}.")))
            assert rows.read(place)["at"] == name
            assert names(rows, place.partition) == [name, f"{name}."]
            assert names(rows, place.partition, prefix=name, after=name) == [f"{name}."]

    def test_a_record_without_schema_is_refused(self, rows: Rows) -> None:
        with pytest.raises(ValueError, match="schema"):
            rows.write(Create(A, {"by": "nobody"}))

    def test_what_json_cannot_say_is_refused(self, rows: Rows) -> None:
        rows.write(row(A))
        for value in [float("nan"), float("inf"), -float("inf")]:
            with pytest.raises(ValueError, match="JSON"):
                rows.write(row(B), row(C, value=[value]))
            with pytest.raises(ValueError, match="JSON"):
                rows.write(row(B), Change(A, {"value": value}))
        assert names(rows) == ["a"]

    def test_too_large_is_refused(self, rows: Rows) -> None:
        with pytest.raises(TooLarge):
            rows.write(row(A, value="x" * 400_000))
        rows.write(row(A, value="x" * 300_000))
        with pytest.raises(TooLarge):
            rows.write(row(B), Change(A, {"more": "x" * 400_000}))
        assert names(rows) == ["a"]
        assert "more" not in rows.read(A)

    def test_a_step_has_a_hundred_writes_at_most(self, rows: Rows) -> None:
        many = [row(Place("many", f"{number:03d}")) for number in range(STEP_LIMIT + 1)]
        with pytest.raises(ValueError, match="100"):
            rows.write(*many)
        assert names(rows, "many") == []
        rows.write(*many[:-1])
        assert len(names(rows, "many")) == STEP_LIMIT

    def test_a_step_has_a_write_and_none_for_the_same_row_twice(self, rows: Rows) -> None:
        with pytest.raises(ValueError, match="1 to 100"):
            rows.write()
        with pytest.raises(ValueError, match="twice"):
            rows.write(row(A), Remove(A))
        assert names(rows) == []

    def test_a_row_ends_with_its_time(self, rows: Rows, clock: SteppedClock) -> None:
        end = clock.now() + timedelta(seconds=60)
        rows.write(Create(A, {"schema": 1}, end), row(B))
        clock.advance(59)
        rows.write(Change(A, {"x": 1}))
        clock.advance(1)
        with pytest.raises(NotFound):
            rows.read(A)
        with pytest.raises(Conflict):
            rows.write(Change(A, {"x": 2}, {"x": 1}))
        assert names(rows) == ["b"]

    def test_a_change_may_set_the_end(self, rows: Rows, clock: SteppedClock) -> None:
        rows.write(row(A))
        rows.write(Change(A, {"x": 1}, expires_at=clock.now() + timedelta(seconds=60)))
        rows.write(Change(A, {"x": 2}))
        clock.advance(59)
        assert rows.read(A)["x"] == 2
        clock.advance(1)
        assert names(rows) == []

    def test_an_ended_row_makes_room_for_another(self, rows: Rows, clock: SteppedClock) -> None:
        rows.write(Create(A, {"schema": 1, "old": True}, clock.now() + timedelta(seconds=60)))
        clock.advance(60)
        rows.write(row(A, by="second"), row(B))
        clock.advance(1000)
        assert rows.read(A) == {"schema": 1, "by": "second"}

    def test_names_come_in_the_order_of_their_bytes(self, rows: Rows) -> None:
        given = ["a", "B", "a#1", "a#10", "a#2", "ä", "z", "\U0001f5ff", "\uffff", "A"]
        rows.write(*(row(Place("shelf", name)) for name in given))
        assert names(rows) == sorted(given, key=str.encode)
        assert names(rows, newest_first=True) == sorted(given, key=str.encode, reverse=True)

    def test_a_list_can_be_narrowed(self, rows: Rows) -> None:
        given = ["a", "a#1", "a#2", "a#3", "a$", "b#1"]
        rows.write(*(row(Place("shelf", name), called=name) for name in given), row(C))
        assert names(rows, prefix="a#") == ["a#1", "a#2", "a#3"]
        assert names(rows, prefix="a#", after="a#1") == ["a#2", "a#3"]
        assert names(rows, prefix="a#", after="a#1", limit=1) == ["a#2"]
        assert names(rows, prefix="a#", after="a#3") == []
        assert names(rows, prefix="a#", after="z") == []
        assert names(rows, prefix="a#", after="A") == ["a#1", "a#2", "a#3"]
        assert names(rows, prefix="a#", newest_first=True, limit=2) == ["a#3", "a#2"]
        assert names(rows, after="a$") == ["b#1"]
        assert names(rows, limit=2) == ["a", "a#1"]
        assert names(rows, prefix="none") == names(rows, "no such shelf") == []
        assert rows.list("shelf", prefix="b") == [("b#1", {"schema": 1, "called": "b#1"})]

    def test_ended_rows_do_not_count_in_a_list(self, rows: Rows, clock: SteppedClock) -> None:
        ended = clock.now() + timedelta(seconds=1)
        rows.write(*(Create(Place("shelf", f"{n}"), {"schema": 1}, ended if n < 5 else None) for n in range(9)))
        clock.advance(2)
        assert names(rows, limit=3) == ["5", "6", "7"]
        assert names(rows, limit=3, newest_first=True) == ["8", "7", "6"]

    def test_a_list_may_be_longer_than_a_page(self, rows: Rows) -> None:
        """DynamoDB answers with a megabyte at a time."""
        for number in range(8):
            rows.write(row(Place("shelf", f"{number}"), value=f"{number}" * 300_000))
        assert names(rows) == [f"{number}" for number in range(8)]
        assert names(rows, after="1", limit=5) == ["2", "3", "4", "5", "6"]
        assert names(rows, newest_first=True, limit=5) == ["7", "6", "5", "4", "3"]

    def test_one_of_many_wins_each_round(self, rows: Rows, at_once: AtOnce) -> None:
        """Each wants the same slot for a row of its own, and notes it in a third."""
        rows.write(row(Place("round", "note"), winner=None))
        for number in range(5):
            slot = Place("slots", f"{number}")

            def take(runner: int, slot: Place = slot) -> None:
                own = Place("runners", f"{slot.name}-{runner}")
                insistently(rows, row(own), row(slot, by=runner), Change(Place("round", "note"), {"winner": runner}))

            outcomes = at_once(take)
            assert outcomes.count(None) == 1
            assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 15
            winner = outcomes.index(None)
            assert (rows.read(slot)["by"], rows.read(Place("round", "note"))["winner"]) == (winner, winner)
            assert names(rows, "runners", prefix=f"{number}-") == [f"{number}-{winner}"]

    def test_sums_are_kept(self, rows: Rows, at_once: AtOnce) -> None:
        accounts = [Place("accounts", f"{number}") for number in range(3)]
        rows.write(*(row(account, coins=100) for account in accounts))

        def move(runner: int) -> None:
            giver, taker = accounts[runner % 3], accounts[(runner + 1) % 3]
            for _attempt in range(1000):
                had, has = rows.read(giver)["coins"], rows.read(taker)["coins"]
                less, more = (
                    Change(giver, {"coins": had - 1}, {"coins": had}),
                    Change(taker, {"coins": has + 1}, {"coins": has}),
                )
                try:
                    return insistently(rows, less, more)
                except Conflict:
                    continue
            raise AssertionError("never got through")

        assert at_once(move) == [None] * 16
        coins = [rows.read(account)["coins"] for account in accounts]
        assert coins == [100 - 6 + 5, 100 - 5 + 6, 100 - 5 + 5]


def insistently(rows: Rows, *step: Write) -> None:
    """Unavailable means that others were at the same rows for long, and is no answer."""
    for _attempt in range(100):
        try:
            return rows.write(*step)
        except Unavailable:
            continue
    raise AssertionError("the rows were never free")


class TestMemoryRows(RowsContract):
    @pytest.fixture
    def rows(self, clock: SteppedClock) -> Rows:
        return MemoryRows(clock)

    def test_a_record_does_not_grow_beyond_the_limit(self) -> None:
        rows = MemoryRows()
        rows.write(row(A, value="x" * 300_000))
        with pytest.raises(TooLarge):
            rows.write(Change(A, {"more": "x" * 300_000}))

    def test_nobody_shares_what_is_stored(self) -> None:
        rows, shared = MemoryRows(), [1]
        rows.write(row(A, list=shared))
        shared.append(2)
        rows.read(A)["list"].append(3)
        rows.list("shelf")[0][1]["list"].append(4)
        assert rows.read(A)["list"] == [1]


class TestDynamoRowsOnMoto(RowsContract):
    @pytest.fixture
    def rows(self, moto_table: str, clock: SteppedClock) -> Rows:
        return DynamoRows(moto_table, clock)

    def test_the_tables_own_expiry_is_whole_seconds_and_never_early(
        self, rows: Rows, moto_table: str, clock: SteppedClock
    ) -> None:
        clock.advance(0.4)
        rows.write(Create(A, {"schema": 1}, clock.now() + timedelta(seconds=60)))
        item = client("dynamodb").get_item(TableName=moto_table, Key={"pk": {"S": "shelf"}, "sk": {"S": "a"}})["Item"]
        assert int(item["expires_at"]["N"]) == int(clock.now().timestamp()) + 61

    def test_a_transaction_in_the_way_soon_passes(self, moto_table: str, clock: SteppedClock) -> None:
        busy = Refuses(client("dynamodb"), BUSY, times=2)
        DynamoRows(moto_table, clock, connect=lambda: cast(Any, busy)).write(row(A))
        assert DynamoRows(moto_table, clock).read(A) == {"schema": 1}

    def test_a_transaction_that_stays_in_the_way_is_unavailable(self, moto_table: str, clock: SteppedClock) -> None:
        busy = Refuses(client("dynamodb"), BUSY, times=100)
        with pytest.raises(Unavailable):
            DynamoRows(moto_table, clock, connect=lambda: cast(Any, busy)).write(row(A))

    def test_a_record_that_grew_beyond_dynamodbs_limit_is_too_large(self, moto_table: str, clock: SteppedClock) -> None:
        """As DynamoDB says it; moto does not look."""
        full = Refuses(client("dynamodb"), GROWN, times=1)
        with pytest.raises(TooLarge):
            DynamoRows(moto_table, clock, connect=lambda: cast(Any, full)).write(row(A))

    def test_a_table_that_is_not_there_is_somebodys_mistake(self, moto: None) -> None:
        with pytest.raises(Misconfigured):
            DynamoRows("no-such-table").read(A)
        with pytest.raises(Misconfigured):
            DynamoRows("no-such-table").write(row(A))


BUSY = {"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"}
GROWN = {"Code": "ValidationError", "Message": "Item size to update has exceeded the maximum allowed size"}


class Refuses:
    """DynamoDB that cancels `times` transactions for `reason`."""

    def __init__(self, dynamodb: Any, reason: dict[str, str], times: int) -> None:
        self._dynamodb, self._reason, self._times = dynamodb, reason, times
        self.exceptions = dynamodb.exceptions

    def transact_write_items(self, **request: Any) -> Any:
        self._times -= 1
        if self._times < 0:
            return self._dynamodb.transact_write_items(**request)
        answer: Any = {
            "Error": {"Code": "TransactionCanceledException", "Message": "Transaction cancelled"},
            "CancellationReasons": [{"Code": "None"}, self._reason],
        }
        raise self.exceptions.TransactionCanceledException(answer, "TransactWriteItems")


@pytest.mark.enable_socket
class TestDynamoRowsOnCloud(RowsContract):
    @pytest.fixture
    def rows(self, cloud_table: str, clock: SteppedClock) -> Rows:
        return DynamoRows(cloud_table, clock)
