"""What the glucose stack makes of its forecaster for each choice of parameters; AWS's half runs nowhere else here."""

from pathlib import Path
from typing import Any

import pytest

from tests.house.conditions import Chosen
from tests.house.templates import Template

TEMPLATE = Template.read(Path(__file__).parents[2] / "infra/glucose.yaml")
PROBE = ["CMD", "python", "gpu_workers/probe.py"]
CERTIFIED = {"ForecasterCertificate": "arn:aws:acm:one", "ForecasterScheme": "internet-facing"}
DAEMON = {"Snetd": "sepolia", "SnetdImage": "snetd:1", "SnetdOrganization": "us", "SnetdSecretArn": "arn:aws:one"}


def on_aws(**more: str) -> Chosen:
    return Chosen(TEMPLATE, Table="table", Bucket="bucket", ForecasterImage="image", **more)


def containers(chosen: Chosen) -> dict[str, Any]:
    task = chosen.resources("AWS::ECS::TaskDefinition")["ForecasterTask"]
    return {one["Name"]: one for one in task["ContainerDefinitions"]}


def ports(container: Any) -> list[str]:
    return [str(one["ContainerPort"]) for one in container["PortMappings"]]


def listening(chosen: Chosen) -> set[int]:
    return {int(one["Port"]) for one in chosen.resources("AWS::ElasticLoadBalancingV2::Listener").values()}


def test_without_an_image_there_is_no_such_thing() -> None:
    chosen = Chosen(TEMPLATE, Table="table", Bucket="bucket")
    kinds = {one["Type"].split("::")[1] for one in TEMPLATE.body["Resources"].values()}
    assert "ECS" in kinds
    for kind in ("ECS", "EFS", "ElasticLoadBalancingV2", "EC2", "ApplicationAutoScaling"):
        assert not chosen.resources(f"AWS::{kind}")


@pytest.mark.parametrize(
    ("serve", "command", "doors", "probe"),
    [
        ("both", None, ["7003", "8000"], ["--grpc", 7003, "--rest", "8000"]),
        ("rest", ["--rest-only"], ["8000"], ["--rest", "8000"]),
        ("grpc", ["--grpc-only"], ["7003"], ["--grpc", 7003]),
    ],
)
def test_three_deployments_of_one_image(serve: str, command: Any, doors: list[str], probe: list[Any]) -> None:
    chosen = on_aws(ForecasterServe=serve)
    (container,) = containers(chosen).values()
    assert container.get("Command") == command
    assert ports(container) == doors
    assert container["HealthCheck"]["Command"] == [*PROBE, *probe]
    assert {str(port) for port in listening(chosen)} == set(doors)
    balanced = chosen.resources("AWS::ECS::Service")["ForecasterService"]["LoadBalancers"]
    assert [str(one["ContainerPort"]) for one in balanced] == doors
    assert ("GrpcAddress" in chosen.outputs()) == ("7003" in doors)


def test_tls_wherever_there_is_a_certificate() -> None:
    listeners = on_aws(**CERTIFIED, **DAEMON).resources("AWS::ElasticLoadBalancingV2::Listener").values()
    assert [one["Protocol"] for one in listeners] == ["TLS"] * 3
    plain = on_aws().resources("AWS::ElasticLoadBalancingV2::Listener").values()
    assert [one["Protocol"] for one in plain] == ["TCP"] * 2
    assert not any("AlpnPolicy" in one or "Certificates" in one for one in plain)


def test_a_daemon_stands_before_grpc_in_the_same_task() -> None:
    chosen = on_aws(**DAEMON)
    daemon = containers(chosen)["snetd"]
    assert daemon["DependsOn"] == [{"ContainerName": "forecaster", "Condition": "HEALTHY"}]
    assert ports(daemon) == ["7000"]
    assert listening(chosen) == {7000, 7003, 8000}


def test_one_etcd_has_one_writer() -> None:
    chosen = on_aws(**DAEMON)
    deployment = chosen.resources("AWS::ECS::Service")["ForecasterService"]["DeploymentConfiguration"]
    assert (deployment["MinimumHealthyPercent"], deployment["MaximumPercent"]) == (0, 100)
    scaling = chosen.resources("AWS::ApplicationAutoScaling::ScalableTarget")["ForecasterScaling"]
    assert (scaling["MinCapacity"], scaling["MaxCapacity"]) == (1, 1)


def test_doors_are_closed_on_aws_whatever_is_asked() -> None:
    (container,) = containers(on_aws(EnableApiKeys="false")).values()
    assert {"Name": "ENABLE_API_KEYS", "Value": "true"} in container["Environment"]


@pytest.mark.parametrize("more", [{}, DAEMON])
def test_on_one_machine_it_is_a_process_alone(more: dict[str, str]) -> None:
    chosen = on_aws(LocalMode="true", ForecasterServe="grpc", ForecasterPort="40000", **more)
    (container,) = containers(chosen).values()
    assert (container["Command"], ports(container)) == (["--grpc-only"], ["40000"])
    assert {"Name": "GRPC_PORT", "Value": "40000"} in container["Environment"]
    for kind in ("EFS", "ElasticLoadBalancingV2", "EC2", "ApplicationAutoScaling"):
        assert not chosen.resources(f"AWS::{kind}")


def test_the_cache_puts_the_functions_beside_it_and_keeps_its_password_secret() -> None:
    chosen = on_aws(CacheAddress="cache:6379", CacheTokenArn="arn:aws:token", Subnets="a,b", FunctionsSecurityGroup="g")
    (container,) = containers(chosen).values()
    assert container["Secrets"] == [{"Name": "REDIS_PASSWORD", "ValueFrom": "arn:aws:token"}]
    functions = chosen.resources("AWS::Serverless::Function").values()
    assert all("VpcConfig" in one for one in functions)
    assert not any("VpcConfig" in one for one in on_aws().resources("AWS::Serverless::Function").values())


def test_its_role_knows_only_the_room() -> None:
    role = on_aws().resources("AWS::IAM::Role")["ForecasterRole"]
    assert "ManagedPolicyArns" not in role
    (policy,) = role["Policies"]
    allowed = {one["Sid"]: one for one in policy["PolicyDocument"]["Statement"]}
    assert set(allowed) == {"Objects", "Listing", "Keys"}
    names = [one["Fn::Sub"][0].partition("${Name}")[2] for one in allowed["Objects"]["Resource"]]
    assert names == ["/glucose/*", "/uploads/*"]
