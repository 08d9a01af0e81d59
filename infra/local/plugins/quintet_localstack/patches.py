"""Corrections of LocalStack 4.9.2 that no plugin interface offers; the lock holds that version."""

import tempfile
from collections.abc import Callable
from functools import partialmethod
from io import BytesIO
from pathlib import Path
from typing import Any

from localstack.runtime import hooks
from localstack.services.cloudformation.resource_provider import ResourceProviderExecutor
from localstack.utils.json import parse_json_or_yaml

PAUSE = 0.1  # seconds
API_CALL = "/_aws/execute-api/"
GATEWAY_RESPONSES = "x-amazon-apigateway-gateway-responses"

Import = Callable[..., Any]
Visit = Callable[..., Any]


@hooks.on_infra_start()
def look_often() -> None:
    """LocalStack looks after a nested stack every five seconds; most take one."""
    ResourceProviderExecutor.deploy_loop = partialmethod(ResourceProviderExecutor.deploy_loop, sleep_time=PAUSE)


@hooks.on_infra_start()
def pass_over_the_absent() -> None:
    """LocalStack looks into resources and outputs whose condition is false, and fails where they name each other."""
    from localstack.services.cloudformation.engine.v2.change_set_model_preproc import ChangeSetModelPreproc

    for name in ("visit_node_resource", "visit_node_output"):
        setattr(ChangeSetModelPreproc, name, present(getattr(ChangeSetModelPreproc, name)))


def present(visit: Visit) -> Visit:
    from localstack.services.cloudformation.engine.v2.change_set_model import Nothing, is_nothing
    from localstack.services.cloudformation.engine.v2.change_set_model_preproc import PreprocEntityDelta

    def visited(self: Any, *by_place: Any, **by_name: Any) -> Any:
        node = next(iter((*by_place, *by_name.values())))
        if not is_nothing(node.condition_reference):
            condition = self._resolve_resource_condition_reference(node.condition_reference)
            if condition.before is not True and condition.after is not True:
                return PreprocEntityDelta(before=Nothing, after=Nothing)
        return visit(self, *by_place, **by_name)

    return visited


@hooks.on_infra_start()
def keep_gateway_responses() -> None:
    """LocalStack's import of an OpenAPI definition drops the responses that SAM writes into it."""
    from localstack.services.apigateway.legacy import provider

    provider.import_api_from_openapi_spec = keeping(provider.import_api_from_openapi_spec)


def keeping(import_api: Import) -> Import:
    from localstack.services.apigateway.models import apigateway_stores

    def imported(rest_api: Any, context: Any, request: dict[str, Any]) -> Any:
        body = request["body"].read()
        done = import_api(rest_api, context=context, request={**request, "body": BytesIO(body)})
        store = apigateway_stores[context.account_id][context.region]
        responses = (parse_json_or_yaml(body.decode()) or {}).get(GATEWAY_RESPONSES, {})
        store.rest_apis[request["restApiId"]].gateway_responses.update(
            {kind: gateway_response(kind, value) for kind, value in responses.items()}
        )
        return done

    return imported


def gateway_response(kind: str, value: dict[str, Any]) -> dict[str, Any]:
    return {
        "responseType": kind,
        "statusCode": str(value.get("statusCode", "")) or None,
        "responseParameters": value.get("responseParameters", {}),
        "responseTemplates": value.get("responseTemplates", {}),
        "defaultResponse": False,
    }


@hooks.on_infra_start()
def keep_forms_as_sent() -> None:
    """LocalStack reads a form to guess the service and hands on what it would write itself: without empty files, and
    for one way to write the boundary only. Our functions get the bytes that were sent.
    """
    from localstack.aws.handlers.service import ServiceNameParser
    from localstack.services.apigateway.next_gen.execute_api.handlers import parse

    guess = ServiceNameParser.__call__

    def guess_where_needed(self: Any, chain: Any, context: Any, response: Any) -> Any:
        if context.request.path.startswith(API_CALL):
            return None  # no guess is needed, and none fails for what is in the form
        return guess(self, chain, context, response)

    ServiceNameParser.__call__ = guess_where_needed
    parse.restore_payload = lambda request: request.get_data()


@hooks.on_infra_start()
def take_all_as_binary() -> None:
    """LocalStack passes over an API's binary media type `*/*`, by which AWS takes everything as binary."""
    from localstack.services.apigateway.next_gen.execute_api.handlers import integration_request, integration_response
    from localstack.services.apigateway.next_gen.execute_api.helpers import mime_type_matches_binary_media_types
    from localstack.services.apigateway.next_gen.execute_api.integrations import aws

    def matches(mime_type: str | None, binary_media_types: list[str]) -> bool:
        return "*/*" in binary_media_types or mime_type_matches_binary_media_types(mime_type, binary_media_types)

    for module in (integration_request, integration_response, aws):
        module.mime_type_matches_binary_media_types = matches


@hooks.on_infra_start()
def keep_objects_to_ourselves() -> None:
    """LocalStack keeps the objects of every instance in one folder of the system's, and leaves it there."""
    from localstack.services.s3.storage.ephemeral import EphemeralS3ObjectStore

    make = EphemeralS3ObjectStore.__init__

    def in_our_folder(self: Any, root_directory: str | None = None) -> None:
        make(self, str(Path(tempfile.gettempdir()) / "s3"))

    EphemeralS3ObjectStore.__init__ = in_our_folder
