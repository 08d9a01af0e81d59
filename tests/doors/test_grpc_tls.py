"""The gRPC door behind TLS, with certificates made for the test."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from google.protobuf.wrappers_pb2 import StringValue as Text

from quintet.entry.grpc import GrpcServer, server_credentials
from quintet.kernel.errors import Misconfigured
from quintet.kernel.settings import GrpcSettings
from tests.doors.greeter import NAME, WITH_KEY, Client, Greeter, open_door

pytestmark = pytest.mark.enable_socket


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def files(authority: trustme.CA, tmp_path: Path) -> dict[str, Any]:
    """The server's certificate and key."""
    certificate = authority.issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "server.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "server.key")
    return {"certificate_file": str(tmp_path / "server.pem"), "key_file": str(tmp_path / "server.key")}


@contextmanager
def greeting(server: GrpcServer, **credentials: bytes) -> Iterator[Any]:
    secure = grpc.ssl_channel_credentials(**credentials)
    with grpc.secure_channel(f"127.0.0.1:{server.port}", secure) as channel:
        yield channel.unary_unary(
            f"/{NAME}/Greet", request_serializer=Text.SerializeToString, response_deserializer=Text.FromString
        )


def test_a_client_that_trusts_us_is_answered(authority: trustme.CA, files: dict[str, Any]) -> None:
    trusted = authority.cert_pem.bytes()
    with open_door(Greeter(), **files) as server, greeting(server, root_certificates=trusted) as greet:
        assert greet(Text(value="Ada"), metadata=WITH_KEY, timeout=10).value == "Hello, Ada"


def test_a_client_without_tls_is_not(files: dict[str, Any]) -> None:
    with open_door(Greeter(), **files) as server, grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        with pytest.raises(grpc.RpcError) as refused:
            Client(channel).call("Greet", timeout=10)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


def test_only_clients_with_a_certificate_where_they_need_one(
    authority: trustme.CA, files: dict[str, Any], tmp_path: Path
) -> None:
    authority.cert_pem.write_to_path(tmp_path / "clients.pem")
    known = authority.issue_cert("client@greeter")
    ours = {
        "root_certificates": authority.cert_pem.bytes(),
        "private_key": known.private_key_pem.bytes(),
        "certificate_chain": known.cert_chain_pems[0].bytes(),
    }
    with open_door(Greeter(), client_ca_file=str(tmp_path / "clients.pem"), **files) as server:
        with greeting(server, **ours) as greet:
            assert greet(Text(value="Ada"), metadata=WITH_KEY, timeout=10).value == "Hello, Ada"
        with greeting(server, root_certificates=ours["root_certificates"]) as greet:
            with pytest.raises(grpc.RpcError) as refused:
                greet(Text(value="Ada"), metadata=WITH_KEY, timeout=10)
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    "half", [{"certificate_file": "a.pem"}, {"key_file": "a.key"}, {"client_ca_file": "clients.pem"}]
)
def test_half_of_it_is_a_mistake(half: dict[str, str]) -> None:
    with pytest.raises(Misconfigured, match="set GRPC_TLS_CERT_FILE and GRPC_TLS_KEY_FILE"):
        server_credentials(GrpcSettings(**half))


def test_a_file_that_is_not_there_is_named(files: dict[str, Any]) -> None:
    with pytest.raises(Misconfigured, match=r"set GRPC_TLS_KEY_FILE: No such file or directory: nowhere\.key"):
        server_credentials(GrpcSettings(**{**files, "key_file": "nowhere.key"}))


def test_without_any_there_is_no_tls() -> None:
    assert server_credentials(GrpcSettings()) is None
