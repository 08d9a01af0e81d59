"""AWS services that the open core answers with 501, served by the moto that it ships: control planes only.

ECS's tasks and services alone are more than that: `ecs` has operations of its own.
"""

import threading
from collections.abc import Callable
from typing import Any

from localstack.aws.api import RequestContext
from localstack.aws.skeleton import Skeleton
from localstack.aws.spec import load_service
from localstack.services.moto import call_moto
from localstack.services.plugins import Service, aws_provider

Handler = Callable[[RequestContext, Any], Any]
Handlers = Callable[[], dict[str, Handler]]


def by_moto(context: RequestContext, request: Any) -> Any:
    return call_moto(context)


def one_at_a_time(handler: Handler) -> Handler:
    """moto checks a condition and writes in two steps; under threads several writers would win."""
    lock = threading.Lock()

    def serialised(context: RequestContext, request: Any) -> Any:
        with lock:
            return handler(context, request)

    return serialised


def service(api: str, name: str = "default", handler: Handler = by_moto, own: Handlers = dict) -> Any:
    def create() -> Service:
        model = load_service(api)
        return Service(name=api, skeleton=Skeleton(model, {**dict.fromkeys(model.operation_names, handler), **own()}))

    create.__name__ = api.replace("-", "_")
    return aws_provider(api=api, name=name)(create)


def tasks_and_services() -> dict[str, Handler]:
    from quintet_localstack.ecs.api import OPERATIONS

    return OPERATIONS


dynamodb = service("dynamodb", "moto", one_at_a_time(by_moto))
application_autoscaling = service("application-autoscaling")
ecr = service("ecr")
ecs = service("ecs", own=tasks_and_services)
elasticache = service("elasticache")
elbv2 = service("elbv2")
mq = service("mq")
servicediscovery = service("servicediscovery")
