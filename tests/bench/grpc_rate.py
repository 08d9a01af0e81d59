"""How many gRPC calls a second the room's door answers, beside a bare grpcio server with the same payload.

    python -m tests.bench.grpc_rate [--seconds 1] [--rounds 5] [--clients 8]

Of one run; each server is a process of its own, and the clients are threads of this one. Unary calls: CheckHealth, and
QuickPlot of a trace that is cached (the bare server answers both with ready-made messages, so what is measured is the
door and the use case). Streams: messages a second of a stream that the server sends, and of one that goes both ways
(reflection). The door logs a line a call, into nothing.
"""

import argparse
import multiprocessing
import os
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any

import grpc
from google.protobuf.wrappers_pb2 import StringValue as Text
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc

from infra.local.demo.exports import write_dexcom
from infra.local.demo.glucose import virtual_patients
from quintet.glucose.pb import glurpc_pb2 as pb
from quintet.glucose.pb import glurpc_pb2_grpc as services
from tests.doors.greeter import NAME, WITH_KEY, Greeter, open_door

STREAMED = 2000
CSV = b64encode(write_dexcom(next(iter(virtual_patients().values())))).decode()
REQUESTS: dict[str, Any] = {"CheckHealth": pb.HealthRequest(), "QuickPlot": pb.QuickPlotRequest(csv_base64=CSV)}


class ReadyMade(services.GlucosePredictionServicer):
    """Answers as the room did, with no thought."""

    def __init__(self, answers: dict[str, Any]) -> None:
        for name, answer in answers.items():
            setattr(self, name, lambda request, context, answer=answer: answer)

    ConvertToUnified = ProcessUnified = DrawPlot = QuickPlot = ManageCache = CheckHealth = None  # type: ignore[assignment]


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--seconds", type=float, default=1)
    asked.add_argument("--rounds", type=int, default=5)
    asked.add_argument("--clients", type=int, default=8)
    given = asked.parse_args()
    pair = Pair(given.rounds)
    with started(serve_room) as room:
        answers = {name: getattr(stub_of(room), name)(request) for name, request in REQUESTS.items()}
        with started(serve_bare, {name: answer.SerializeToString() for name, answer in answers.items()}) as bare:
            pair.ports = (room, bare)
            for name, request in REQUESTS.items():
                sizes = f"{request.ByteSize() / 1024:.0f} KiB in, {answers[name].ByteSize() / 1024:.0f} KiB out"
                for clients in (1, given.clients):
                    pair.report(f"{name}, {clients} at a time ({sizes})", unary, name, request, clients, given.seconds)
            pair.report("messages of a stream both ways (reflection)", both_ways, given.seconds)
    with started(serve_greeter) as ours, started(serve_bare_greeter) as bare:
        pair.ports = (ours, bare)
        for clients in (1, given.clients):
            pair.report(f"a ping, {clients} at a time (the door alone)", pings, clients, given.seconds)
        pair.report("messages of a stream from the server", from_server, given.seconds)


@dataclass
class Pair:
    """Two servers, measured in turns, so that a busy machine disturbs both alike; medians of the rounds are told."""

    rounds: int
    ports: tuple[int, int] = (0, 0)

    def report(self, what: str, measure: Callable[..., float], *given: Any) -> None:
        turns = [[measure(port, *given) for port in self.ports] for _ in range(self.rounds)]
        ours, bare = (median(rates) for rates in zip(*turns, strict=True))
        shares = sorted(one / other for one, other in turns)
        print(
            f"{what:<52} ours {ours:>6.0f}/s, bare {bare:>6.0f}/s: {median(shares):.2f} of it "
            f"({shares[0]:.2f} … {shares[-1]:.2f})",
            flush=True,
        )


def unary(port: int, name: str, request: Any, clients: int, seconds: float) -> float:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        method = getattr(services.GlucosePredictionStub(channel), name)
        method(request)
        return rate(lambda: method(request), clients, seconds)


def pings(port: int, clients: int, seconds: float) -> float:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        ping = channel.unary_unary(
            f"/{NAME}/PingAsMe", request_serializer=Text.SerializeToString, response_deserializer=Text.FromString
        )
        return rate(lambda: ping(Text(value="Ada"), metadata=WITH_KEY), clients, seconds)


def rate(do: Callable[[], Any], clients: int, seconds: float) -> float:
    """How often a second so many threads do it together."""
    end = time.perf_counter() + seconds
    done: list[int] = []

    def work() -> None:
        count = 0
        while time.perf_counter() < end:
            do()
            count += 1
        done.append(count)

    threads = [threading.Thread(target=work) for _ in range(clients)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / (time.perf_counter() - begin)


def both_ways(port: int, seconds: float) -> float:
    ask = reflection_pb2.ServerReflectionRequest(list_services="")
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
        calls = 0
        begin = time.perf_counter()
        while time.perf_counter() < begin + seconds:
            calls += sum(1 for _ in stub.ServerReflectionInfo(iter([ask] * STREAMED)))
        return calls / (time.perf_counter() - begin)


def from_server(port: int, seconds: float) -> float:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        count = channel.unary_stream(
            f"/{NAME}/Count", request_serializer=Text.SerializeToString, response_deserializer=Text.FromString
        )
        received = 0
        begin = time.perf_counter()
        while time.perf_counter() < begin + seconds:
            received += sum(1 for _ in count(Text(value=str(STREAMED)), metadata=WITH_KEY))
        return received / (time.perf_counter() - begin)


def stub_of(port: int) -> services.GlucosePredictionStub:
    return services.GlucosePredictionStub(grpc.insecure_channel(f"127.0.0.1:{port}"))


@contextmanager
def started(serve: Callable[..., None], *given: Any) -> Iterator[int]:
    """The port of a server in a process of its own."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs, *given))
    process.start()
    try:
        yield int(ours.recv())
    finally:
        ours.send("stop")
        process.join()


def serve_room(pipe: Any) -> None:
    from quintet.glucose.grpc import glucose_server
    from quintet.glucose.wiring import GlucoseRoom

    silence()
    os.environ.update(QUINTET_LOCAL="true", QUINTET_ROOM="glucose", GRPC_PORT="0")
    room = GlucoseRoom()
    room.serve_queues()
    server = glucose_server(room)
    server.start()
    pipe.send(server.port)
    pipe.recv()
    server.stop(5)


def silence() -> None:
    """The log goes into nothing."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def serve_bare(pipe: Any, answers: dict[str, bytes]) -> None:
    kinds: dict[str, Any] = {"CheckHealth": pb.HealthResponse, "QuickPlot": pb.QuickPlotResponse}
    made = ReadyMade({name: kinds[name].FromString(answer) for name, answer in answers.items()})
    run_bare(pipe, lambda server: services.add_GlucosePredictionServicer_to_server(made, server))


def serve_greeter(pipe: Any) -> None:
    silence()
    os.environ["QUINTET_ROOM"] = "greeter"
    with open_door(Greeter()) as server:
        pipe.send(server.port)
        pipe.recv()


def serve_bare_greeter(pipe: Any) -> None:
    run_bare(pipe, Greeter().add_to)


def run_bare(pipe: Any, add: Callable[[grpc.Server], None]) -> None:
    server = grpc.server(ThreadPoolExecutor(128))
    add(server)
    reflection.enable_server_reflection(["bare"], server)
    pipe.send(server.add_insecure_port("127.0.0.1:0"))
    server.start()
    pipe.recv()
    server.stop(None).wait()


if __name__ == "__main__":
    main()
