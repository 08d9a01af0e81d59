"""Custom resources: the function behind ServiceToken is asked as CloudFormation asks it, and answers by a URL of S3."""

import json
from typing import Any
from uuid import uuid4

from botocore.exceptions import ClientError
from localstack.services.cloudformation.resource_provider import OperationStatus, ProgressEvent, ResourceProvider

from quintet_localstack.resource import Properties, plugin, schema

KIND = "AWS::CloudFormation::CustomResource"
BUCKET = "cloudformation-custom-resource-responses"
PATIENCE = 3600  # seconds


class CustomResource(ResourceProvider):
    TYPE = KIND
    SCHEMA = schema(KIND, "PhysicalResourceId")

    def create(self, request: Any) -> Any:
        return asked(request, "Create", request.desired_state, {})

    def update(self, request: Any) -> Any:
        before = request.previous_state or {}
        known = {"PhysicalResourceId": before.get("PhysicalResourceId"), "OldResourceProperties": texts(before)}
        return asked(request, "Update", {**before, **request.desired_state}, known)

    def delete(self, request: Any) -> Any:
        state = request.desired_state or {}
        return asked(request, "Delete", state, {"PhysicalResourceId": state.get("PhysicalResourceId")})


custom_resource = plugin(KIND, CustomResource)


def asked(request: Any, verb: str, model: Properties, known: Properties) -> Any:
    key, clients = str(uuid4()), request.aws_client_factory
    clients.s3.create_bucket(Bucket=BUCKET)
    event = {
        "RequestType": verb,
        "RequestId": key,
        "ResponseURL": clients.s3.generate_presigned_url(
            "put_object", {"Bucket": BUCKET, "Key": key, "ContentType": ""}, PATIENCE
        ),
        "StackId": request.stack_id,
        "LogicalResourceId": request.logical_resource_id,
        "ResourceType": request.resource_type,
        "ServiceToken": model["ServiceToken"],
        "ResourceProperties": texts(model),
        **known,
    }
    invoked = clients.lambda_.invoke(FunctionName=model["ServiceToken"], Payload=json.dumps(event))
    said = invoked["Payload"].read().decode()
    return outcome(answer(clients.s3, key, said), model)


def answer(storage: Any, key: str, said: str) -> Properties:
    try:
        return dict(json.load(storage.get_object(Bucket=BUCKET, Key=key)["Body"]))
    except ClientError:
        return {"Status": "FAILED", "Reason": f"The function did not answer: {said[:500]}"}


def outcome(told: Properties, model: Properties) -> Any:
    if told["Status"] != "SUCCESS":
        reason = told.get("Reason", "no reason is given")
        return ProgressEvent(status=OperationStatus.FAILED, resource_model=model, message=reason)
    model.update(told.get("Data") or {}, PhysicalResourceId=told["PhysicalResourceId"])
    return ProgressEvent(status=OperationStatus.SUCCESS, resource_model=model)


def texts(value: Any) -> Any:
    """CloudFormation hands on every number and truth as text."""
    if isinstance(value, dict):
        return {name: texts(item) for name, item in value.items() if name != "PhysicalResourceId"}
    if isinstance(value, list):
        return [texts(item) for item in value]
    return str(value).lower() if isinstance(value, bool) else str(value)
