"""The templates as data, and the rules they keep. Each rule gives the problems it finds, one sentence each."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

QUEUE = "AWS::SQS::Queue"
FUNCTION = "AWS::Serverless::Function"
FORTNIGHT = 14 * 24 * 3600
SECTIONS = ("Parameters:", "Globals:", "  # Layers", "  # Functions", "  # Queues", "  # Alarms", "Outputs:")

Properties = dict[str, Any]


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms written out."""


def written_out(loader: Loader, suffix: str, node: yaml.Node) -> Any:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


Loader.add_multi_constructor("!", written_out)


@dataclass(frozen=True)
class Template:
    path: Path
    body: dict[str, Any]
    text: str = ""

    @classmethod
    def read(cls, path: Path) -> "Template":
        text = path.read_text()
        return cls(path, yaml.load(text, Loader), text)  # noqa: S506 - a SafeLoader

    def resources(self, kind: str) -> dict[str, Properties]:
        """Properties by logical name; those of functions with what Globals says."""
        shared = self.body.get("Globals", {}).get("Function", {}) if kind == FUNCTION else {}
        found = self.body.get("Resources", {}).items()
        return {name: merged(shared, one.get("Properties", {})) for name, one in found if one["Type"] == kind}

    def code(self) -> Iterator[Path]:
        for function in self.resources(FUNCTION).values():
            yield (self.path.parent / function["CodeUri"]).resolve()

    def mappings(self) -> Iterator[tuple[str, Properties, Properties]]:
        """Each SQS event: the function's name, the function, the event."""
        for name, function in self.resources(FUNCTION).items():
            for event in function.get("Events", {}).values():
                if event["Type"] == "SQS":
                    yield name, function, event["Properties"]


def merged(shared: Properties, own: Properties) -> Properties:
    """As SAM merges Globals: mappings and lists are joined, anything else is the function's own."""
    both = shared.keys() & own.keys()
    mappings = {name: merged(shared[name], own[name]) for name in both if isinstance(own[name], dict)}
    lists = {name: [*shared[name], *own[name]] for name in both if isinstance(own[name], list)}
    return {**shared, **own, **mappings, **lists}


def target(value: Any) -> str:
    """The logical name behind a Ref or GetAtt; empty for anything else."""
    if not isinstance(value, dict):
        return ""
    return str(value.get("Ref") or value.get("Fn::GetAtt", [""])[0])


def homeless(folders: Iterable[Path], templates: Iterable[Template]) -> Iterator[str]:
    claims = [code for template in templates for code in template.code()]
    for folder in folders:
        if (count := claims.count(folder.resolve())) != 1:
            yield f"{folder} stands in {count} templates"
    for code in claims:
        if not (code / "app.py").is_file():
            yield f"a template names {code}, which holds no app.py"


def without_dead_letters(template: Template) -> Iterator[str]:
    queues = template.resources(QUEUE)
    graves = {name: target(queue.get("RedrivePolicy", {}).get("deadLetterTargetArn")) for name, queue in queues.items()}
    for name, grave in graves.items():
        if grave and queues.get(grave, {}).get("MessageRetentionPeriod") != FORTNIGHT:
            yield f"{name}: its dead letters {grave} are not kept for a fortnight"
        if not grave and name not in graves.values() and not is_grave(name, queues[name]):
            yield f"{name} has no dead letters"


def is_grave(name: str, queue: Properties) -> bool:
    """Dead letters of a function that no queue feeds."""
    return name.endswith("DeadLetters") and queue.get("MessageRetentionPeriod") == FORTNIGHT


def short_visibility(template: Template) -> Iterator[str]:
    queues = template.resources(QUEUE)
    for name, function, event in template.mappings():
        queue = target(event["Queue"])
        if (visible := queues.get(queue, {}).get("VisibilityTimeout", 30)) < 6 * function.get("Timeout", 3):
            yield f"{queue}: visibility {visible} s is less than six times the timeout of {name}"


def careless_mappings(template: Template) -> Iterator[str]:
    for name, _, event in template.mappings():
        if "ReportBatchItemFailures" not in event.get("FunctionResponseTypes", []):
            yield f"{name} does not report failures by item"
        if "MaximumConcurrency" not in event.get("ScalingConfig", {}):
            yield f"{name} has no bound on its concurrency"


def shared_roles(template: Template) -> Iterator[str]:
    functions = template.resources(FUNCTION)
    roles = [target(function.get("Role")) for function in functions.values()]
    for name, role in zip(functions, roles, strict=True):
        if not role or roles.count(role) > 1:
            yield f"{name} has no role of its own"


def wide_permissions(template: Template) -> Iterator[str]:
    for kind in ("AWS::IAM::Role", "AWS::IAM::ManagedPolicy"):
        for name, properties in template.resources(kind).items():
            documents = [policy["PolicyDocument"] for policy in alternatives(properties.get("Policies", []))]
            documents += [properties["PolicyDocument"]] if "PolicyDocument" in properties else []
            for statement in (one for document in documents for one in alternatives(document["Statement"])):
                wide = statement["Resource"] == "*" and not set(statement["Action"]) <= WITHOUT_RESOURCE
                if wide or "*" in str(statement["Action"]):
                    yield f"{name} allows {statement['Action']} on {statement['Resource']}"


WITHOUT_RESOURCE = {
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
}
"""Actions of Lambda inside a VPC, and of its mappings of Amazon MQ, that IAM ties to no resource."""


def alternatives(value: Any) -> Iterator[Any]:
    """The items of a list, those of every branch where conditions choose."""
    if isinstance(value, list):
        for item in value:
            yield from alternatives(item)
    elif isinstance(value, dict) and "Fn::If" in value:
        yield from alternatives(value["Fn::If"][1:])
    elif isinstance(value, dict) and "Ref" not in value:
        yield value


def unlogged(template: Template) -> Iterator[str]:
    groups = {str(log.get("LogGroupName")): log for log in template.resources("AWS::Logs::LogGroup").values()}
    for name, function in template.resources(FUNCTION).items():
        called = function.get("FunctionName", {}).get("Fn::Sub", name)
        if "RetentionInDays" not in groups.get(str({"Fn::Sub": f"/aws/lambda/{called}"}), {}):
            yield f"{name} has no log group with a retention"


def unwatched(template: Template) -> Iterator[str]:
    watched = {
        (alarm["MetricName"], str(alarm["Dimensions"][0]["Value"]))
        for alarm in template.resources("AWS::CloudWatch::Alarm").values()
        if alarm.get("Dimensions")
    }
    for name, function in template.resources(FUNCTION).items():
        for metric in ("Errors", "Throttles"):
            if (metric, str(function.get("FunctionName"))) not in watched:
                yield f"{name}: no alarm on {metric}"
    for name, queue in template.resources(QUEUE).items():
        depth = ("ApproximateNumberOfMessagesVisible", str({"Fn::GetAtt": [name, "QueueName"]}))
        if "RedrivePolicy" not in queue and depth not in watched:
            yield f"{name}: no alarm on its depth"


def containers(template: Template) -> Iterator[Properties]:
    for task in template.resources("AWS::ECS::TaskDefinition").values():
        yield from alternatives(task["ContainerDefinitions"])


def careless_containers(template: Template) -> Iterator[str]:
    for container in containers(template):
        if container.get("LogConfiguration", {}).get("LogDriver") != "awslogs":
            yield f"{container['Name']} does not log to CloudWatch"
        for variable in container.get("Environment", []):
            if SECRET.search(variable["Name"]) and not variable["Name"].endswith("_ARN"):
                yield f"{container['Name']} has {variable['Name']} in the open: it belongs to Secrets"


SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|PRIVATE_KEY|MNEMONIC")


def careless_services(template: Template) -> Iterator[str]:
    for name, service in template.resources("AWS::ECS::Service").items():
        breaker = service.get("DeploymentConfiguration", {}).get("DeploymentCircuitBreaker", {})
        if breaker != {"Enable": True, "Rollback": True}:
            yield f"{name} does not go back to what worked"
        tasks = template.resources("AWS::ECS::TaskDefinition")
        probed = alternatives(tasks.get(target(service["TaskDefinition"]), {}).get("ContainerDefinitions", []))
        if not any("HealthCheck" in container for container in probed):
            yield f"{name}: no container says whether it is healthy"


def disorder(template: Template) -> Iterator[str]:
    """The fixed order of a room's file; where it has no queues it need not have a place for them."""
    sections = [section for section in SECTIONS if section != "  # Queues" or template.resources(QUEUE)]
    places = [re.search(rf"^{section}", template.text, re.MULTILINE) for section in sections]
    starts = [place.start() if place else -1 for place in places]
    if -1 in starts or starts != sorted(starts):
        yield f"{template.path.name} does not have {', '.join(part.strip(' #:') for part in sections)} in this order"


def impatient_gateways(template: Template) -> Iterator[str]:
    """What overload is there: the stage's limit, and a function that Lambda throttles."""
    for name, api in template.resources("AWS::Serverless::Api").items():
        for kind in ("THROTTLED", "INTEGRATION_FAILURE"):
            answer = api.get("GatewayResponses", {}).get(kind, {})
            headers = answer.get("ResponseParameters", {}).get("Headers", {})
            if answer.get("StatusCode") != 503 or "Retry-After" not in headers:
                yield f"{name}: {kind} is not answered with 503 and Retry-After"


RULES = (impatient_gateways, without_dead_letters, short_visibility, careless_mappings, shared_roles,
         wide_permissions, unlogged, unwatched, careless_containers, careless_services, disorder)  # fmt: skip
