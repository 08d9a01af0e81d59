"""HTTP -> what the function saw -> HTTP; some paths misbehave on purpose."""

import base64
import hashlib
import json
import os
import sys
import time
from typing import Any

import toy_layer  # type: ignore[import-not-found]


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    body = event["body"] or ""
    raw = base64.b64decode(body) if event["isBase64Encoded"] else body.encode()
    path = event["path"]
    if path == "/crash":
        os._exit(3)
    if path == "/slow":
        time.sleep(60)
    if path == "/raise":
        raise ValueError("on purpose")
    if path == "/picture":
        return {
            "statusCode": 200,
            "headers": {"Content-Type": "image/png"},
            "body": base64.b64encode(bytes(range(256))).decode(),
            "isBase64Encoded": True,
        }
    print("saw", path)  # noqa: T201 - for the log
    seen = {
        "method": event["httpMethod"],
        "path": path,
        "query": event["multiValueQueryStringParameters"],
        "headers": event["multiValueHeaders"],
        "length": len(raw),
        "sha256": hashlib.sha256(raw).hexdigest(),
        "base64": event["isBase64Encoded"],
        "layer": toy_layer.WORD,
        "pid": os.getpid(),
        "parent": os.getppid(),
        "task": os.environ["LAMBDA_TASK_ROOT"],
        "tmp": os.environ["TMPDIR"],
        "path_first": sys.path[0],
        "remaining": context.get_remaining_time_in_millis(),
        "key": os.environ["AWS_ACCESS_KEY_ID"],
    }
    return {
        "statusCode": int((event["queryStringParameters"] or {}).get("status", 200)),
        "multiValueHeaders": {"Content-Type": ["application/json"], "X-Many": ["one", "two"]},
        "body": json.dumps(seen),
    }
