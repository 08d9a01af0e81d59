"""What a container prints: into the cloud's own log folder, and to CloudWatch Logs where its definition says so.

QUINTET_LOGS names the folder; a container's tasks share one file there.
"""

import os
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from quintet_localstack.ecs.errors import CannotStart

PAUSE = 0.25  # seconds
CHUNK = 256 * 1024  # bytes at a time: CloudWatch takes 1 MB a call
LONGEST = 200 * 1024  # bytes of a line


@dataclass(frozen=True)
class Stream:
    """A stream of CloudWatch Logs, which is there from the first call of `open` on."""

    client: Any
    group: str
    name: str
    create_group: bool

    def open(self) -> None:
        """Raises CannotStart where the group is missing and not to be made."""
        try:
            if self.create_group:
                with suppress(self.client.exceptions.ResourceAlreadyExistsException):
                    self.client.create_log_group(logGroupName=self.group)
            self.client.create_log_stream(logGroupName=self.group, logStreamName=self.name)
        except (BotoCoreError, ClientError) as error:
            raise CannotStart(f"ResourceInitializationError: failed to validate logger args: {error}") from error

    def put(self, lines: list[str]) -> None:
        now = int(time.time() * 1000)
        events = [{"timestamp": now, "message": line} for line in lines if line]
        if events:
            with suppress(BotoCoreError, ClientError):  # the group may be gone, or LocalStack on its way out
                self.client.put_log_events(logGroupName=self.group, logStreamName=self.name, logEvents=events)


def stream(definition: dict[str, Any], task_id: str, client: Any) -> Stream | None:
    """The stream that `logConfiguration` asks for, None where it is not the driver awslogs; raises CannotStart."""
    wanted = definition.get("logConfiguration") or {}
    if wanted.get("logDriver") != "awslogs":
        return None
    options = wanted.get("options", {})
    if "awslogs-group" not in options:
        raise CannotStart("ResourceInitializationError: failed to validate logger args: awslogs-group is missing")
    prefix = options.get("awslogs-stream-prefix")
    name = f"{prefix}/{definition['name']}/{task_id}" if prefix else task_id
    return Stream(client, options["awslogs-group"], name, options.get("awslogs-create-group") == "true")


def shared_file(name: str) -> Path:
    return Path(os.environ.get("QUINTET_LOGS") or tempfile.gettempdir()) / f"{name}.log"


class Follower:
    """Carries whole lines from the file that a process writes to where people look."""

    def __init__(self, source: Path, target: Path, stream: Stream | None) -> None:
        self.source, self.target, self.stream = source, target, stream
        self.read_to = 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.follow, daemon=True)
        self.thread.start()

    def follow(self) -> None:
        while not self.ended.wait(PAUSE):
            while self.carry():
                pass
        while self.carry(last=True):
            pass

    def finish(self) -> None:
        """Carry what is left, once the process has ended."""
        self.ended.set()
        self.thread.join()

    def carry(self, last: bool = False) -> bool:
        """Whether there was something to carry."""
        with self.source.open("rb") as file:
            file.seek(self.read_to)
            data = file.read(CHUNK)
        whole = len(data) if last or len(data) > LONGEST else data.rfind(b"\n") + 1
        if not whole:
            return False
        self.read_to += whole
        text = data[:whole].decode(errors="replace")
        with suppress(OSError), self.target.open("a", errors="replace") as file:
            file.write(text if text.endswith("\n") else f"{text}\n")
        if self.stream is not None:
            self.stream.put(text.splitlines())
        return True
