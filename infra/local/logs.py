"""Following everything: the processes' logs and the functions' CloudWatch logs, each line with its source."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from infra.local.cloud import Cloud
from infra.local.endpoints import Endpoints
from infra.local.stack import Aws

Line = tuple[str, str]


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
                file.seek(self.read_to.get(path, 0))
                text = file.read()
                whole = text.rfind(b"\n") + 1
                self.read_to[path] = file.tell() - len(text) + whole
            for line in text[:whole].decode(errors="replace").splitlines():
                yield path.stem, line


class Functions:
    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.seen: dict[str, int] = {}

    def new(self) -> Iterator[Line]:
        endpoints = Endpoints.read(self.cloud.folder)
        if endpoints is None or endpoints.aws is None:
            return
        with suppress(BotoCoreError, ClientError):
            client = Aws(endpoints.aws).client("logs")
            for group in client.describe_log_groups(logGroupNamePrefix="/aws/lambda/")["logGroups"]:
                yield from self.of(client, group["logGroupName"])

    def of(self, client: object, group: str) -> Iterator[Line]:
        events = client.filter_log_events(logGroupName=group, startTime=self.seen.get(group, 0))["events"]  # type: ignore[attr-defined]
        for event in events:
            self.seen[group] = max(self.seen.get(group, 0), event["timestamp"] + 1)
            yield group.removeprefix("/aws/lambda/"), event["message"].rstrip()
