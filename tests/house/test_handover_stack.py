"""What the handover stack makes of its functions for each choice of parameters; AWS's half runs nowhere else."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from infra.local.credentials import OF_HANDOVER
from infra.local.deploy import HANDED_ON, named
from quintet.handover import collection_runs, settings, trainings
from quintet.handover.feedback_rows import FeedbackRows
from quintet.kernel.settings import HttpSettings, LogSettings, PlaceSettings, Settings, read
from tests.house.conditions import Chosen
from tests.house.templates import FUNCTION, Template

INFRA = Path(__file__).parents[2] / "infra"
TEMPLATE = Template.read(INFRA / "handover.yaml")
CACHE = {"CacheAddress": "cache:6379", "CacheTokenArn": "arn:token", "Subnets": "a,b", "FunctionsSecurityGroup": "sg"}
SELECTOR = {"SelectorImage": "selector:1", "ClusterArn": "arn:cluster", "WorkersLogs": "logs"}
FUNCTIONS = list(TEMPLATE.resources(FUNCTION))
ENVIRONMENT_LIMIT = 4096
"""Bytes that Lambda takes of all variables."""


def on_aws(**more: str) -> Chosen:
    return Chosen(TEMPLATE, Table="table", Bucket="bucket", **more)


def function(chosen: Chosen, name: str) -> dict[str, Any]:
    return dict(chosen.taken(TEMPLATE.resources(FUNCTION)[name]))


def variables(chosen: Chosen, name: str) -> dict[str, Any]:
    return dict(function(chosen, name)["Environment"]["Variables"])


def own_blocks() -> list[type[Settings]]:
    mine = [one for one in vars(settings).values() if isinstance(one, type) and issubclass(one, Settings)]
    return [block for block in mine if block.model_fields]


def test_without_a_cache_no_function_lives_in_the_network() -> None:
    assert not [name for name in FUNCTIONS if "VpcConfig" in function(on_aws(), name)]


def test_with_a_cache_all_do_and_reach_the_emulator() -> None:
    chosen = on_aws(**CACHE, NefPort="8888")
    for name in FUNCTIONS:
        assert function(chosen, name)["VpcConfig"]["SecurityGroupIds"] == ["sg", {"Ref": "NefSecurityGroup"}]
        assert variables(chosen, name)["REDIS_SECRET_ARN"] == "arn:token"
    (group,) = chosen.resources("AWS::EC2::SecurityGroup").values()
    assert [one["ToPort"] for one in group["SecurityGroupEgress"]] == ["8888"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_variables_fit_into_what_lambda_takes(name: str) -> None:
    """Of values that are not known before the deployment 140 letters are reckoned."""
    told = variables(on_aws(**CACHE, **SELECTOR), name)
    assert sum(len(key) + (140 if isinstance(value, dict) else len(str(value))) for key, value in told.items()) < (
        ENVIRONMENT_LIMIT
    )


def test_layers_are_no_more_than_lambda_takes() -> None:
    assert max(len(function(on_aws(), name)["Layers"]) for name in FUNCTIONS) <= 5


def test_secrets_are_made_on_aws_and_given_by_nobody() -> None:
    made = on_aws(AuthUsername="ada", AuthPassword="a word").resources("AWS::SecretsManager::Secret")
    assert set(made) == {"Secret", "AccessKey", "RefreshKey", "MetricsKey", "SigningKey"}
    text = made["Secret"]["SecretString"]["Fn::Sub"]
    kept = json.loads(re.sub(r"\{\{resolve:secretsmanager:\$\{(\w+)\}\}\}", r"\1", text))
    assert set(kept) == set(OF_HANDOVER)
    keys = [kept[name] for name in ("JWT_SECRET", "JWT_REFRESH_SECRET", "METRICS_API_KEY", "MODEL_SIGNING_KEY")]
    assert keys == ["AccessKey", "RefreshKey", "MetricsKey", "SigningKey"]
    assert all(made[name]["GenerateSecretString"]["PasswordLength"] == 64 for name in keys)


def test_a_secret_of_one_s_own_takes_their_place() -> None:
    chosen = on_aws(HandoverSecretArn="arn:mine")
    assert not chosen.resources("AWS::SecretsManager::Secret")
    assert variables(chosen, "ApiFunction")["HANDOVER_SECRET_ARN"] == "arn:mine"


def test_no_secret_stands_in_a_variable() -> None:
    told = variables(on_aws(AuthUsername="ada", AuthPassword="word", NefPassword="word"), "ApiFunction")
    assert not [name for name in OF_HANDOVER if told.get(name)]
    assert "word" not in told.values()


def test_nobody_deploys_a_room_that_nobody_may_enter() -> None:
    rule = TEMPLATE.body["Rules"]["SomebodyMayLogIn"]
    assert on_aws().decided(rule["RuleCondition"])
    assert not on_aws(AuthDisabled="true").decided(rule["RuleCondition"])
    assert not on_aws().decided(rule["Assertions"][0]["Assert"])
    assert on_aws(AuthUsername="ada").decided(rule["Assertions"][0]["Assert"])


def test_only_who_trains_or_collects_may_start_tasks() -> None:
    roles = on_aws(**SELECTOR).resources("AWS::IAM::Role")
    assert {name for name, role in roles.items() if "ecs:RunTask" in str(role)} == {"TrainRole", "CollectRole"}
    assert not [role for role in on_aws().resources("AWS::IAM::Role").values() if "ecs:" in str(role)]


def test_the_selector_is_told_what_the_functions_are() -> None:
    (task,) = on_aws(**SELECTOR).resources("AWS::ECS::TaskDefinition").values()
    (container,) = task["ContainerDefinitions"]
    told = {one["Name"] for one in container["Environment"]}
    others = {"LOG_FILE", "CORS_ORIGINS", "QUINTET_JOBS_DLQ_URL", "SELECTOR_CONTAINER"}
    functions = {name for name in variables(on_aws(), "TrainFunction") if not name.startswith("POWERTOOLS_")}
    tasks = {field.alias for field in settings.Tasks.model_fields.values()}
    assert functions - told - others - tasks - set(OF_HANDOVER) == set()


def test_a_gpu_is_asked_for_where_there_is_one() -> None:
    for capacity, kind in (("", "FARGATE"), ("gpus", "EC2")):
        (task,) = on_aws(**SELECTOR, SelectorCapacity=capacity).resources("AWS::ECS::TaskDefinition").values()
        assert task["RequiresCompatibilities"] == [kind]
        assert ("ResourceRequirements" in task["ContainerDefinitions"][0]) == bool(capacity)


def test_every_gateway_answer_is_in_the_room_s_form() -> None:
    answers = TEMPLATE.resources("AWS::Serverless::Api")["Api"]["GatewayResponses"]
    for answer in answers.values():
        text = answer["ResponseTemplates"]["application/json"].replace("$context.error.messageString", '"x"')
        assert set(json.loads(text)) == {"error", "type", "correlation_id"}
    assert "/uploads" in answers["REQUEST_TOO_LARGE"]["ResponseTemplates"]["application/json"]


def test_the_watch_is_woken_by_the_minute_and_when_a_task_ends() -> None:
    rules = on_aws(**SELECTOR).resources("AWS::Events::Rule")
    assert {json.loads(rule["Targets"][0]["Input"])["about"] for rule in rules.values()} == {"watch"}
    assert rules["Minute"]["ScheduleExpression"] == "rate(1 minute)"
    assert set(on_aws().resources("AWS::Events::Rule")) == {"Minute"}


def test_the_room_sees_its_own_alone() -> None:
    state = on_aws().resources("AWS::IAM::ManagedPolicy")["RoomState"]
    allowed = {one["Sid"]: one for one in state["PolicyDocument"]["Statement"]}
    assert allowed["Records"]["Condition"]["ForAllValues:StringLike"] == {"dynamodb:LeadingKeys": ["handover#*"]}
    folders = [one["Fn::Sub"][0].rpartition("${Name}/")[2] for one in allowed["Objects"]["Resource"]]
    assert folders == ["handover/*", "${Folder}*", "uploads/*", "claims/*", "results/*"]


RUNG_BY = {"TrainingFails": "training failed", "ModelFallsBack": "model fallback", "DriftFound": "drift found"}


@pytest.mark.parametrize("alarm", RUNG_BY)
def test_what_the_logs_say_rings(alarm: str) -> None:
    chosen = on_aws(AlarmTopic="arn:topic", **SELECTOR)
    told = chosen.resources("AWS::CloudWatch::Alarm")[alarm]
    filters = chosen.resources("AWS::Logs::MetricFilter").values()
    heard = [one for one in filters if one["MetricTransformations"][0]["MetricName"] == told["MetricName"]]
    assert heard
    assert all(f'"{RUNG_BY[alarm]}"' in one["FilterPattern"] for one in heard)
    assert told["AlarmActions"] == ["arn:topic"]


def test_in_the_log_of_all_workers_only_the_room_s_own_trainings_ring() -> None:
    filters = on_aws(**SELECTOR).resources("AWS::Logs::MetricFilter")
    assert filters["TaskFailures"]["FilterPattern"] == '"training failed" "handover"'


def test_the_alarms_words_are_those_that_the_room_logs() -> None:
    room = (INFRA.parent / "layers/shared/quintet/handover/wiring.py").read_text()
    assert [words for words in RUNG_BY.values() if words not in room] == []


@pytest.mark.parametrize("name", FUNCTIONS)
def test_it_is_told_what_its_settings_read(name: str) -> None:
    blocks: list[type[Settings]] = [PlaceSettings, LogSettings, HttpSettings, *own_blocks()]
    known = {field.alias for block in blocks for field in block.model_fields.values()}
    told = {name for name in variables(on_aws(), name) if not name.startswith(("POWERTOOLS_", "MPLCONFIGDIR"))}
    assert told - known == set()


def test_the_defaults_of_the_template_are_those_of_the_settings() -> None:
    told = {name: str(value) for name, value in variables(on_aws(LocalMode="true"), "ApiFunction").items()}
    plain = {name: value for name, value in told.items() if not value.startswith("{")}
    for block in own_blocks():
        assert read(block, plain) == read(block, {})


def test_all_that_can_be_set_is_a_parameter() -> None:
    of_a_server = {field.alias for field in settings.Server.model_fields.values()}
    asked = {field.alias for block in own_blocks() for field in block.model_fields.values()} - of_a_server
    told = set(variables(on_aws(), "TrainFunction"))
    assert {str(name) for name in asked} - told - set(OF_HANDOVER) == {"SELECTOR_CONTAINER"}


def test_make_up_hands_on_all_that_can_be_set() -> None:
    parameters = set(TEMPLATE.body["Parameters"])
    asked = {str(field.alias) for block in own_blocks() for field in block.model_fields.values()} - set(OF_HANDOVER)
    assert {name for name in asked if named(name) in parameters} - set(HANDED_ON) == {"HANDOVER_SECRET_ARN"}


def test_the_root_hands_all_of_it_on() -> None:
    root = Template.read(INFRA.parent / "template.yaml")
    given = set(root.resources("AWS::Serverless::Application")["Handover"]["Parameters"])
    own = {"ApiLogs", "Cache", "RequestsPerSecond", "JobsAtOnce", "SelectorCpu", "SelectorMemory",
           "SlowAnswerMilliseconds"}  # fmt: skip
    assert set(TEMPLATE.body["Parameters"]) - given == own


def test_models_stay_in_the_bucket_and_what_tells_where_phones_were_goes() -> None:
    bucket = Template.read(INFRA / "platform.yaml").resources("AWS::S3::Bucket")["Bucket"]
    kept = {str(rule.get("Prefix")): rule.get("ExpirationInDays") for rule in bucket["LifecycleConfiguration"]["Rules"]}
    assert kept["handover/pictures/"] == 7
    for folder in (trainings.FOLDER, collection_runs.FOLDER, FeedbackRows.prefix):
        assert kept[f"{folder}/"] == 30
    assert not [prefix for prefix in kept if "handover/models/".startswith(prefix)]
