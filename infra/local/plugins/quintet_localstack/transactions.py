"""DynamoDB's transactions in moto, at the cost of what they touch: moto copies all tables for each of them."""

import copy
from collections.abc import Callable
from typing import Any

from localstack.runtime import hooks

Transact = Callable[[Any, list[dict[str, Any]]], None]
Undo = Callable[[], None]


@hooks.on_infra_start()
def copy_what_is_touched() -> None:
    from moto.dynamodb import models

    models.copy = Copying(models.Table)
    backend = models.DynamoDBBackend
    backend.transact_write_items = undoing(backend.transact_write_items)


class Copying:
    """What moto's module takes for `copy`: the collection of tables is given as it is."""

    def __init__(self, table: type) -> None:
        self._table = table

    def deepcopy(self, value: Any) -> Any:
        if isinstance(value, dict) and all(isinstance(one, self._table) for one in value.values()):
            return value
        return copy.deepcopy(value)


def undoing(transact: Transact) -> Transact:
    """`transact`, whose failure leaves every item that it names as it was."""

    def all_or_nothing(backend: Any, items: list[dict[str, Any]]) -> None:
        undo = [remembered(backend, request) for item in items for request in item.values()]
        try:
            transact(backend, items)
        except Exception:
            for step in undo:
                step()
            raise

    return all_or_nothing


def remembered(backend: Any, request: dict[str, Any]) -> Undo:
    """Puts the item that `request` names back as it is now."""
    from moto.dynamodb.models import DynamoType

    table = backend.get_table(request["TableName"])
    named = request.get("Key") or request.get("Item", {})
    first, second = (DynamoType(named[name]) if name in named else None for name in names(table))
    if first is None:
        return lambda: None  # moto refuses it
    before = copy.deepcopy(table.get_item(first, second)) if second or not table.has_range_key else None

    def undo() -> None:
        shelf, name = (table.items[first], second) if table.has_range_key else (table.items, first)
        if before is None:
            shelf.pop(name, None)
        else:
            shelf[name] = before

    return undo


def names(table: Any) -> tuple[str, str]:
    return table.hash_key_attr, table.range_key_attr or ""
