"""What ECS is asked for, and what its answers mean."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.stub import ANY, Stubber

from quintet.adapters.aws import client, forget_clients
from quintet.adapters.ecs_tasks import EcsTasks
from quintet.kernel.errors import Misconfigured, Overloaded, Unavailable

TASKS = EcsTasks("cluster", "trainer:7", "trainer", "training", subnets=["subnet-1"], security_groups=["sg-1"])
ASKED: dict[str, Any] = {
    "cluster": "cluster",
    "taskDefinition": "trainer:7",
    "group": "training",
    "clientToken": ANY,
    "overrides": {
        "containerOverrides": [
            {"name": "trainer", "command": ["train"], "environment": [{"name": "QUINTET_JOB_KEY", "value": "ada#1"}]}
        ]
    },
    "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1"], "securityGroups": ["sg-1"]}},
    "launchType": "FARGATE",
}


@pytest.fixture
def ecs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    for name, value in {"REGION": "eu-central-1", "ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    forget_clients()
    with Stubber(client("ecs")) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()
    forget_clients()


def start(tasks: EcsTasks = TASKS) -> str:
    return tasks.start(["train"], {"QUINTET_JOB_KEY": "ada#1"}, once="ada#1/1")


def test_a_task_is_asked_for_by_a_token_that_ecs_takes(ecs: Stubber) -> None:
    ecs.add_response("run_task", {"tasks": [{"taskArn": "arn:task"}]}, ASKED)
    assert start() == "arn:task"


def test_a_capacity_provider_takes_the_place_of_fargate(ecs: Stubber) -> None:
    strategy = [{"capacityProvider": "gpu", "weight": 1}]
    asked = {**ASKED, "capacityProviderStrategy": strategy}
    del asked["launchType"]
    ecs.add_response("run_task", {"tasks": [{"taskArn": "arn:task"}]}, asked)
    start(EcsTasks("cluster", "trainer:7", "trainer", "training", "gpu", ["subnet-1"], ["sg-1"]))


@pytest.mark.parametrize(
    ("reason", "ours"),
    [
        ("RESOURCE:GPU", Overloaded),
        ("Capacity is unavailable at this time. Please try again later", Overloaded),
        ("MISSING", Unavailable),
    ],
)
def test_a_task_that_is_not_started_says_whether_it_is_for_want_of_room(
    ecs: Stubber, reason: str, ours: type[Unavailable]
) -> None:
    ecs.add_response("run_task", {"tasks": [], "failures": [{"reason": reason}]})
    with pytest.raises(ours) as refusal:
        start()
    assert type(refusal.value) is ours


def test_a_start_that_was_asked_for_before_a_deployment_is_that_task(ecs: Stubber) -> None:
    """ECS keeps a token for a day, and refuses it for a request that is not the same to the letter."""
    ecs.add_client_error("run_task", "ConflictException", modeled_fields={"resourceIds": ["arn:before"]})
    assert start() == "arn:before"


@pytest.mark.parametrize("code", ["InvalidParameterException", "ClientException", "ConflictException"])
def test_what_is_refused_is_for_somebody_to_set_right(ecs: Stubber, code: str) -> None:
    ecs.add_client_error("run_task", code, "subnets missing")
    with pytest.raises(Misconfigured) as refusal:
        start()
    assert refusal.value.details["code"] == code


@pytest.mark.parametrize(
    ("status", "state"),
    [("PROVISIONING", "waiting"), ("PENDING", "running"), ("RUNNING", "running"), ("STOPPED", "gone")],
)
def test_a_task_waits_until_it_has_a_machine(ecs: Stubber, status: str, state: str) -> None:
    ecs.add_response("describe_tasks", {"tasks": [{"lastStatus": status}]})
    assert TASKS.state("arn:task") == state


def test_a_task_that_ecs_has_forgotten_is_gone(ecs: Stubber) -> None:
    ecs.add_response("describe_tasks", {"tasks": [], "failures": [{"reason": "MISSING"}]})
    assert TASKS.state("arn:task") == "gone"
    ecs.add_client_error("stop_task", "InvalidParameterException", "The referenced task was not found.")
    TASKS.stop("arn:task", "no reason")
