"""`ECS Task State Change`, as EventBridge's rules see it."""

import json
import logging
from contextlib import suppress
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from quintet_localstack.ecs.task import Task

# It logs every event that no rule asks for, whole.
logging.getLogger("localstack.services.events.provider").setLevel(logging.WARNING)


def put_state_change(task: Task) -> None:
    """LocalStack on its way out takes no events any more: nobody is there to get them."""
    entry = {
        "Source": "aws.ecs",
        "DetailType": "ECS Task State Change",
        "Resources": [task.arn],
        "Detail": json.dumps(detail(task)),
    }
    with suppress(BotoCoreError, ClientError):
        task.clients.events.put_events(Entries=[entry])


def detail(task: Task) -> dict[str, Any]:
    shown = {**task.described(), "updatedAt": max(task.times.values())}
    shown.pop("tags", None)
    return {key: moment(value) if isinstance(value, datetime) else value for key, value in shown.items()}


def moment(value: datetime) -> str:
    """
    >>> moment(datetime(2026, 11, 21, 9, 30, 1, 250_000))
    '2026-11-21T09:30:01.250Z'
    """
    return f"{value:%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03d}Z"
