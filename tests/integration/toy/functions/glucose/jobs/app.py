"""SQS -> one item a message; messages that say so fail alone."""

import os
from typing import Any

import boto3

table = boto3.resource("dynamodb").Table(os.environ["TABLE"])


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    failed: list[dict[str, str]] = []
    for record in event["Records"]:
        table.update_item(
            Key={"pk": "toy#jobs", "sk": record["body"]},
            UpdateExpression="ADD seen :one",
            ExpressionAttributeValues={":one": 1},
        )
        if record["body"].startswith("bad"):
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}
