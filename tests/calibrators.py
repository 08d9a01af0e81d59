"""The calibrator as a process of its own, on servers that tests start: a broker, and AWS's services played by moto."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import grpc
import pika
from grpc_health.v1 import health_pb2, health_pb2_grpc

from infra.local.ports import free
from quintet.adapters.rabbitmq import BrokerAddress, parameters
from quintet.calibration.pb import new_client_pb2 as pb
from quintet.calibration.pb.new_client_pb2_grpc import ClientNotificationServiceStub

ROOT = Path(__file__).parents[1]
MAIN = ROOT / "gpu_workers/calibrator/main.py"
BUCKET = "calibrations"


@dataclass
class Calibrators:
    """Workers that share a broker, a bucket and a table. Each is started, killed and stopped on its own."""

    broker: BrokerAddress
    aws: str
    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    store: str = BUCKET
    """The name of their bucket and of their table."""

    prefix: Sequence[str] = ()
    """What stands before the command, such as taskset."""
    processes: "dict[int, subprocess.Popen[bytes]]" = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        own = {
            name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "RABBITMQ_", "MLFLOW_"))
        }
        return {
            **own,
            "AWS_ENDPOINT_URL": self.aws,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "QUINTET_ROOM": "calibration",
            "QUINTET_LOCAL": "true",
            "QUINTET_BUCKET": self.store,
            "QUINTET_TABLE": self.store,
            "RABBITMQ_HOST": self.broker.host,
            "RABBITMQ_PORT": str(self.broker.port),
            "RABBITMQ_USER": self.broker.user,
            "RABBITMQ_PASSWORD": self.broker.password,
            "RABBITMQ_VHOST": self.broker.vhost,
            "CALIBRATION_LEASE_SECONDS": "2",
            "PYTHONPATH": f"{ROOT / 'layers/shared'}:{ROOT}",
            **self.settings,
        }

    def start(self, **more: str) -> int:
        """The gRPC port of a new worker, which serves."""
        port = self.launch(more)
        self.await_serving(port)
        return port

    def launch(self, more: Mapping[str, str], main: Path = MAIN) -> int:
        """The gRPC port of a new worker, which may not serve yet."""
        port = free()
        with (self.folder / f"calibrator-{port}.log").open("wb") as log:
            self.processes[port] = subprocess.Popen(
                [*self.prefix, sys.executable, str(main)],
                env={**self.environment, "GRPC_PORT": str(port), **more},
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
            )
        return port

    def await_serving(self, port: int) -> None:
        until(lambda: serves(port) or self._died(port), 60)

    def signal(self, port: int, number: int) -> None:
        self.processes[port].send_signal(number)

    def kill(self, port: int) -> None:
        process = self.processes.pop(port)
        process.kill()
        process.wait(10)

    def stop(self, port: int) -> int:
        """Its exit code."""
        process = self.processes.pop(port)
        process.send_signal(signal.SIGTERM)
        return process.wait(60)

    def outlive(self, port: int) -> int:
        """The exit code of one that ends by itself."""
        return self.processes.pop(port).wait(60)

    def close(self) -> None:
        for port in list(self.processes):
            self.kill(port)

    def log(self, port: int) -> str:
        return (self.folder / f"calibrator-{port}.log").read_text()

    def _died(self, port: int) -> bool:
        if self.processes[port].poll() is not None:
            raise AssertionError(self.log(port)[-3000:])
        return False


def serves(port: int) -> bool:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel, suppress(grpc.RpcError):
        stub: Any = health_pb2_grpc.HealthStub(channel)
        answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=2)
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
    return False


def until(done: Callable[[], Any], seconds: float = 30.0) -> Any:
    """What `done` returns once that is true."""
    deadline = time.monotonic() + seconds
    while not (found := done()):
        assert time.monotonic() < deadline, "it does not come to pass"
        time.sleep(0.05)
    return found


@contextmanager
def mq_channel(broker: BrokerAddress) -> Iterator[Any]:
    connection = pika.BlockingConnection(parameters(broker))
    try:
        yield connection.channel()
    finally:
        connection.close()


def register(port: int, *fields: str) -> "pb.NewClientResponse":
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        names = ("client_id", "second", "third", "fourth", "fifth")
        request = pb.NewClientRequest(**dict(zip(names, fields, strict=False)))
        return ClientNotificationServiceStub(channel).NotifyNewClient(request, timeout=20)


def make_store(aws: str, name: str = BUCKET) -> None:
    """The bucket and the table, as the platform makes them."""
    keys: dict[str, Any] = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=aws, **keys).create_bucket(Bucket=name)
    boto3.client("dynamodb", endpoint_url=aws, **keys).create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
    )
