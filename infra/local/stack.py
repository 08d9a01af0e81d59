"""Deploying the built template through CloudFormation, and what the stacks then say."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra.local.commands import REGION
from infra.local.errors import CloudError
from infra.local.package import Bucket, packaged

STACK = "quintet"
BUCKET = "quintet-deployment"
PAUSE = 0.2  # seconds
PATIENCE = 600.0  # seconds
MEND = "Mend what the message names, then run `make up` again."
GONE = (None, "DELETE_COMPLETE")
UNFINISHED = ("CREATE_PENDING", "CREATE_IN_PROGRESS")
EXECUTING = ("AVAILABLE", "EXECUTE_IN_PROGRESS")


@dataclass(frozen=True)
class Aws:
    """Clients for the local endpoint, with credentials that open nothing elsewhere."""

    endpoint: str

    def client(self, service: str) -> Any:
        return boto3.client(  # type: ignore[call-overload]
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 - a dummy
        )


USED = {
    "s3": "list_buckets",
    "cloudformation": "list_stacks",
    "lambda": "list_functions",
    "apigateway": "get_rest_apis",
    "dynamodb": "list_tables",
    "secretsmanager": "list_secrets",
    "logs": "describe_log_groups",
    "cloudwatch": "describe_alarms",
    "iam": "list_roles",
    "sqs": "list_queues",
}


def warm(aws: Aws) -> None:
    """Load the services while something else takes time: LocalStack loads each on its first call."""
    for service, call in USED.items():
        with suppress(ClientError, BotoCoreError):
            getattr(aws.client(service), call)()


def deploy(aws: Aws, built: Path, parameters: dict[str, str]) -> None:
    """Make the stack in a new LocalStack; raises CloudError with the resource that failed and its reason."""
    storage, client = aws.client("s3"), aws.client("cloudformation")
    storage.create_bucket(Bucket=BUCKET)
    template = packaged(built, Bucket(storage, BUCKET))
    execute(client, change_set(client, template, parameters))


def parts(client: Any) -> list[str]:
    """The names of the nested stacks."""
    known = client.list_stacks()["StackSummaries"]
    return [
        one["StackName"] for one in known if one["StackName"].startswith(f"{STACK}-") and one["StackStatus"] not in GONE
    ]


def change_set(client: Any, template: str, parameters: dict[str, str]) -> str:
    """Its identifier; raises CloudError where CloudFormation refuses the template."""
    made = client.create_change_set(
        StackName=STACK,
        ChangeSetName="up",
        ChangeSetType="CREATE",
        TemplateBody=template,
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    change = str(made["Id"])
    until(lambda: described(client, change)["Status"] not in UNFINISHED, "The change set hangs.")
    said = described(client, change)
    if said["Status"] != "CREATE_COMPLETE":
        raise CloudError(f"CloudFormation refuses the template: {said.get('StatusReason', '?')}", MEND)
    return change


def execute(client: Any, change: str) -> None:
    client.execute_change_set(ChangeSetName=change)
    until(lambda: described(client, change)["ExecutionStatus"] not in EXECUTING, "The deployment hangs.")
    if reasons := failed(client):  # where a nested stack fails, LocalStack calls the whole complete
        raise CloudError("The deployment failed:\n" + "\n".join(reasons), MEND)


def described(client: Any, change: str) -> dict[str, Any]:
    return dict(client.describe_change_set(ChangeSetName=change))


def until(done: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not done():
        if time.monotonic() > deadline:
            raise CloudError(otherwise, "Look at `make logs`, then `make down` and `make up`.")
        time.sleep(PAUSE)


def status(client: Any, stack: str) -> str | None:
    try:
        return str(client.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"])
    except ClientError:
        return None


def failed(client: Any) -> list[str]:
    """One line a failed resource; what only follows from another has no reason of its own."""
    lines: list[str] = []
    for stack in [STACK, *parts(client)]:
        for event in reversed(client.describe_stack_events(StackName=stack)["StackEvents"]):
            reason = event.get("ResourceStatusReason") or ""
            if event["ResourceStatus"].endswith("_FAILED") and reason and "cancelled" not in reason.lower():
                lines.append(f"{event['LogicalResourceId']} ({event['ResourceType']}): {reason}")
        if not lines and status(client, stack) != "CREATE_COMPLETE":
            lines.append(f"{stack} is in {status(client, stack)}")
    return list(dict.fromkeys(lines)) or unfinished(client)


def unfinished(client: Any) -> list[str]:
    """Resources that say no reason and are not there all the same."""
    return [
        f"{part['LogicalResourceId']} ({part['ResourceType']}) is in {part['ResourceStatus']}"
        for part in client.describe_stack_resources(StackName=STACK)["StackResources"]
        if not part["ResourceStatus"].endswith("_COMPLETE")
    ]


def outputs(aws: Aws) -> dict[str, dict[str, str]]:
    """The outputs of the nested stacks by their logical name, small letters: {"glucose": {"ApiUrl": …}}."""
    client = aws.client("cloudformation")
    parts = client.describe_stack_resources(StackName=STACK)["StackResources"]
    nested = [part for part in parts if part["ResourceType"] == "AWS::CloudFormation::Stack"]
    return {part["LogicalResourceId"].lower(): outputs_of(client, part["PhysicalResourceId"]) for part in nested}


def outputs_of(client: Any, stack: str) -> dict[str, str]:
    found = client.describe_stacks(StackName=stack)["Stacks"][0].get("Outputs", [])
    return {output["OutputKey"]: output["OutputValue"] for output in found}
