"""A CloudFormation resource type from a function that makes it and, where it has a name, one that removes it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from localstack.services.cloudformation.resource_provider import (
    CloudFormationResourceProviderPlugin,
    OperationStatus,
    ProgressEvent,
    ResourceProvider,
)

Properties = dict[str, Any]


@dataclass(frozen=True)
class Wanted:
    """What a template asks for; `name` is what CloudFormation would call it where the template does not."""

    properties: Properties
    name: str
    clients: Any

    def only(self, *known: str) -> Properties:
        """The given properties among those that the API call knows by the same name."""
        return {key: self.properties[key] for key in known if key in self.properties}


Make = Callable[[Wanted], Properties]
Remove = Callable[[Wanted], object]


def resource(
    kind: str, identifier: str, remove: Remove | None = None, renew: bool = False, change: Make | None = None
) -> Callable[[Make], Any]:
    """`identifier` names the property that Ref gives; an update calls `change`, or makes anew where `renew` says so."""

    def decorate(make: Make) -> Any:
        provider = type(make.__name__, (ByFunction,), {
            "TYPE": kind, "SCHEMA": schema(kind, identifier),
            "make": staticmethod(make), "remove": staticmethod(remove or nothing),
            "change": staticmethod(change or (make if renew else keep)),
        })  # fmt: skip
        return plugin(kind, provider)

    return decorate


def nothing(wanted: Wanted) -> None:
    """There is no call that removes it, and nothing that its name would stand in the way of."""


def keep(wanted: Wanted) -> Properties:
    """What a template changes of it makes no difference here."""
    return {}


class ByFunction(ResourceProvider):
    make: Make
    remove: Remove
    change: Make

    def create(self, request: Any) -> Any:
        model = request.desired_state
        model.update(self.make(wanted(request, model)))
        return done(model)

    def update(self, request: Any) -> Any:
        before = request.previous_state or {}
        model = {**before, **request.desired_state}
        if model != before:  # LocalStack updates what refers to lists and to what may change, too
            model.update(self.change(wanted(request, model)))
        return done(model)

    def delete(self, request: Any) -> Any:
        model = request.desired_state or {}
        self.remove(wanted(request, model))
        return done(model)


def wanted(request: Any, model: Properties) -> Wanted:
    return Wanted(model, f"{request.stack_name}-{request.logical_resource_id}", request.aws_client_factory)


def done(model: Properties) -> Any:
    return ProgressEvent(status=OperationStatus.SUCCESS, resource_model=model)


def schema(kind: str, identifier: str) -> Properties:
    return {
        "typeName": kind,
        "properties": {},
        "primaryIdentifier": [f"/properties/{identifier}"],
        "readOnlyProperties": [f"/properties/{identifier}"],
        "createOnlyProperties": [],
    }


def plugin(kind: str, provider: type[ResourceProvider]) -> type[CloudFormationResourceProviderPlugin]:
    class ProviderPlugin(CloudFormationResourceProviderPlugin):
        name = kind
        factory: type[ResourceProvider] | None = None

        def load(self) -> None:
            self.factory = provider

    return ProviderPlugin
