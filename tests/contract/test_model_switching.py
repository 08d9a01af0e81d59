"""Real processes that share nothing but rows and objects: each sees a switch by itself."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.managers import BaseManager
from pathlib import Path
from typing import Any, Protocol, cast

import pytest

from quintet.adapters.dynamodb_rows import DynamoRows
from quintet.adapters.memory import MemoryObjects
from quintet.adapters.memory_rows import MemoryRows
from quintet.adapters.onnx_graph import OnnxGraph
from quintet.adapters.s3 import S3Objects
from quintet.handover.packaged import Packaged
from quintet.handover.serving import Serving
from quintet.handover.versions import Versions
from quintet.kernel.clock import SystemClock
from quintet.kernel.rows import Rows
from tests.handover.serving import graphs
from tests.handover.serving.world import KEY, STRONGEST, WEAKEST, Weights, described, package

PROCESSES = 3
PATIENCE = 120
"""Seconds; a busy machine is no failure."""

Seen = tuple[int, str]
"""Which process, and the version that answers there."""


class Shared(Protocol):
    """What travels to a process, and what it makes of it there."""

    def rows(self) -> Rows: ...
    def objects(self) -> Any: ...


@dataclass(frozen=True)
class Cloud:
    table: str
    bucket: str

    def rows(self) -> Rows:
        return DynamoRows(self.table)

    def objects(self) -> S3Objects:
        return S3Objects(self.bucket)


class Keeper(BaseManager):
    """A process that holds rows and objects in its memory, for the others."""


Keeper.register("rows", MemoryRows)
Keeper.register("objects", MemoryObjects)


@dataclass(frozen=True)
class Kept:
    """Proxies of what the keeper holds."""

    kept_rows: Any
    kept_objects: Any

    def rows(self) -> Rows:
        return cast("Rows", self.kept_rows)

    def objects(self) -> Any:
        return self.kept_objects


@contextmanager
def keeper(address: Path) -> Iterator[Kept]:
    with Keeper(address=str(address), ctx=get_context("spawn")) as started:
        found = cast("Any", started)
        yield Kept(found.rows(), found.objects())


@pytest.fixture(params=["memory", pytest.param("cloud", marks=pytest.mark.enable_socket)])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shared]:
    if request.param == "memory":
        with keeper(tmp_path / "s") as kept:
            yield kept
    else:
        yield Cloud(request.getfixturevalue("cloud_table"), request.getfixturevalue("cloud_bucket"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    package(tmp_path / "model", "lightgbm", {"pairs.onnx": graphs.linear(**STRONGEST)}, "1.0.0")
    return tmp_path / "model"


def versions_of(shared: Shared, folder: Path) -> Versions:
    return Versions(shared.objects(), shared.rows(), lambda: (KEY,), SystemClock(), Packaged(folder))


def environment(number: int, shared: Shared, folder: Path, seen: Any, over: Any) -> None:
    """One process: says whenever another version answers than before."""
    serving = Serving(versions_of(shared, folder), OnnxGraph)
    before = ""
    while not over.wait(0.05):
        version = serving.selector().version
        if version != before:
            seen.put((number, version))
            before = version


@pytest.fixture
def seen(shared: Shared, folder: Path) -> Iterator[Callable[[], Seen]]:
    """What the processes say, one word after the other; they end with the test."""
    context = get_context("spawn")
    words, over = context.Queue(), context.Event()
    started = [
        context.Process(target=environment, args=(number, shared, folder, words, over), daemon=True)
        for number in range(PROCESSES)
    ]
    for process in started:
        process.start()
    yield lambda: words.get(timeout=PATIENCE)
    over.set()
    for process in started:
        process.join(PATIENCE)


def publish(versions: Versions, weights: Weights) -> str:
    files = {"pairs.onnx": graphs.linear(**weights)}
    return versions.publish("lightgbm", files, **described("lightgbm")).version


def all_see(seen: Callable[[], Seen], version: str) -> bool:
    return {seen() for _ in range(PROCESSES)} == {(number, version) for number in range(PROCESSES)}


def test_a_switch_is_seen_by_all(shared: Shared, folder: Path, seen: Callable[[], Seen]) -> None:
    versions = versions_of(shared, folder)
    assert all_see(seen, "1.0.0")
    for weights in (WEAKEST, STRONGEST):
        version = publish(versions, weights)
        versions.activate(version, reason="test")
        assert all_see(seen, version)
    versions.activate("1.0.0", reason="back")
    assert all_see(seen, "1.0.0")


def test_what_is_spoilt_afterwards_is_answered_by_nobody_new(
    shared: Shared, folder: Path, seen: Callable[[], Seen]
) -> None:
    """Who has the version loaded goes on with it; who comes later falls back to the one before."""
    versions = versions_of(shared, folder)
    assert all_see(seen, "1.0.0")
    version = publish(versions, WEAKEST)
    versions.activate(version, reason="test")
    assert all_see(seen, version)
    shared.objects().put(f"handover/models/{version}/pairs.onnx", graphs.linear(**STRONGEST))
    late = Serving(versions_of(shared, folder), OnnxGraph)
    assert late.selector().version == "1.0.0"
    assert "pairs.onnx" in (late.health().fallback_reason or "")
