"""Deploying the built template through CloudFormation, and what the stacks then say."""

import time
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
UNFINISHED = ("CREATE_PENDING", "CREATE_IN_PROGRESS")
EXECUTING = ("AVAILABLE", "EXECUTE_IN_PROGRESS")
BROKEN = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED", "UPDATE_ROLLBACK_FAILED")


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
    """Create or update the stack; raises CloudError with the resource that failed and its reason."""
    storage = aws.client("s3")
    storage.create_bucket(Bucket=BUCKET)
    remove_broken(aws)
    client = aws.client("cloudformation")
    change(client, packaged(built, Bucket(storage, BUCKET)), parameters)


def change(client: Any, template: str, parameters: dict[str, str]) -> None:
    """Make a change set and execute it, as `sam deploy` does, but without its thirty seconds between two looks."""
    known = status(client, STACK)
    made = client.create_change_set(
        StackName=STACK,
        ChangeSetName=f"up-{time.time_ns()}",
        ChangeSetType="CREATE" if known in (None, "REVIEW_IN_PROGRESS") else "UPDATE",
        TemplateBody=template,
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    while (said := client.describe_change_set(ChangeSetName=made["Id"]))["Status"] in UNFINISHED:
        time.sleep(PAUSE)
    if said["Status"] == "CREATE_COMPLETE":
        client.execute_change_set(ChangeSetName=made["Id"])
        wait(client, made["Id"])
    elif not said.get("StatusReason", "").startswith(("The submitted information didn't contain", "No updates")):
        raise CloudError(f"CloudFormation refuses the template: {said.get('StatusReason', '?')}", MEND)


def wait(client: Any, change: str) -> None:
    """Until the change is done: the stack's own status may still be that from before it began."""
    deadline = time.monotonic() + PATIENCE
    while client.describe_change_set(ChangeSetName=change)["ExecutionStatus"] in EXECUTING:
        if time.monotonic() > deadline:
            raise CloudError("The deployment hangs.", "Look at `make logs`, then `make down` and `make up`.")
        time.sleep(PAUSE)
    now = status(client, STACK)
    if now not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        reasons = failed(client, STACK) or [f"The stack is in {now}."]
        raise CloudError("The deployment failed:\n" + "\n".join(reasons), MEND)


def remove_broken(aws: Aws) -> None:
    """A stack whose creation failed takes no update: it must go first."""
    client = aws.client("cloudformation")
    if status(client, STACK) in BROKEN:
        client.delete_stack(StackName=STACK)
        client.get_waiter("stack_delete_complete").wait(StackName=STACK, WaiterConfig={"Delay": 1, "MaxAttempts": 90})


def status(client: Any, stack: str) -> str | None:
    try:
        return str(client.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"])
    except ClientError:
        return None


def failed(client: Any, stack: str) -> list[str]:
    """One line a failed resource, those of nested stacks too; cancellations, which tell nothing, left out."""
    try:
        events = client.describe_stack_events(StackName=stack)["StackEvents"]
    except ClientError:
        return []
    lines: list[str] = []
    for event in reversed(events):
        reason = event.get("ResourceStatusReason", "")
        if not event["ResourceStatus"].endswith("_FAILED") or "cancelled" in reason.lower():
            continue
        nested = event.get("PhysicalResourceId", "")
        if event["ResourceType"] == "AWS::CloudFormation::Stack" and nested not in ("", event["StackId"]):
            lines += failed(client, nested)
        lines.append(f"{event['LogicalResourceId']} ({event['ResourceType']}): {reason}")
    return list(dict.fromkeys(lines))


def outputs(aws: Aws) -> dict[str, dict[str, str]]:
    """The outputs of the nested stacks by their logical name, small letters: {"glucose": {"ApiUrl": …}}."""
    client = aws.client("cloudformation")
    parts = client.describe_stack_resources(StackName=STACK)["StackResources"]
    nested = [part for part in parts if part["ResourceType"] == "AWS::CloudFormation::Stack"]
    return {part["LogicalResourceId"].lower(): outputs_of(client, part["PhysicalResourceId"]) for part in nested}


def outputs_of(client: Any, stack: str) -> dict[str, str]:
    found = client.describe_stacks(StackName=stack)["Stacks"][0].get("Outputs", [])
    return {output["OutputKey"]: output["OutputValue"] for output in found}
