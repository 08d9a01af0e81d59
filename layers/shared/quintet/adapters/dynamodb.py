"""Records in the one DynamoDB table.

An item is `pk` (the record's key), `sk` ("record"), `fields` (a map: name → JSON text), `write` (the token of the
last write) and, where it ends, `expires_at` (epoch seconds, the table's TTL attribute). Values are kept as JSON text
because a DynamoDB number is neither a float nor an int: what is read equals what was written, type and all, and an
expected value is compared as the same text (1, 1.0 and true are three values).
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from quintet.adapters.aws import client, translated
from quintet.kernel.clock import Clock, SystemClock
from quintet.kernel.errors import Conflict, NotFound, TooLarge
from quintet.kernel.ids import new_id

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer
    from mypy_boto3_dynamodb import DynamoDBClient

RECORD_LIMIT = 350_000
"""Bytes of names and JSON text: an item's 400 KB, less its own attributes and DynamoDB's overhead."""

_JSON = json.JSONEncoder(allow_nan=False, sort_keys=True, separators=(",", ":"))
_PART = "the state table"
_NAMES = {"#pk": "pk", "#until": "expires_at"}
STANDS = "attribute_exists(#pk) AND (attribute_not_exists(#until) OR #until > :now)"
FREE = "attribute_not_exists(#pk) OR #until <= :now"


@dataclass(frozen=True)
class DynamoRecords:
    table: str
    clock: Clock = field(default_factory=SystemClock)
    connect: "Callable[[], DynamoDBClient]" = lambda: client("dynamodb")

    def create(self, key: str, record: Mapping[str, Any], *, seconds: int | None = None) -> None:
        token = new_id()
        item: dict[str, Any] = {
            **_place(key),
            "fields": {"M": typed(to_fields(record))},
            "write": {"S": token},
        }
        if seconds is not None:
            item["expires_at"] = {"N": str(math.ceil(self.clock.now().timestamp() + seconds))}
        standing = self._write("put_item", token, Item=item, ConditionExpression=FREE, names=_NAMES, values={})
        if standing is not None:
            raise Conflict("there is such a record already", key=key)

    def read(self, key: str) -> dict[str, Any]:
        with translated(_PART):
            answer = self.connect().get_item(TableName=self.table, Key=_place(key), ConsistentRead=True)
        item = answer.get("Item")
        if item is None or self._is_over(item):
            raise NotFound("there is no such record", key=key)
        return from_fields({name: value["S"] for name, value in item["fields"]["M"].items()})

    def update(self, key: str, changes: Mapping[str, Any], *, expect: Mapping[str, Any]) -> None:
        token = new_id()
        standing = self._write("update_item", token, Key=_place(key), **_change(changes, expect, token))
        if standing is not None and (not standing or self._is_over(standing)):
            raise NotFound("there is no such record", key=key)
        if standing is not None:
            raise Conflict("the record has changed meanwhile", key=key, expected=sorted(expect))

    def delete(self, key: str) -> None:
        with translated(_PART):
            self.connect().delete_item(TableName=self.table, Key=_place(key))

    def _write(
        self, operation: str, token: str, *, names: dict[str, str], values: dict[str, Any], **request: Any
    ) -> Mapping[str, Any] | None:
        """None when written, else the item that stood in the way (empty: there was none).

        A write whose answer was lost is sent again by boto3 and then meets itself: its token tells.
        """
        dynamodb = self.connect()
        now = {":now": {"N": str(math.floor(self.clock.now().timestamp()))}}
        try:
            with translated(_PART):
                getattr(dynamodb, operation)(
                    TableName=self.table,
                    ExpressionAttributeNames=names,
                    ExpressionAttributeValues=now | values,
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                    **request,
                )
        except dynamodb.exceptions.ConditionalCheckFailedException as error:
            standing: Mapping[str, Any] = error.response.get("Item", {})  # type: ignore[assignment]
            return None if standing.get("write") == {"S": token} else standing
        except dynamodb.exceptions.ClientError as error:
            if "size" in str(error) and "exceeded" in str(error):
                raise TooLarge("the record would be too large") from error
            raise
        return None

    def _is_over(self, item: Mapping[str, Any]) -> bool:
        return "expires_at" in item and int(item["expires_at"]["N"]) <= self.clock.now().timestamp()


def done_messages(table: str, room: str) -> "DynamoDBPersistenceLayer":
    """Powertools' memory of the messages that `room` has done, in the same table."""
    from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer

    return DynamoDBPersistenceLayer(
        table_name=table,
        key_attr="pk",
        sort_key_attr="sk",
        static_pk_value=f"{room}#idempotency",
        expiry_attr="expires_at",
        boto3_client=client("dynamodb"),
    )


def to_fields(record: Mapping[str, Any]) -> dict[str, str]:
    """A whole record as JSON texts. Raises ValueError without `schema` or for what JSON can't say, and TooLarge.

    >>> to_fields({"schema": 1, "share": 0.1, "note": None})
    {'schema': '1', 'share': '0.1', 'note': 'null'}
    """
    if "schema" not in record:
        raise ValueError("a stored record carries `schema`, the version of its shape")
    fields = as_texts(record)
    check_size(fields)
    return fields


def check_size(fields: Mapping[str, str]) -> None:
    """Raises TooLarge."""
    if sum(len(name.encode()) + len(text) for name, text in fields.items()) > RECORD_LIMIT:
        raise TooLarge("the record would be too large", limit=RECORD_LIMIT)


def from_fields(fields: Mapping[str, str]) -> dict[str, Any]:
    return {name: json.loads(text) for name, text in fields.items()}


def as_texts(values: Mapping[str, Any]) -> dict[str, str]:
    """One text a value, so that equal values have equal texts."""
    return {name: _text(value) for name, value in values.items()}


def _text(value: Any) -> str:
    return _JSON.encode(value)


def _place(key: str) -> dict[str, Any]:
    return {"pk": {"S": key}, "sk": {"S": "record"}}


def typed(fields: Mapping[str, str]) -> dict[str, Any]:
    return {name: {"S": text} for name, text in fields.items()}


def _change(changes: Mapping[str, Any], expect: Mapping[str, Any], token: str) -> dict[str, Any]:
    settings, conditions, names, values = changing(changes, expect)
    return {
        "UpdateExpression": f"SET {', '.join(['#write = :write', *settings])}",
        "ConditionExpression": " AND ".join([STANDS, *conditions]),
        "names": names | {"#write": "write"},
        "values": values | {":write": {"S": token}},
    }


def changing(
    changes: Mapping[str, Any], expect: Mapping[str, Any]
) -> tuple[list[str], list[str], dict[str, str], dict[str, Any]]:
    """What is set and what is demanded, with names and values: placeholders, since a field may be called anything."""
    changed, expected = _numbered("c", as_texts(changes)), _numbered("e", as_texts(expect))
    both = changed | expected
    names = _NAMES | ({"#fields": "fields"} if both else {}) | {f"#{n}": name for n, (name, _) in both.items()}
    values = {f":{n}": {"S": text} for n, (_, text) in both.items()}
    settings = [f"#fields.#{c} = :{c}" for c in changed]
    return settings, [_equals(e, text) for e, (_, text) in expected.items()], names, values


def _numbered(letter: str, texts: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    return {f"{letter}{i}": item for i, item in enumerate(texts.items())}


def _equals(placeholder: str, text: str) -> str:
    """A field that is absent is null."""
    same = f"#fields.#{placeholder} = :{placeholder}"
    return f"(attribute_not_exists(#fields.#{placeholder}) OR {same})" if text == "null" else same
