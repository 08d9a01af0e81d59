"""Following everything: the processes' logs and the functions' CloudWatch logs, each line with its source."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from infra.local.cloud import Cloud
from infra.local.endpoints import Endpoints
from infra.local.stack import Aws

Line = tuple[str, str]
OWN_CALLS = ("AWS logs.DescribeLogGroups", "AWS logs.FilterLogEvents")
"""What following itself leaves in LocalStack's log."""


def follow(cloud: Cloud, say: Callable[[str], None], pause: float = 1.0) -> None:
    """Until interrupted; starts with what is already there."""
    files, functions = Files(cloud.folder.logs), Functions(cloud)
    while True:
        for source, line in [*files.new(), *functions.new()]:
            say(f"{source:<12} | {line}")
        time.sleep(pause)


class Files:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.read_to: dict[Path, int] = {}

    def new(self) -> Iterator[Line]:
        for path in sorted(self.folder.glob("*.log")):
            with path.open("rb") as file:
                start = self.read_to.get(path, 0)
                file.seek(start if start <= path.stat().st_size else 0)  # shorter: a new file of the same name
                text = file.read()
                whole = text.rfind(b"\n") + 1
                self.read_to[path] = file.tell() - len(text) + whole
            for line in text[:whole].decode(errors="replace").splitlines():
                if not any(call in line for call in OWN_CALLS):
                    yield path.stem, line


class Functions:
    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.since: dict[str, int] = {}
        self.told: dict[str, set[str]] = {}

    def new(self) -> Iterator[Line]:
        endpoints = Endpoints.read(self.cloud.folder)
        if endpoints is None or endpoints.aws is None:
            return
        with suppress(BotoCoreError, ClientError):
            client = Aws(endpoints.aws).client("logs")
            for group in client.describe_log_groups(logGroupNamePrefix="/aws/lambda/")["logGroups"]:
                yield from self.of(client, group["logGroupName"])

    def of(self, client: Any, group: str) -> Iterator[Line]:
        """Events since the last look; those of that very millisecond come again and are told once."""
        told, since = self.told.get(group, set()), self.since.get(group, 0)
        pages = client.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=since)
        for event in [event for page in pages for event in page["events"]]:
            if event["timestamp"] > self.since.get(group, 0):
                self.since[group], self.told[group] = event["timestamp"], set()
            self.told.setdefault(group, set()).add(event["eventId"])
            if event["eventId"] not in told:
                yield group.removeprefix("/aws/lambda/"), event["message"].rstrip()
