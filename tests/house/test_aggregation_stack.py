"""What the aggregation stack makes of its functions for each choice of parameters; AWS's half runs nowhere else."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from quintet.aggregation import settings
from quintet.kernel.settings import HttpSettings, LogSettings, PlaceSettings, Settings, read
from tests.house.conditions import Chosen
from tests.house.templates import FUNCTION, Template

INFRA = Path(__file__).parents[2] / "infra"
TEMPLATE = Template.read(INFRA / "aggregation.yaml")
CACHE = {"CacheAddress": "cache:6379", "CacheTokenArn": "arn:token", "Subnets": "a,b", "FunctionsSecurityGroup": "sg"}
COORDINATOR = {"CoordinatorHost": "coordinator.example.org", "CoordinatorPort": "12315"}
FUNCTIONS = ["ApiFunction", "AggregateFunction", "DeliverFunction"]


def on_aws(**more: str) -> Chosen:
    return Chosen(TEMPLATE, Table="table", Bucket="bucket", **more)


def function(chosen: Chosen, name: str) -> dict[str, Any]:
    return dict(chosen.resources(FUNCTION)[name])


def variables(chosen: Chosen, name: str) -> dict[str, Any]:
    shared = chosen.taken(TEMPLATE.body["Globals"]["Function"]["Environment"]["Variables"])
    return {**shared, **function(chosen, name)["Environment"]["Variables"]}


def statements(chosen: Chosen, role: str) -> list[dict[str, Any]]:
    (policy,) = chosen.resources("AWS::IAM::Role")[role]["Policies"]
    return list(policy["PolicyDocument"]["Statement"])


def test_without_a_cache_no_function_lives_in_the_network() -> None:
    chosen = on_aws()
    assert not [name for name in FUNCTIONS if "VpcConfig" in function(chosen, name)]
    assert variables(chosen, "ApiFunction")["REDIS_URL"] == ""
    assert "arn:token" not in str(chosen.resources("AWS::IAM"))


def test_with_a_cache_those_that_use_it_do() -> None:
    chosen = on_aws(**CACHE)
    assert ["VpcConfig" in function(chosen, name) for name in FUNCTIONS] == [True, True, False]
    assert variables(chosen, "AggregateFunction")["REDIS_URL"]["Fn::Sub"][0].startswith("rediss://")
    assert variables(chosen, "AggregateFunction")["REDIS_SECRET_ARN"] == "arn:token"


def test_what_calls_out_knows_no_cache() -> None:
    chosen = on_aws(**CACHE)
    assert not [name for name in variables(chosen, "DeliverFunction") if name.startswith("REDIS")]
    assert "arn:token" not in str(chosen.resources("AWS::IAM::Role")["DeliverRole"])


def test_a_redis_of_one_s_own_goes_before_the_platform_s() -> None:
    chosen = on_aws(**CACHE, RedisUrl="redis://mine")
    assert variables(chosen, "ApiFunction")["REDIS_URL"] == "redis://mine"
    assert "VpcConfig" not in function(chosen, "ApiFunction")


def test_the_coordinator_s_port_is_open_to_the_one_that_asks() -> None:
    chosen = on_aws(**CACHE, **COORDINATOR)
    (group,) = chosen.resources("AWS::EC2::SecurityGroup").values()
    assert [one["ToPort"] for one in group["SecurityGroupEgress"]] == ["12315"]
    assert len(function(chosen, "AggregateFunction")["VpcConfig"]["SecurityGroupIds"]) == 2
    assert len(function(chosen, "ApiFunction")["VpcConfig"]["SecurityGroupIds"]) == 1


@pytest.mark.parametrize("more", [CACHE, COORDINATOR, {**CACHE, **COORDINATOR, "LocalMode": "true"}])
def test_else_no_port_is(more: dict[str, str]) -> None:
    assert not on_aws(**more).resources("AWS::EC2")


def test_doors_are_closed_on_aws_whatever_is_asked() -> None:
    assert variables(on_aws(EnableApiKeys="false"), "ApiFunction")["ENABLE_API_KEYS"] == "true"


@pytest.mark.parametrize(("authorizer", "callers"), [("", "key"), ("AWS_IAM", "iam")])
def test_gateway_and_room_agree_on_who_calls(authorizer: str, callers: str) -> None:
    chosen = on_aws(AggregationAuthorizer=authorizer)
    auth = chosen.resources("AWS::Serverless::Api")["Api"]["Auth"]
    assert auth == {"DefaultAuthorizer": authorizer, "InvokeRole": "NONE"}
    assert variables(chosen, "ApiFunction")["AGGREGATION_CALLERS"] == callers


def test_sam_sees_the_authorizer_before_conditions_are_decided() -> None:
    """Its transform follows a reference to a parameter, and no condition."""
    assert TEMPLATE.resources("AWS::Serverless::Api")["Api"]["Auth"]["DefaultAuthorizer"] == {
        "Ref": "AggregationAuthorizer"
    }


def test_every_gateway_answer_is_in_the_room_s_form() -> None:
    answers = TEMPLATE.resources("AWS::Serverless::Api")["Api"]["GatewayResponses"]
    texts = [answer["ResponseTemplates"]["application/json"] for answer in answers.values()]
    assert all(list(json.loads(text.replace("$context.error.messageString", '"x"'))) == ["error"] for text in texts)
    assert "/uploads" in answers["REQUEST_TOO_LARGE"]["ResponseTemplates"]["application/json"]


def test_the_sweep_comes_every_minute() -> None:
    chosen = on_aws()
    (rule,) = chosen.resources("AWS::Events::Rule").values()
    (target,) = rule["Targets"]
    assert (rule["ScheduleExpression"], json.loads(target["Input"])) == ("rate(1 minute)", {"about": "sweep"})
    (policy,) = chosen.resources("AWS::SQS::QueuePolicy").values()
    (allowed,) = policy["PolicyDocument"]["Statement"]
    assert allowed["Resource"] == target["Arn"]


def test_the_room_sees_its_own_alone() -> None:
    state = on_aws().resources("AWS::IAM::ManagedPolicy")["RoomState"]
    allowed = {one["Sid"]: one for one in state["PolicyDocument"]["Statement"]}
    assert allowed["Records"]["Condition"]["ForAllValues:StringLike"] == {"dynamodb:LeadingKeys": ["aggregation#*"]}
    folders = [one["Fn::Sub"][0].rpartition("${Name}/")[2] for one in allowed["Objects"]["Resource"]]
    assert folders == ["aggregation/*", "uploads/*", "claims/*", "results/*"]


def test_only_what_delivers_may_write_elsewhere() -> None:
    roles = on_aws(ResultsPolicy="arn:policy").resources("AWS::IAM::Role")
    assert [name for name, role in roles.items() if "arn:policy" in str(role)] == ["DeliverRole"]


def test_api_keys_are_for_the_api_alone() -> None:
    chosen = on_aws()
    roles = ["ApiRole", "AggregateRole", "DeliverRole"]
    knows = [
        role for role in roles if any(one.get("Resource") == {"Ref": "ApiKeys"} for one in statements(chosen, role))
    ]
    assert knows == ["ApiRole"]


@pytest.mark.parametrize(
    "alarm", ["JobsFail", "SweepStandsStill", "AggregateOld", "DeliverOld", "DeliverDeadLettersFilled"]
)
def test_somebody_is_told(alarm: str) -> None:
    told = on_aws(AlarmTopic="arn:aws:sns:topic").resources("AWS::CloudWatch::Alarm")[alarm]
    assert told["AlarmActions"] == ["arn:aws:sns:topic"]
    assert told["TreatMissingData"] == ("breaching" if alarm == "SweepStandsStill" else "notBreaching")


def test_failed_jobs_are_counted_in_the_logs() -> None:
    chosen = on_aws()
    filters = chosen.resources("AWS::Logs::MetricFilter").values()
    assert {one["FilterPattern"] for one in filters} == {'"job ended FAILED"'}
    names = {str(one["MetricTransformations"][0]["MetricName"]) for one in filters}
    assert names == {str(chosen.resources("AWS::CloudWatch::Alarm")["JobsFail"]["MetricName"])}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_it_is_told_what_its_settings_read(name: str) -> None:
    blocks: list[type[Settings]] = [PlaceSettings, LogSettings, HttpSettings, *own_blocks()]
    known = {field.alias for block in blocks for field in block.model_fields.values()}
    told = {name for name in variables(on_aws(), name) if not name.startswith("POWERTOOLS_")}
    assert told - known == set()


def own_blocks() -> list[type[Settings]]:
    mine = [one for one in vars(settings).values() if isinstance(one, type) and issubclass(one, Settings)]
    return [block for block in mine if block.model_fields]


def test_the_defaults_of_the_template_are_those_of_the_settings() -> None:
    told = {name: str(value) for name, value in variables(on_aws(LocalMode="true"), "ApiFunction").items()}
    plain = {name: value for name, value in told.items() if not value.startswith("{")}
    unset = {"ENABLE_API_KEYS": "", "AGGREGATION_CALLERS": ""}
    for block in own_blocks():
        assert read(block, {**plain, **unset}) == read(block, {})


def test_all_that_can_be_set_is_a_parameter() -> None:
    asked = {field.alias for block in own_blocks() for field in block.model_fields.values()}
    assert {str(name) for name in asked} - set(variables(on_aws(), "ApiFunction")) == set()


def test_the_root_hands_all_of_it_on() -> None:
    root = Template.read(INFRA.parent / "template.yaml")
    given = set(root.resources("AWS::Serverless::Application")["Aggregation"]["Parameters"])
    own = {"ApiLogs", "Cache", "RequestsPerSecond", "AggregationsAtOnce"}
    assert set(TEMPLATE.body["Parameters"]) - given == own


def test_the_room_leaves_the_bucket_with_its_records() -> None:
    bucket = Template.read(INFRA / "platform.yaml").resources("AWS::S3::Bucket")["Bucket"]
    kept = {rule.get("Prefix"): rule.get("ExpirationInDays") for rule in bucket["LifecycleConfiguration"]["Rules"]}
    for folder in ("jobs", "returns", "outcomes"):
        assert kept[f"aggregation/{folder}/"] == {"Ref": "JobRetentionDays"}
    assert kept["aggregation/sessions/"] == 2
    assert not [prefix for prefix in kept if re.match("aggregation/(results)?/?$", str(prefix))]
