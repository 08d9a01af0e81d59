"""Tasks and services of ECS are processes here: what they see, how they end, what brings them back."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from tests.clouds import WORKER, LocalCloud

TEMPLATE = Path(__file__).parent / "toy/infra/workers.yaml"
Answer = dict[str, Any]


@dataclass(frozen=True)
class Stack:
    """The toys' worker in a stack of its own, made and changed through CloudFormation's API."""

    cloud: LocalCloud
    name: str

    def make(self, **parameters: str) -> "Stack":
        self.ask("create_stack", parameters, "stack_create_complete")
        return self

    def change(self, **parameters: str) -> None:
        self.ask("update_stack", parameters, "stack_update_complete")

    def ask(self, verb: str, parameters: dict[str, str], done: str) -> None:
        given = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
        client = self.cloud.client("cloudformation")
        getattr(client, verb)(StackName=self.name, TemplateBody=TEMPLATE.read_text(), Parameters=given)
        client.get_waiter(done).wait(StackName=self.name, WaiterConfig={"Delay": 1})

    def delete(self) -> None:
        client = self.cloud.client("cloudformation")
        client.delete_stack(StackName=self.name)
        client.get_waiter("stack_delete_complete").wait(StackName=self.name, WaiterConfig={"Delay": 1})

    @property
    def outputs(self) -> dict[str, str]:
        found = self.cloud.client("cloudformation").describe_stacks(StackName=self.name)["Stacks"][0]
        return {one["OutputKey"]: one["OutputValue"] for one in found["Outputs"]}

    def run(self, *command: str, environment: dict[str, str] | None = None, **more: Any) -> str:
        """The ARN of a task with this command."""
        variables = [{"name": name, "value": value} for name, value in (environment or {}).items()]
        override = {"name": self.name, "command": list(command), "environment": variables}
        out = self.outputs
        asked = {"cluster": out["Cluster"], "taskDefinition": out["Task"], **more}
        started = self.cloud.client("ecs").run_task(overrides={"containerOverrides": [override]}, **asked)
        assert started["tasks"][0]["lastStatus"] == "PROVISIONING"
        return str(started["tasks"][0]["taskArn"])

    def task(self, arn: str) -> Answer:
        answer = self.cloud.client("ecs").describe_tasks(cluster=self.outputs["Cluster"], tasks=[arn])
        return dict(answer["tasks"][0])

    def ended(self, arn: str) -> Answer:
        assert eventually(lambda: self.task(arn)["lastStatus"] == "STOPPED")
        return self.task(arn)

    def stop(self, arn: str, **more: str) -> None:
        self.cloud.client("ecs").stop_task(cluster=self.outputs["Cluster"], task=arn, **more)

    def logged(self, arn: str) -> list[str]:
        stream, client = f"toys/{self.name}/{arn.rpartition('/')[2]}", self.cloud.client("logs")
        try:
            events = client.get_log_events(logGroupName=self.outputs["Logs"], logStreamName=stream)["events"]
        except client.exceptions.ResourceNotFoundException:  # the task is about to start
            return []
        return [event["message"] for event in events]

    def serving(self, arn: str) -> bool:
        return eventually(lambda: "serving one" in self.logged(arn))

    @property
    def service(self) -> Answer:
        out = self.outputs
        found = self.cloud.client("ecs").describe_services(cluster=out["Cluster"], services=[out["Service"]])
        return dict(found["services"][0])

    def service_task(self) -> str:
        out = self.outputs
        listed = self.cloud.client("ecs").list_tasks(cluster=out["Cluster"], serviceName=out["Service"])
        return str(listed["taskArns"][0])

    def processes(self, word: str | None = None) -> dict[int, psutil.Process]:
        """The living workers of this stack, those with this word alone where one is given."""
        return {one.pid: one for one in psutil.process_iter() if self.owns(one, word)}

    def owns(self, process: psutil.Process, word: str | None) -> bool:
        try:
            line, variables = process.cmdline(), process.environ()
            mine = str(WORKER) in line[:2] and variables.get("STACK") == self.name
            return mine and process.is_running() and word in (None, variables["WORD"])
        except psutil.Error:
            return False

    def one(self, word: str | None = None, besides: int = 0) -> int:
        """The pid of its only process, once there is just one, and not this one."""
        assert eventually(lambda: len(found := self.processes(word)) == 1 and besides not in found)
        return next(iter(self.processes(word)))


def eventually(question: Callable[[], bool], patience: float = 30.0) -> bool:
    deadline = time.monotonic() + patience
    while not (answer := question()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return answer


Make = Callable[..., Stack]


@pytest.fixture(scope="module")
def tasks(toy: LocalCloud) -> Iterator[Stack]:
    """A stack without a running service, for tests of single tasks."""
    stack = Stack(toy, "tasks").make(Count="0", StopTimeout="2")
    yield stack
    stack.delete()


@pytest.fixture
def stack(toy: LocalCloud, request: pytest.FixtureRequest) -> Iterator[Make]:
    made: list[Stack] = []

    def make(**parameters: str) -> Stack:
        made.append(Stack(toy, f"service-{abs(hash(request.node.name)) % 10**8}"))
        return made[-1].make(**parameters)

    yield make
    for one in made:
        one.delete()


class TestTasks:
    def test_a_task_sees_its_environment_its_secrets_and_the_local_aws(self, tasks: Stack) -> None:
        arn = tasks.run("env", environment={"WORD": "given", "MORE": "é"})
        task = tasks.ended(arn)
        arguments, text = tasks.logged(arn)
        seen = json.loads(text)
        assert arguments == "arguments env"
        assert (seen["WORD"], seen["MORE"], seen["STACK"]) == ("given", "é", "tasks")
        assert (seen["PASSWORD"], seen["PORT"], seen["SETTING"]) == ("a:b", "5671", "from ssm")
        assert json.loads(seen["WHOLE"])["password"] == "a:b"
        assert seen["AWS_ENDPOINT_URL"] == tasks.cloud.endpoints.aws
        assert (seen["AWS_REGION"], seen["AWS_ACCESS_KEY_ID"]) == ("us-east-1", "test")
        assert not Path(seen["TMPDIR"]).exists()
        assert (task["containers"][0]["exitCode"], task["stopCode"]) == (0, "EssentialContainerExited")
        assert task["stoppedReason"] == "Essential container in task exited"
        assert task["capacityProviderName"] == tasks.outputs["Capacity"]
        assert task["createdAt"] <= task["startedAt"] <= task["stoppedAt"]

    def test_its_output_is_in_the_cloud_s_own_logs_too(self, tasks: Stack) -> None:
        tasks.ended(tasks.run("exit", "0"))
        assert "arguments exit 0\n" in (tasks.cloud.folder / "run/logs/tasks.log").read_text()

    def test_the_exit_code_is_the_process_s(self, tasks: Stack) -> None:
        assert tasks.ended(tasks.run("exit", "7"))["containers"][0]["exitCode"] == 7

    def test_a_killed_task_tells_137(self, tasks: Stack) -> None:
        arn = tasks.run("serve", environment={"WORD": "killed"})
        os.kill(tasks.one("killed"), signal.SIGKILL)
        task = tasks.ended(arn)
        assert (task["containers"][0]["exitCode"], task["stopCode"]) == (137, "EssentialContainerExited")

    def test_a_stopped_task_may_end_well(self, tasks: Stack) -> None:
        arn = tasks.run("save")
        assert tasks.serving(arn)
        assert (tasks.task(arn)["lastStatus"], tasks.task(arn)["desiredStatus"]) == ("RUNNING", "RUNNING")
        tasks.stop(arn, reason="a test")
        task = tasks.ended(arn)
        assert tasks.logged(arn)[-1] == "saved"
        assert (task["stopCode"], task["stoppedReason"]) == ("UserInitiated", "a test")
        assert (task["containers"][0]["exitCode"], task["desiredStatus"]) == (0, "STOPPED")

    def test_a_task_that_stays_is_killed_after_its_stop_timeout(self, tasks: Stack) -> None:
        arn = tasks.run("stay")
        assert tasks.serving(arn)
        start = time.monotonic()
        tasks.stop(arn)
        assert tasks.task(arn)["desiredStatus"] == "STOPPED"
        assert tasks.ended(arn)["containers"][0]["exitCode"] == 137
        assert 1.9 < time.monotonic() - start < 20
        assert "staying" in tasks.logged(arn)

    def test_what_a_task_started_ends_with_it(self, tasks: Stack) -> None:
        arn = tasks.run("parent", environment={"WORD": "family"})
        assert eventually(lambda: len(tasks.processes("family")) == 2)
        tasks.ended(arn)
        assert not tasks.processes("family")

    def test_an_unknown_image_says_so(self, stack: Make) -> None:
        unknown = stack(Image="quintet/nobody:1", Count="0")
        task = unknown.ended(unknown.run("env"))
        assert task["stopCode"] == "TaskFailedToStart"
        assert task["stoppedReason"].startswith("CannotPullContainerError: ")
        assert "quintet/nobody:1" in task["stoppedReason"]
        assert "exitCode" not in task["containers"][0]

    def test_the_registry_of_an_image_makes_no_difference(self, stack: Make) -> None:
        named = stack(Image="1.dkr.ecr.us-east-1.amazonaws.com/toy-local/toy:7", Count="0")
        assert named.ended(named.run("exit", "3"))["containers"][0]["exitCode"] == 3

    def test_a_secret_that_is_missing_stops_the_start(self, tasks: Stack) -> None:
        ecs = tasks.cloud.client("ecs")
        missing = "arn:aws:secretsmanager:us-east-1:000000000000:secret:nothing-123456"
        one = {"name": "one", "image": "toy/toy", "memory": 64, "secrets": [{"name": "A", "valueFrom": missing}]}
        made = ecs.register_task_definition(family="secretive", containerDefinitions=[one])
        cluster = tasks.outputs["Cluster"]
        arn = ecs.run_task(cluster=cluster, taskDefinition="secretive")["tasks"][0]["taskArn"]
        task = tasks.ended(arn)
        assert task["taskDefinitionArn"] == made["taskDefinition"]["taskDefinitionArn"]
        assert task["stoppedReason"].startswith("ResourceInitializationError: unable to pull secrets")

    def test_a_request_that_is_repeated_starts_one_task(self, tasks: Stack) -> None:
        first = tasks.run("exit", "0", clientToken="same")
        again = {"name": "tasks", "command": ["exit", "0"], "environment": []}
        asked = {"cluster": tasks.outputs["Cluster"], "taskDefinition": tasks.outputs["Task"], "clientToken": "same"}
        ecs = tasks.cloud.client("ecs")
        assert ecs.run_task(**asked, overrides={"containerOverrides": [again]})["tasks"][0]["taskArn"] == first
        with pytest.raises(ecs.exceptions.ConflictException):
            ecs.run_task(**asked)

    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({"cluster": "nowhere"}, "ClusterNotFoundException"),
            ({"taskDefinition": "nothing"}, "ClientException"),
            ({"overrides": {"containerOverrides": [{"name": "other"}]}}, "InvalidParameterException"),
            ({"capacityProviderStrategy": [{"capacityProvider": "none"}]}, "InvalidParameterException"),
            ({"count": 11}, "InvalidParameterException"),
        ],
    )
    def test_a_wrong_request_is_refused(self, tasks: Stack, change: Answer, code: str) -> None:
        asked = {"cluster": tasks.outputs["Cluster"], "taskDefinition": tasks.outputs["Task"], **change}
        with pytest.raises(ClientError) as caught:
            tasks.cloud.client("ecs").run_task(**asked)
        assert caught.value.response["Error"]["Code"] == code

    def test_a_task_that_nobody_started_is_missing(self, tasks: Stack) -> None:
        answer = tasks.cloud.client("ecs").describe_tasks(cluster=tasks.outputs["Cluster"], tasks=["nobody"])
        assert answer["failures"][0]["reason"] == "MISSING"

    def test_the_end_of_a_task_is_told_to_a_queue(self, stack: Make) -> None:
        told = stack(Count="0")
        arn = told.run("exit", "5", startedBy="a test")
        told.ended(arn)
        sqs = told.cloud.client("sqs")
        (message,) = sqs.receive_message(QueueUrl=told.outputs["Stopped"], WaitTimeSeconds=10)["Messages"]
        event = json.loads(message["Body"])
        assert (event["source"], event["detail-type"], event["resources"]) == (
            "aws.ecs",
            "ECS Task State Change",
            [arn],
        )
        detail = event["detail"]
        assert (detail["taskArn"], detail["startedBy"], detail["group"]) == (arn, "a test", f"family:{told.name}-Task")
        assert (detail["lastStatus"], detail["desiredStatus"]) == ("STOPPED", "STOPPED")
        assert (detail["stopCode"], detail["containers"][0]["exitCode"]) == ("EssentialContainerExited", 5)
        assert detail["overrides"]["containerOverrides"][0]["command"] == ["exit", "5"]
        assert detail["stoppedAt"].endswith("Z")


class TestServices:
    def test_a_killed_process_is_back_within_ten_seconds_each_time(self, stack: Make) -> None:
        service = stack()
        pid = service.one()
        for _ in range(3):
            start = time.monotonic()
            os.kill(pid, signal.SIGKILL)
            pid = service.one(besides=pid)
            assert time.monotonic() - start < 10

    def test_a_changed_environment_restarts_it_with_the_new_one(self, stack: Make) -> None:
        service = stack(Command="save")
        old, task = service.one("one"), service.service_task()
        assert service.serving(task)
        service.change(Command="save", Word="two")
        assert service.one("two") != old
        assert eventually(lambda: not service.processes("one"))
        stopped = service.ended(task)
        assert service.logged(task)[-1] == "saved"
        assert (stopped["stopCode"], stopped["containers"][0]["exitCode"]) == ("ServiceSchedulerInitiated", 0)

    def test_the_stop_timeout_of_the_old_one_is_honoured(self, stack: Make) -> None:
        service = stack(Command="stay", StopTimeout="3")
        service.one("one")
        task = service.service_task()
        assert service.serving(task)
        start = time.monotonic()
        service.change(Command="serve", Word="two")
        assert service.one("two")
        assert service.processes("one")
        assert service.ended(task)["containers"][0]["exitCode"] == 137
        assert time.monotonic() - start > 2.9

    def test_it_is_scaled_up_and_down(self, stack: Make) -> None:
        service = stack()
        first = service.one()
        for count in (3, 1, 0):
            service.change(Count=str(count))
            assert eventually(lambda count=count: len(service.processes()) == count)  # type: ignore[misc]
            assert eventually(lambda count=count: service.service["runningCount"] == count)  # type: ignore[misc]
            assert count == 0 or first in service.processes()

    def test_update_service_starts_anew_where_it_is_told_to(self, stack: Make) -> None:
        service = stack()
        old = service.one()
        ecs, out = service.cloud.client("ecs"), service.outputs
        ecs.update_service(cluster=out["Cluster"], service=out["Service"], forceNewDeployment=True)
        assert service.one(besides=old)
        ecs.get_waiter("services_stable").wait(
            cluster=out["Cluster"], services=[out["Service"]], WaiterConfig={"Delay": 1, "MaxAttempts": 10}
        )
        assert service.service["deployments"][0]["rolloutState"] == "COMPLETED"

    def test_a_crash_loop_is_slowed_down_and_told(self, stack: Make) -> None:
        start = time.monotonic()
        service = stack(Command="exit,1")
        assert eventually(lambda: service.service["deployments"][0]["failedTasks"] >= 3)
        assert time.monotonic() - start > 1.5
        assert "has started 1 tasks" in service.service["events"][0]["message"]

    def test_deleting_the_service_ends_it(self, stack: Make) -> None:
        service = stack()
        service.one()
        ecs, out = service.cloud.client("ecs"), service.outputs
        with pytest.raises(ecs.exceptions.InvalidParameterException):
            ecs.delete_service(cluster=out["Cluster"], service=out["Service"])
        ecs.delete_service(cluster=out["Cluster"], service=out["Service"], force=True)
        assert eventually(lambda: not service.processes())
        assert eventually(lambda: service.service["status"] == "INACTIVE")

    def test_deleting_the_stack_ends_it_and_the_tasks_beside_it(self, stack: Make) -> None:
        service = stack()
        service.one()
        service.run("serve")
        assert eventually(lambda: len(service.processes()) == 2)
        service.delete()
        assert eventually(lambda: not service.processes())


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A cloud for tests that end it, whose only stack is the worker's."""
    cloud = LocalCloud(tmp_path_factory.mktemp("own") / "cloud", TEMPLATE)
    yield cloud
    cloud.run("down")


class TestEnds:
    def test_a_killed_localstack_leaves_no_worker(self, own: LocalCloud) -> None:
        own.up()
        stack = Stack(own, "quintet")
        stack.one()
        stack.run("stay")
        assert eventually(lambda: len(stack.processes()) == 2)
        workers = list(stack.processes().values())
        host = workers[0].parent()
        assert host is not None
        host.kill()
        assert not psutil.wait_procs(workers, timeout=5)[1]

    def test_down_asks_the_workers_first_and_leaves_none(self, own: LocalCloud, tmp_path: Path) -> None:
        own.up()
        stack = Stack(own, "quintet")
        stack.one()
        arn = stack.run("save")
        assert stack.serving(arn)
        workers = list(stack.processes().values())
        log = own.folder / "run/logs/quintet.log"
        kept = tmp_path / "kept.log"
        os.link(log, kept)
        assert own.run("down").returncode == 0
        assert len(workers) == 2
        assert not [worker for worker in workers if worker.is_running()]
        assert "saved" in kept.read_text()
