"""Rows in the one DynamoDB table: a step is a transaction. Items have the form that dynamodb.py describes."""

import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from quintet.adapters.aws import client, translated
from quintet.adapters.dynamodb import FREE, STANDS, as_texts, changing, check_size, from_fields, to_fields, typed
from quintet.kernel.clock import Clock, SystemClock
from quintet.kernel.errors import Conflict, NotFound, QuintetError, TooLarge, Unavailable
from quintet.kernel.rows import Change, Create, Place, Write, check

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_PART = "the state table"
_PAUSES = (0.02, 0.05, 0.1, 0.2)
"""Seconds between attempts while another transaction is at the same rows."""


@dataclass(frozen=True)
class DynamoRows:
    table: str
    clock: Clock = field(default_factory=SystemClock)
    connect: "Callable[[], DynamoDBClient]" = lambda: client("dynamodb")

    def write(self, *step: Write) -> None:
        check(step)
        now = {":now": {"N": str(math.floor(self.clock.now().timestamp()))}}
        items = [_item(one, self.table, now) for one in step]
        refused = self._refusal(items)
        for pause in _PAUSES:
            if not isinstance(refused, Unavailable):
                break
            time.sleep(pause * random.uniform(0.5, 1.5))
            refused = self._refusal(items)
        if refused is not None:
            raise refused

    def _refusal(self, items: list[Any]) -> QuintetError | None:
        """Why `items` were not written, or None. Another transaction's being at one of the rows soon passes."""
        dynamodb = self.connect()
        try:
            with translated(_PART):
                dynamodb.transact_write_items(TransactItems=items)
        except dynamodb.exceptions.TransactionCanceledException as error:
            return _refused(error.response)
        return None

    def read(self, place: Place) -> dict[str, Any]:
        with translated(_PART):
            answer = self.connect().get_item(TableName=self.table, Key=_key(place), ConsistentRead=True)
        item = answer.get("Item")
        if item is None or self._is_over(item):
            raise NotFound("there is no such record", place=place)
        return _fields(item)

    def list(
        self, partition: str, *, prefix: str = "", after: str = "", limit: int = 1000, newest_first: bool = False
    ) -> list[tuple[str, dict[str, Any]]]:
        first = max(prefix or "\0", f"{after}\0" if after else "")
        request: dict[str, Any] = {
            "TableName": self.table,
            "KeyConditionExpression": "#pk = :pk AND #sk BETWEEN :first AND :last",
            "ExpressionAttributeNames": {"#pk": "pk", "#sk": "sk"},
            "ExpressionAttributeValues": {
                ":pk": {"S": partition},
                ":first": {"S": first},
                ":last": {"S": f"{prefix}\U0010ffff"},
            },
            "ConsistentRead": True,
            "ScanIndexForward": not newest_first,
            "Limit": limit,
        }
        found: list[tuple[str, dict[str, Any]]] = []
        while first <= f"{prefix}\U0010ffff":  # DynamoDB refuses a range that ends before it begins
            with translated(_PART):
                page = self.connect().query(**request)
            found += [(item["sk"]["S"], _fields(item)) for item in page["Items"] if not self._is_over(item)]
            if len(found) >= limit or "LastEvaluatedKey" not in page:
                break
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]
        return found[:limit]

    def _is_over(self, item: Mapping[str, Any]) -> bool:
        return "expires_at" in item and int(item["expires_at"]["N"]) <= self.clock.now().timestamp()


def _item(one: Write, table: str, now: dict[str, Any]) -> Any:
    if isinstance(one, Create):
        return {"Put": _put(one, table, now)}
    if isinstance(one, Change):
        sets_something = one.changes or one.expires_at
        return {"Update": _update(one, table, now)} if sets_something else {"ConditionCheck": _demand(one, table, now)}
    return {"Delete": {"TableName": table, "Key": _key(one.place)}}


def _put(one: Create, table: str, now: dict[str, Any]) -> dict[str, Any]:
    item = {**_key(one.place), "fields": {"M": typed(to_fields(one.record))}, **_end(one.expires_at)}
    return {
        "TableName": table,
        "Item": item,
        "ConditionExpression": FREE,
        "ExpressionAttributeNames": {"#pk": "pk", "#until": "expires_at"},
        "ExpressionAttributeValues": now,
    }


def _update(one: Change, table: str, now: dict[str, Any]) -> dict[str, Any]:
    check_size(as_texts(one.changes))
    settings = changing(one.changes, one.expect)[0]
    demand = _demand(one, table, now)
    if one.expires_at:
        settings.append("#until = :until")
        demand["ExpressionAttributeValues"][":until"] = _end(one.expires_at)["expires_at"]
    return {**demand, "UpdateExpression": f"SET {', '.join(settings)}"}


def _demand(one: Change, table: str, now: dict[str, Any]) -> dict[str, Any]:
    _, conditions, names, values = changing(one.changes, one.expect)
    return {
        "TableName": table,
        "Key": _key(one.place),
        "ConditionExpression": " AND ".join([STANDS, *conditions]),
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": now | values,
    }


def _refused(response: Mapping[str, Any]) -> QuintetError:
    reasons = response.get("CancellationReasons", [])
    codes = {reason.get("Code", "None") for reason in reasons} - {"None"}
    if "ConditionalCheckFailed" in codes:
        return Conflict("the records have changed meanwhile", codes=sorted(codes))
    if any("size" in reason.get("Message", "") and "exceeded" in reason["Message"] for reason in reasons):
        return TooLarge("the record would be too large")
    return Unavailable("the state table is busy", codes=sorted(codes))


def _key(place: Place) -> dict[str, Any]:
    return {"pk": {"S": place.partition}, "sk": {"S": place.name}}


def _end(moment: datetime | None) -> dict[str, Any]:
    return {"expires_at": {"N": str(math.ceil(moment.timestamp()))}} if moment else {}


def _fields(item: Mapping[str, Any]) -> dict[str, Any]:
    return from_fields({name: value["S"] for name, value in item["fields"]["M"].items()})
