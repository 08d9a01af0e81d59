"""Templates keep the rules of the house, and each rule sees what breaks it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.house.templates import RULES, Loader, Template, homeless

ROOT = Path(__file__).parents[2]
ROOMS = [path for path in sorted((ROOT / "infra").glob("*.yaml")) if (ROOT / "functions" / path.stem).is_dir()]
FOLDERS = [path.parent for path in sorted((ROOT / "functions").glob("*/*/app.py"))]

Rule = Callable[[Template], Iterator[str]]


@pytest.mark.parametrize("path", ROOMS, ids=lambda path: path.stem)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_room_keeps_the_rule(path: Path, rule: Rule) -> None:
    assert not list(rule(Template.read(path)))


def test_every_function_stands_in_exactly_one_template() -> None:
    assert FOLDERS
    assert not list(homeless(FOLDERS, map(Template.read, ROOMS)))


def test_root_composes_every_room() -> None:
    applications = Template.read(ROOT / "template.yaml").resources("AWS::Serverless::Application")
    assert {one["Location"] for one in applications.values()} >= {f"infra/{path.name}" for path in ROOMS}


@pytest.mark.parametrize("name", ["PythonRuntime", "Stage", "LocalMode", "LogRetentionDays"])
def test_root_and_rooms_agree_on_what_they_share(name: str) -> None:
    parameters = [Template.read(path).body["Parameters"][name] for path in [ROOT / "template.yaml", *ROOMS]]
    bare = [{key: value for key, value in one.items() if key != "Description"} for one in parameters]
    assert all(one == bare[0] for one in bare)


@pytest.mark.parametrize("path", ROOMS, ids=lambda path: path.stem)
def test_what_the_root_hands_on_has_the_same_bounds_there(path: Path) -> None:
    root, room = (Template.read(one).body["Parameters"] for one in (ROOT / "template.yaml", path))
    for name in set(root) & set(room):
        kept = ("Type", "Default", "AllowedValues", "MinValue", "MaxValue")
        assert [root[name].get(key) for key in kept] == [room[name].get(key) for key in kept], name


# One bad example a rule.

IMPATIENT = """
Resources:
  Api:
    Type: AWS::Serverless::Api
    Properties:
      GatewayResponses:
        THROTTLED: {StatusCode: 503, ResponseParameters: {Headers: {Retry-After: "'30'"}}}
"""
LONELY = "Resources: {Q: {Type: 'AWS::SQS::Queue'}}"
FORGETFUL = """
Resources:
  Q: {Type: 'AWS::SQS::Queue', Properties: {RedrivePolicy: {deadLetterTargetArn: !GetAtt D.Arn}}}
  D: {Type: 'AWS::SQS::Queue', Properties: {MessageRetentionPeriod: 345600}}
"""
HASTY = """
Globals: {Function: {Timeout: 120}}
Resources:
  Q: {Type: 'AWS::SQS::Queue', Properties: {VisibilityTimeout: 719}}
  F:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: !Sub "${Stage}-f"
      Role: !GetAtt R.Arn
      Events: {Q: {Type: SQS, Properties: {Queue: !GetAtt Q.Arn, FunctionResponseTypes: [ReportBatchItemFailures]}}}
  G: {Type: 'AWS::Serverless::Function', Properties: {Role: !GetAtt R.Arn}}
  R:
    Type: AWS::IAM::Role
    Properties:
      Policies: [{PolicyDocument: {Statement: [{Effect: Allow, Action: 's3:*', Resource: '*'}]}}]
"""
FRAGILE = """
Resources:
  S: {Type: 'AWS::ECS::Service', Properties: {TaskDefinition: !Ref T}}
  T:
    Type: AWS::ECS::TaskDefinition
    Properties:
      ContainerDefinitions:
        - {Name: main, Environment: [{Name: REDIS_PASSWORD, Value: x}, {Name: REDIS_SECRET_ARN, Value: y}]}
"""

BAD = [
    ("impatient_gateways", IMPATIENT, "Api: INTEGRATION_FAILURE is not answered with 503 and Retry-After"),
    ("without_dead_letters", LONELY, "Q has no dead letters"),
    ("without_dead_letters", FORGETFUL, "Q: its dead letters D are not kept for a fortnight"),
    ("short_visibility", HASTY, "Q: visibility 719 s is less than six times the timeout of F"),
    ("careless_mappings", HASTY, "F has no bound on its concurrency"),
    ("careless_mappings", HASTY.replace("ReportBatch", "Batch"), "F does not report failures by item"),
    ("shared_roles", HASTY, "F has no role of its own"),
    ("wide_permissions", HASTY, "R allows s3:* on *"),
    ("unlogged", HASTY, "F has no log group with a retention"),
    ("unwatched", HASTY, "F: no alarm on Errors"),
    ("unwatched", LONELY, "Q: no alarm on its depth"),
    ("careless_containers", FRAGILE, "main does not log to CloudWatch"),
    ("careless_containers", FRAGILE, "main has REDIS_PASSWORD in the open: it belongs to Secrets"),
    ("careless_services", FRAGILE, "S does not go back to what worked"),
    ("careless_services", FRAGILE, "S: no container says whether it is healthy"),
]


@pytest.mark.parametrize(("rule", "text", "problem"), BAD, ids=lambda value: value if len(value) < 25 else "")
def test_rule_sees_what_breaks_it(rule: str, text: str, problem: str) -> None:
    check = next(one for one in RULES if one.__name__ == rule)
    assert problem in list(check(Template(Path("bad.yaml"), yaml.load(text, Loader), text)))  # noqa: S506


def test_order_is_seen() -> None:
    template = Template.read(ROOMS[0])
    swapped = template.text.replace("  # Queues", "  # Swapped").replace("  # Layers", "  # Queues")
    disorder = RULES[-1]
    assert list(disorder(Template(template.path, template.body, swapped)))


def test_homeless_functions_are_seen(tmp_path: Path) -> None:
    lost = tmp_path / "functions/attic/ghost"
    lost.mkdir(parents=True)
    template = Template(tmp_path / "infra/attic.yaml", yaml.load(HASTY, Loader))  # noqa: S506
    body = {"Resources": {"F": {"Type": "AWS::Serverless::Function", "Properties": {"CodeUri": "../functions/attic"}}}}
    assert list(homeless([lost], [])) == [f"{lost} stands in 0 templates"]
    assert "which holds no app.py" in next(homeless([], [Template(template.path, body)]))
