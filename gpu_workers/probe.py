"""Whether the doors of this container are open: `python probe.py --grpc 7003 --rest 8000`, exit status 0 or 1."""

import argparse
import http.client
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # no file of this folder hides a library's module
    sys.path[0] = str(Path(__file__).parents[1])

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

HOST = "127.0.0.1"
PATIENCE = 5.0  # seconds


def serves_grpc(port: int) -> bool:
    """By grpc's own health checking, in plain text: TLS ends before the container."""
    with grpc.insecure_channel(f"{HOST}:{port}") as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        try:
            said = health.Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE)
        except grpc.RpcError:
            return False
    return bool(said.status == health_pb2.HealthCheckResponse.SERVING)


def serves_rest(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=PATIENCE)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def main(arguments: Sequence[str]) -> int:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--grpc", type=int, metavar="PORT")
    asked.add_argument("--rest", type=int, metavar="PORT")
    given = asked.parse_args(arguments)
    open_doors = [serves_grpc(given.grpc)] if given.grpc else []
    open_doors += [serves_rest(given.rest)] if given.rest else []
    return 0 if open_doors and all(open_doors) else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
