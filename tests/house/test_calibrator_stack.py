"""What the calibration stack makes of its calibrator for each choice of parameters; AWS's half runs nowhere else."""

import re
from pathlib import Path
from typing import Any

import pytest

from quintet.calibration import settings
from quintet.kernel.settings import GrpcSettings, LogSettings, PlaceSettings, Settings
from tests.house.conditions import Chosen
from tests.house.templates import Template

INFRA = Path(__file__).parents[2] / "infra"
TEMPLATE = Template.read(INFRA / "calibration.yaml")
BROKER = {"BrokerHost": "broker", "BrokerSecretArn": "arn:admin", "BrokerFunctionArn": "arn:f", "BrokerManagement": "m"}
CERTIFIED = {"CalibratorCertificate": "arn:aws:acm:one", "CalibratorScheme": "internet-facing"}
OF_AWS = ("ElasticLoadBalancingV2", "EC2", "ApplicationAutoScaling", "Logs::MetricFilter")


def on_aws(**more: str) -> Chosen:
    return Chosen(TEMPLATE, Table="table", Bucket="bucket", CalibratorImage="image", **more)


def container(chosen: Chosen) -> dict[str, Any]:
    (only,) = chosen.resources("AWS::ECS::TaskDefinition")["CalibratorTask"]["ContainerDefinitions"]
    return dict(only)


def variables(chosen: Chosen) -> dict[str, Any]:
    return {one["Name"]: one["Value"] for one in container(chosen)["Environment"]}


def of_aws(chosen: Chosen) -> set[str]:
    """Kinds that make no sense on one machine."""
    return {kind for kind in OF_AWS if chosen.resources(f"AWS::{kind}")}


def test_without_an_image_there_is_the_api_alone() -> None:
    chosen = Chosen(TEMPLATE, Table="table", Bucket="bucket", **BROKER)
    assert list(chosen.resources("AWS::Serverless::Function")) == ["ApiFunction"]
    assert not chosen.resources("AWS::ECS")
    assert not chosen.resources("Custom::BrokerQueues")  # nobody would take what comes to them
    assert not of_aws(chosen)


def test_grpc_stands_behind_a_load_balancer() -> None:
    chosen = on_aws()
    (listener,) = chosen.resources("AWS::ElasticLoadBalancingV2::Listener").values()
    assert (listener["Port"], listener["Protocol"], "Certificates" in listener) == (50051, "TCP", False)
    (balanced,) = chosen.resources("AWS::ECS::Service")["CalibratorService"]["LoadBalancers"]
    assert (balanced["ContainerName"], balanced["ContainerPort"]) == ("calibrator", 50051)
    assert container(chosen)["HealthCheck"]["Command"] == ["CMD", "python", "gpu_workers/probe.py", "--grpc", 50051]
    assert "GrpcAddress" in chosen.outputs()
    assert of_aws(chosen) == set(OF_AWS)


def test_tls_wherever_there_is_a_certificate() -> None:
    (listener,) = on_aws(**CERTIFIED).resources("AWS::ElasticLoadBalancingV2::Listener").values()
    assert (listener["Protocol"], listener["AlpnPolicy"]) == ("TLS", ["HTTP2Only"])


def test_as_many_tasks_as_the_clients_ask_for() -> None:
    chosen = on_aws(CalibratorClientsPerTask="200", Stage="try")
    policies = chosen.resources("AWS::ApplicationAutoScaling::ScalingPolicy")
    tracked = policies["CalibratorScalingByClients"]["TargetTrackingScalingPolicyConfiguration"]
    assert tracked["TargetValue"] == "200"
    assert tracked["CustomizedMetricSpecification"]["Statistic"] == "Average"
    (made,) = chosen.resources("AWS::Logs::MetricFilter")["CalibratorClients"]["MetricTransformations"]
    assert made["MetricName"] == tracked["CustomizedMetricSpecification"]["MetricName"]
    assert "DefaultValue" not in made  # it would be averaged in with every other line of the log


def test_every_alarm_on_the_log_has_its_metric() -> None:
    chosen = on_aws()
    filters = chosen.resources("AWS::Logs::MetricFilter").values()
    made = {str(one["MetricTransformations"][0]["MetricName"]) for one in filters}
    asked = re.findall(r"MetricName: !Sub \"?(\$\{Stage\}-calibration-[a-z-]+)", TEMPLATE.text)
    assert {str({"Fn::Sub": name}) for name in asked} == made
    assert made


@pytest.mark.parametrize(
    "alarm", ["Gone", "Unhealthy", "Busy", "Full", "Behind", "CommitsFail", "SessionsFail", "Errors"]
)
def test_somebody_is_told(alarm: str) -> None:
    told = on_aws(AlarmTopic="arn:aws:sns:topic").resources("AWS::CloudWatch::Alarm")[f"Calibrator{alarm}"]
    assert told["AlarmActions"] == ["arn:aws:sns:topic"]
    missing = "breaching" if alarm == "Gone" else "notBreaching"
    assert told["TreatMissingData"] == missing


def test_its_user_of_the_broker_only_reads() -> None:
    chosen = on_aws(**BROKER)
    asked = chosen.resources("Custom::BrokerQueues")["BrokerQueues"]
    assert asked["Users"] == [{"SecretArn": {"Ref": "BrokerUser"}, "Read": ".*"}]
    queue = "calibration_service_connections_queue"
    assert (asked["Queues"], "Requests" in asked) == ([queue], False)
    assert asked["Exchanges"] == [{"Name": "new_connections_exchange", "Type": "fanout", "Queues": [queue]}]
    assert {one["Name"] for one in container(chosen)["Secrets"]} == {"RABBITMQ_USER", "RABBITMQ_PASSWORD"}
    assert "arn:admin" not in str(chosen.resources("AWS::ECS")) + str(chosen.resources("AWS::IAM"))


def test_without_a_broker_it_is_told_of_none() -> None:
    chosen = on_aws()
    assert variables(chosen)["RABBITMQ_HOST"] == ""
    assert "Secrets" not in container(chosen)
    assert not chosen.resources("Custom::BrokerQueues")


def test_doors_are_closed_on_aws_whatever_is_asked() -> None:
    assert variables(on_aws(EnableApiKeys="false"))["ENABLE_API_KEYS"] == "true"


def test_on_one_machine_it_is_a_process_alone() -> None:
    chosen = on_aws(LocalMode="true", CalibratorPort="40000", **BROKER)
    assert variables(chosen)["GRPC_PORT"] == "40000"
    assert container(chosen)["PortMappings"] == [{"ContainerPort": "40000"}]
    assert not of_aws(chosen)
    assert chosen.resources("Custom::BrokerQueues")


def test_its_role_knows_only_the_room() -> None:
    role = on_aws().resources("AWS::IAM::Role")["CalibratorRole"]
    assert "ManagedPolicyArns" not in role
    (policy,) = role["Policies"]
    allowed = {one["Sid"]: one for one in policy["PolicyDocument"]["Statement"]}
    assert set(allowed) == {"Records", "Objects", "Listing", "Keys"}
    assert allowed["Records"]["Condition"]["ForAllValues:StringLike"] == {"dynamodb:LeadingKeys": ["calibration#*"]}
    assert allowed["Objects"]["Resource"]["Fn::Sub"][0].endswith("${Name}/calibration/*")


def test_the_api_changes_nothing() -> None:
    (policy,) = on_aws().resources("AWS::IAM::Role")["ApiRole"]["Policies"]
    actions = {action for one in policy["PolicyDocument"]["Statement"] for action in listed(one["Action"])}
    reading = {"dynamodb:GetItem", "dynamodb:Query", "s3:GetObject", "s3:ListBucket", "secretsmanager:GetSecretValue"}
    assert actions == reading | {"logs:CreateLogStream", "logs:PutLogEvents"}


def listed(action: Any) -> list[str]:
    return [action] if isinstance(action, str) else list(action)


def test_it_is_told_what_its_settings_read() -> None:
    blocks = [PlaceSettings, LogSettings, GrpcSettings, *vars(settings).values()]
    known = {field.alias for block in blocks if isinstance(block, type) and issubclass(block, Settings)
             for field in block.model_fields.values()}  # fmt: skip
    told = {name for name in variables(on_aws(**BROKER)) if not name.startswith("POWERTOOLS_")}
    assert told
    assert told - known == set()


def test_the_room_leaves_the_bucket_after_its_records() -> None:
    bucket = Template.read(INFRA / "platform.yaml").resources("AWS::S3::Bucket")["Bucket"]
    kept = {rule.get("Prefix"): rule.get("ExpirationInDays") for rule in bucket["LifecycleConfiguration"]["Rules"]}
    assert kept["calibration/sessions/"] > 90
    assert kept["calibration/journal/"] >= 30
