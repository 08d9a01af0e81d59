import json

from infra.local.cloud import Cloud
from infra.local.endpoints import Endpoints, RoomEndpoints

FULL = Endpoints(
    rooms={"glucose": RoomEndpoints(http="http://127.0.0.1:8000")},
    aws="http://127.0.0.1:4566",
    credentials={"glucose": {"api_key": "k"}},
)


def test_the_file_has_every_address_and_null_for_what_is_absent(cloud: Cloud) -> None:
    FULL.write(cloud.folder)
    assert json.loads(cloud.folder.endpoints.read_text()) == {
        "rooms": {"glucose": {"http": "http://127.0.0.1:8000", "grpc": None}},
        "aws": "http://127.0.0.1:4566",
        "redis": None,
        "rabbitmq": None,
        "rabbitmq_management": None,
        "mlflow": None,
        "bucket": None,
        "queues": {},
        "credentials": {"glucose": {"api_key": "k"}},
    }


def test_it_is_read_as_written(cloud: Cloud) -> None:
    FULL.write(cloud.folder)
    assert Endpoints.read(cloud.folder) == FULL


def test_without_a_cloud_there_are_none(cloud: Cloud) -> None:
    assert Endpoints.read(cloud.folder) is None


def test_one_line_a_room_to_try() -> None:
    assert FULL.examples() == ["curl -F file=@export.csv http://127.0.0.1:8000/convert_to_unified"]
