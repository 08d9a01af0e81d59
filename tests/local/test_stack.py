from typing import Any

import pytest

from infra.local.errors import CloudError
from infra.local.stack import change_set, failed


class Events:
    """CloudFormation's events: a nested stack failed because of a table."""

    def describe_stack_events(self, StackName: str) -> dict[str, Any]:  # noqa: N803
        if StackName == "nested":
            return {"StackEvents": [event("Table", "AWS::DynamoDB::Table", "nested", "Name is taken")]}
        return {
            "StackEvents": [
                event("Other", "AWS::S3::Bucket", "root", "Resource creation cancelled"),
                event("Glucose", "AWS::CloudFormation::Stack", "root", "Nested stack failed", "nested"),
                {"ResourceStatus": "CREATE_COMPLETE"},
            ]
        }


def event(name: str, kind: str, stack: str, reason: str, physical: str = "") -> dict[str, str]:
    return {
        "LogicalResourceId": name,
        "ResourceType": kind,
        "StackId": stack,
        "PhysicalResourceId": physical,
        "ResourceStatus": "CREATE_FAILED",
        "ResourceStatusReason": reason,
    }


def test_the_failed_resource_of_a_nested_stack_is_named_first() -> None:
    assert failed(Events(), "root") == [
        "Table (AWS::DynamoDB::Table): Name is taken",
        "Glucose (AWS::CloudFormation::Stack): Nested stack failed",
    ]


class Refusing:
    def create_change_set(self, **asked: Any) -> dict[str, str]:
        assert asked["ChangeSetType"] == "CREATE"
        return {"Id": "change"}

    def describe_change_set(self, ChangeSetName: str) -> dict[str, str]:  # noqa: N803
        return {"Status": "FAILED", "StatusReason": "Transform AWS::Serverless-2016-10-31 failed"}


def test_a_refused_template_is_told() -> None:
    with pytest.raises(CloudError, match="Transform AWS::Serverless"):
        change_set(Refusing(), "", {})
