"""Looking for owners' values in all that is on a server's side, in whichever form a program may hold them."""

import json
import os
import zlib
from base64 import b64decode, b64encode
from binascii import Error as NoBase64
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from struct import pack
from typing import Any

import httpx
import numpy as np
import psutil
from numpy.typing import NDArray
from redis import Redis

from infra.local.endpoints import Endpoints
from infra.local.stack import Aws

DIGITS = 8
"""A number of fewer, or a whole one, is anywhere by chance: counts, sizes, times."""

FEWEST = 5
"""So many such numbers each owner has at least."""

UNIT = 10**9
OVERLAP = 64
CHUNK = 1 << 24
BLOCK = 1 << 16
EMPTY = bytes(BLOCK + OVERLAP)
"""Most of a process's memory was never written to."""

BITS = 20

Finds = dict[str, set[str]]
"""By place, the owners whose values are there."""


def telling(values: Iterable[Decimal], public: Iterable[Decimal] = ()) -> list[Decimal]:
    """Those of an owner's numbers that nobody has by chance, and that the answer does not hold either."""
    known = set(public)
    return [value for value in values if is_telling(value) and value not in known]


def is_telling(value: Decimal) -> bool:
    text = plain(value)
    return "." in text and len(text.strip("-").replace(".", "").lstrip("0")) >= DIGITS


def plain(value: Decimal) -> str:
    return f"{value.normalize():f}"


def forms(value: Decimal) -> Iterator[bytes]:
    """As text, as the word of its fixed point in either order, alone or in base64, as a double, as Python has it."""
    word = int(value * UNIT) % 2**64
    yield plain(value).encode()
    yield pack("<Q", word)
    yield pack(">Q", word)
    yield pack("<d", float(value))
    yield pack("<II", word % 2**30, (word >> 30) % 2**30)
    for before in range(3):
        text = b64encode(bytes(before) + pack("<Q", word))
        yield text[-(-8 * before // 6) : (8 * before + 64) // 6]


class Needles:
    """What is looked for, and whose it is. The four bytes of it that are rarest tell where to look closer."""

    def __init__(self, values: Mapping[str, Sequence[Decimal]]) -> None:
        self._whole: dict[bytes, list[tuple[bytes, int, str]]] = {}
        self._marked = np.zeros(1 << BITS, dtype=bool)
        for owner, some in values.items():
            for needle in (form for value in some for form in forms(value)):
                at = rarest(needle)
                self._whole.setdefault(needle[at : at + 4], []).append((needle, at, owner))
        self._beginnings = np.sort(np.frombuffer(b"".join(self._whole), "<u4"))
        self._marked[_marks(self._beginnings)] = True

    def owners_in(self, content: bytes) -> set[str]:
        return {
            owner
            for start in range(0, len(content), BLOCK)
            if (block := content[start : start + BLOCK + OVERLAP]) != EMPTY[: len(block)]
            for place in self._places(block)
            for owner in self._at(block, place)
        }

    def _places(self, content: bytes) -> Iterator[int]:
        for start in range(4):
            count = (len(content) - start) // 4
            if count > 0:
                found = np.frombuffer(content, "<u4", count, start)
                likely = np.flatnonzero(self._marked[_marks(found)])
                near = np.searchsorted(self._beginnings, found[likely], "right") - 1
                sure = likely[self._beginnings[near] == found[likely]]
                yield from (4 * sure + start).tolist()

    def _at(self, content: bytes, place: int) -> Iterator[str]:
        for needle, at, owner in self._whole.get(content[place : place + 4], ()):
            if place >= at and content.startswith(needle, place - at):
                yield owner


def rarest(needle: bytes) -> int:
    """Where four of its bytes are that are not found everywhere, as zeros are."""
    return max(range(len(needle) - 3), key=lambda at: len({*needle[at : at + 4]} - {0}))


def _marks(words: NDArray[np.uint32]) -> NDArray[np.uint32]:
    return (words * np.uint32(2654435761)) >> np.uint32(32 - BITS)


class Search:
    """`look` gives, by kind of place, whose values were found there, and counts what was looked through."""

    def __init__(self, endpoints: Endpoints, folder: Path, needles: Needles) -> None:
        self._endpoints, self._folder, self._needles = endpoints, folder, needles
        self._aws = Aws(str(endpoints.aws))
        self.bytes: dict[str, int] = {}

    def look(self, *kinds: str) -> Finds:
        return {kind: self._found(kind, PLACES[kind](self)) for kind in kinds or PLACES}

    def _found(self, kind: str, contents: Iterable[bytes]) -> set[str]:
        found: set[str] = set()
        for content in contents:
            self.bytes[kind] = self.bytes.get(kind, 0) + len(content)
            found |= self._needles.owners_in(content)
        return found

    def redis(self) -> Iterator[bytes]:
        with Redis.from_url(str(self._endpoints.redis)) as redis:
            for key in redis.scan_iter(count=1000):
                yield key
                parts = redis.hgetall(key).items() if redis.type(key) == b"hash" else [redis.smembers(key)]
                yield from (text for some in parts for text in some)

    def objects(self) -> Iterator[bytes]:
        s3 = self._aws.client("s3")
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=self._endpoints.bucket):
            for one in page.get("Contents", []):
                yield str(one["Key"]).encode()
                yield from unfolded(s3.get_object(Bucket=self._endpoints.bucket, Key=one["Key"])["Body"].read())

    def rows(self) -> Iterator[bytes]:
        dynamodb = self._aws.client("dynamodb")
        for table in dynamodb.list_tables()["TableNames"]:
            for page in dynamodb.get_paginator("scan").paginate(TableName=table):
                yield from (text for item in page["Items"] for text in texts(item))

    def queues(self) -> Iterator[bytes]:
        """With the dead letters, and what is under way."""
        for url in self._aws.client("sqs").list_queues().get("QueueUrls", []):
            asked = {"QueueUrl": url, "ShowInvisible": "true", "ShowDelayed": "true"}
            answer = httpx.get(f"{self._endpoints.aws}/_aws/sqs/messages", params=asked, timeout=30)
            yield answer.raise_for_status().content

    def logs(self) -> Iterator[bytes]:
        logs = self._aws.client("logs")
        for group in logs.describe_log_groups()["logGroups"]:
            for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"]):
                yield from (event["message"].encode() for event in page["events"])

    def files(self) -> Iterator[bytes]:
        """Of the servers and the functions, their logs and temporary ones among them."""
        for place, _, names in os.walk(self._folder / "run"):
            for path in (Path(place, name) for name in names):
                with suppress(OSError):  # it may be gone meanwhile
                    if path.is_file() and not path.is_symlink():
                        yield path.read_bytes()

    def functions(self) -> Iterator[bytes]:
        for process in functions(self._folder):
            yield from memory(process.pid)

    def servers(self) -> Iterator[bytes]:
        """LocalStack, which is all of AWS here, and Redis."""
        for name in ("localstack", "redis"):
            yield from memory(pid_of(self._folder, name))


KEPT = ("redis", "objects", "rows", "queues", "logs", "files")
MEMORY = ("functions", "servers")
PLACES: Mapping[str, Callable[[Search], Iterator[bytes]]] = {name: getattr(Search, name) for name in (*KEPT, *MEMORY)}


def pid_of(folder: Path, server: str) -> int:
    return int(json.loads((folder / f"run/processes/{server}.json").read_text())["pid"])


def functions(folder: Path, name: str = "") -> list[psutil.Process]:
    """The processes of the room's function of that name, or of all."""
    found = []
    for process in psutil.Process(pid_of(folder, "localstack")).children(recursive=True):
        with suppress(psutil.Error):
            function = process.environ().get("AWS_LAMBDA_FUNCTION_NAME", "")
            if function and function.endswith(name):
                found.append(process)
    return found


def may_look_into(folder: Path) -> bool:
    """Whether the memory of processes is open to this one."""
    try:
        return os.access(f"/proc/{pid_of(folder, 'localstack')}/mem", os.R_OK) and any(memory(pid_of(folder, "redis")))
    except PermissionError:
        return False


def memory(pid: int) -> Iterator[bytes]:
    """All that the process may have written to, with an overlap where it is cut. Raises PermissionError."""
    place = Path(f"/proc/{pid}")
    with suppress(FileNotFoundError, ProcessLookupError), (place / "mem").open("rb", 0) as mem:
        for line in (place / "maps").read_text().splitlines():
            span, rights, *_ = line.split()
            start, end = (int(part, 16) for part in span.split("-"))
            for begin in range(start, end if rights.startswith("rw") else start, CHUNK):
                with suppress(OSError, OverflowError):  # it may be gone meanwhile
                    yield os.pread(mem.fileno(), min(CHUNK + OVERLAP, end - begin), begin)


def texts(value: Any) -> Iterator[bytes]:
    """All that is in an item, packed or not."""
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield str(name).encode()
            yield from texts(one)
    elif isinstance(value, list | tuple | set):
        for one in value:
            yield from texts(one)
    else:
        yield from unfolded(value if isinstance(value, bytes) else str(value).encode())


def unfolded(content: bytes) -> Iterator[bytes]:
    """Itself, and what it is when it is decoded or decompressed."""
    yield content
    with suppress(NoBase64, ValueError):
        decoded = b64decode(content, validate=True)
        yield decoded
        yield from inflated(decoded)
    yield from inflated(content)


def inflated(content: bytes) -> Iterator[bytes]:
    with suppress(zlib.error):
        yield zlib.decompress(content)
