import socket

import pytest

from infra.local import grpc_doors, localstack
from infra.local.cloud import Cloud
from infra.local.errors import CloudError
from infra.local.ports import HOST
from infra.local.processes import Processes
from infra.local.rooms import ROOMS, Room

GLUCOSE = ROOMS["glucose"]
SILENT = Room("silent", http=8002, grpc=None, needs=frozenset())


def test_a_door_keeps_its_port_while_the_cloud_runs(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    first = grpc_doors.ports(cloud, [GLUCOSE, SILENT])
    assert set(first) == {"glucose"}
    monkeypatch.setattr(Processes, "alive", lambda self, name: name == localstack.NAME)
    assert grpc_doors.ports(cloud, [GLUCOSE]) == first


def test_a_cloud_that_starts_chooses_anew(cloud: Cloud) -> None:
    with socket.create_server((HOST, grpc_doors.ports(cloud, [GLUCOSE])["glucose"])) as taken:
        assert grpc_doors.ports(cloud, [GLUCOSE])["glucose"] != taken.getsockname()[1]


def test_a_door_that_is_open_is_told(cloud: Cloud) -> None:
    with socket.create_server((HOST, 0)) as door:
        address = f"{HOST}:{door.getsockname()[1]}"
        outputs = {"glucose": {"GrpcAddress": address}, "silent": {}}
        assert grpc_doors.wait(cloud, [GLUCOSE, SILENT], outputs) == {"glucose": address}


def test_a_door_that_stays_shut_is_said(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grpc_doors, "PATIENCE", 0.0)
    outputs = {"glucose": {"GrpcAddress": f"{HOST}:{grpc_doors.ports(cloud, [GLUCOSE])['glucose']}"}}
    with pytest.raises(CloudError, match="gRPC door of glucose") as caught:
        grpc_doors.wait(cloud, [GLUCOSE], outputs)
    assert "logs" in caught.value.remedy


def test_a_cloud_without_the_service_has_no_door(cloud: Cloud) -> None:
    assert grpc_doors.wait(cloud, [GLUCOSE], {}) == {}
