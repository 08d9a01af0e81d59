from typing import Any

import pytest

from infra.local.errors import CloudError
from infra.local.stack import change_set, execute, failed


class Failed:
    """CloudFormation after a nested stack failed because of a table, as LocalStack tells it."""

    def list_stacks(self) -> dict[str, Any]:
        return {
            "StackSummaries": [
                {"StackName": "quintet", "StackStatus": "CREATE_COMPLETE"},
                {"StackName": "quintet-Glucose-1", "StackStatus": "CREATE_FAILED"},
                {"StackName": "quintet-Glucose-0", "StackStatus": "DELETE_COMPLETE"},
            ]
        }

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803
        return {"Stacks": [{"StackStatus": "CREATE_COMPLETE" if StackName == "quintet" else "CREATE_FAILED"}]}

    def describe_stack_events(self, StackName: str) -> dict[str, Any]:  # noqa: N803
        if StackName == "quintet":
            return {"StackEvents": [event("Glucose", "AWS::CloudFormation::Stack")]}
        return {
            "StackEvents": [
                event("Role", "AWS::IAM::Role", "Resource creation cancelled"),
                event("Table", "AWS::DynamoDB::Table", "Name is taken"),
            ]
        }

    def describe_change_set(self, ChangeSetName: str) -> dict[str, str]:  # noqa: N803
        return {"ExecutionStatus": "EXECUTE_COMPLETE"}

    def execute_change_set(self, ChangeSetName: str) -> None:  # noqa: N803
        assert ChangeSetName == "change"


def event(name: str, kind: str, reason: str | None = None) -> dict[str, str | None]:
    return {
        "LogicalResourceId": name,
        "ResourceType": kind,
        "ResourceStatus": "CREATE_FAILED",
        "ResourceStatusReason": reason,
    }


def test_the_failed_resource_of_a_nested_stack_is_named() -> None:
    assert failed(Failed()) == ["Table (AWS::DynamoDB::Table): Name is taken"]


def test_a_failed_nested_stack_fails_the_deployment() -> None:
    with pytest.raises(CloudError, match="Name is taken"):
        execute(Failed(), "change")


class Refusing:
    def create_change_set(self, **asked: Any) -> dict[str, str]:
        assert asked["ChangeSetType"] == "CREATE"
        return {"Id": "change"}

    def describe_change_set(self, ChangeSetName: str) -> dict[str, str]:  # noqa: N803
        return {"Status": "FAILED", "StatusReason": "Transform AWS::Serverless-2016-10-31 failed"}


def test_a_refused_template_is_told() -> None:
    with pytest.raises(CloudError, match="Transform AWS::Serverless"):
        change_set(Refusing(), "", {})
