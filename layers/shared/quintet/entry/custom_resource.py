"""The door of CloudFormation: a custom resource is made, changed or removed, and CloudFormation hears of it always.

    @on_custom_resource(Garden)
    def handler(garden):
        plant(garden)

What `handler` makes must be safe to make again. On removal it is not asked: what it made stays.
"""

import json
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel

from quintet.kernel.errors import QuintetError, Unavailable
from quintet.kernel.log import logger

REASON_LIMIT = 400
"""Characters; CloudFormation takes 4 KiB in all."""

ATTEMPTS = 3

Wanted = TypeVar("Wanted", bound=BaseModel)
Event = dict[str, Any]


def on_custom_resource(
    properties: type[Wanted],
) -> Callable[[Callable[[Wanted], object]], Callable[[Event, Any], None]]:
    """Turn `make(wanted)` into a Lambda handler of CloudFormation's requests."""

    def decorate(make: Callable[[Wanted], object]) -> Callable[[Event, Any], None]:
        def handler(event: Event, context: Any) -> None:
            reason = ""
            try:
                if event["RequestType"] != "Delete":
                    make(properties.model_validate(event["ResourceProperties"]))
            except Exception as error:
                details = error.details if isinstance(error, QuintetError) else {}
                logger("custom-resource").exception("could not be made", extra={"details": details})
                reason = f"{type(error).__name__}: {error} {details or ''}".strip()[:REASON_LIMIT]
            tell(event, reason)

        return handler

    return decorate


def tell(event: Event, reason: str) -> None:
    """Answer CloudFormation, which waits an hour for it; an empty reason means success. Raises Unavailable."""
    import urllib3

    answer = {
        "Status": "FAILED" if reason else "SUCCESS",
        "Reason": reason or "done",
        "PhysicalResourceId": event.get("PhysicalResourceId") or f"{event['StackId']}/{event['LogicalResourceId']}",
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
    }
    retries = urllib3.Retry(ATTEMPTS, backoff_factor=0.5, status_forcelist={500, 502, 503, 504})
    with urllib3.PoolManager(retries=retries) as http:
        told = http.request(
            "PUT", event["ResponseURL"], body=json.dumps(answer).encode(), headers={"content-type": ""}, timeout=10
        )
    if told.status >= 300:  # Lambda then asks this function again
        raise Unavailable("CloudFormation did not take the answer", status=told.status)
