"""LocalStack's own hooks for event sources that its open core lacks, and a correction where there is none."""

from collections.abc import Callable
from typing import Any

from localstack.aws.api.lambda_ import InvalidParameterValueException, ResourceConflictException
from localstack.runtime import hooks
from localstack.services.lambda_ import hooks as lambda_hooks
from localstack.services.lambda_.invocation.models import lambda_stores
from localstack.utils.aws.arns import parse_arn

from quintet_localstack.mq.poller import RabbitMqPoller, access

Mapping = dict[str, Any]
Validate = Callable[..., Any]


@lambda_hooks.set_event_source_config_defaults()
def set_defaults(defaults: Mapping, request: Mapping, service: str) -> None:
    if service == "mq":
        defaults.update(BatchSize=100, LastProcessingResult="No records processed")


@lambda_hooks.create_event_source_poller()
def create_poller(holder: Any, service: str, mapping: Mapping) -> None:
    def poller(arn: str, client: Any, processor: Any) -> RabbitMqPoller:
        return RabbitMqPoller(mapping, client, processor)

    if service == "mq":
        holder.create_poller_fn = poller


@hooks.on_infra_start()
def admit_queues() -> None:
    """LocalStack takes one mapping a function and broker; of a RabbitMQ, each queue has one of its own."""
    from localstack.services.lambda_.provider import LambdaProvider

    LambdaProvider.validate_event_source_mapping = by_queue(LambdaProvider.validate_event_source_mapping)


def by_queue(validate: Validate) -> Validate:
    def validated(self: Any, context: Any, request: Mapping) -> Any:
        arn = request.get("EventSourceArn") or ""
        if not arn.startswith("arn:") or parse_arn(arn)["service"] != "mq":
            return validate(self, context, request)
        queue = required_queue(request)
        seen = validate(self, context, {**request, "EventSourceArn": f"{arn}:{queue}"})
        if context.operation.name == "CreateEventSourceMapping":
            refuse_twice(seen[0], arn, queue)
        return seen

    return validated


def required_queue(request: Mapping) -> str:
    queues = request.get("Queues") or []
    if len(queues) != 1:
        raise InvalidParameterValueException("Exactly one queue must be given.", Type="User")
    try:
        access(request, "BASIC_AUTH")
    except KeyError:
        raise InvalidParameterValueException("BASIC_AUTH credentials must be given.", Type="User") from None
    return str(queues[0])


def refuse_twice(function: str, broker: str, queue: str) -> None:
    place = parse_arn(function)
    for mapping in lambda_stores[place["account"]][place["region"]].event_source_mappings.values():
        known = (mapping["FunctionArn"], mapping.get("EventSourceArn"), mapping.get("Queues"))
        if known == (function, broker, [queue]):
            raise ResourceConflictException(
                f'An event source mapping with event source arn (" {broker} "), function (" {function} ") and queue '
                f'(" {queue} ") already exists. Please update or delete the existing mapping with UUID '
                f"{mapping['UUID']}",
                Type="User",
            )
