"""The handover room in a cloud of its own, a network emulator beside it, and what its callers send."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from infra.local import redis as local_redis
from infra.local.cloud import ROOT, Cloud
from infra.local.endpoints import Endpoints
from infra.local.folder import Folder
from infra.local.ports import Ports
from infra.local.progress import Progress
from infra.local.stack import Aws
from quintet.handover.bootstrap import drawn
from tests.clouds import LocalCloud
from tests.integration.aggregation_scene import until
from tests.integration.aggregation_search import functions, pid_of

Answer = dict[str, Any]

PER_MINUTE = 220
"""Requests that one address has; few enough to be sent within a minute on a busy machine."""

LEASE_SECONDS = 60
"""After which a training that was killed is done again."""

UE = "imsi-20201-77-"
"""What the names of all UEs here begin with, and nothing else does."""

NEF_USER, NEF_PASSWORD = "admin@my-email.com", "pass"


@dataclass(frozen=True)
class Handover:
    """The deployed room, and somebody who has logged in."""

    cloud: LocalCloud
    nef_port: int = 0

    def settings(self) -> dict[str, str]:
        return {
            "RATE_LIMIT_PER_MINUTE": str(PER_MINUTE),
            "TRAIN_WAIT_SECONDS": "10",  # a process may take the rest of the gateway's time to start
            "RETRAIN_LEASE_SECONDS": str(LEASE_SECONDS),
            "NEF_API_URL": f"http://127.0.0.1:{self.nef_port}",
            "NEF_USERNAME": NEF_USER,
            "NEF_PASSWORD": NEF_PASSWORD,
        }

    @cached_property
    def endpoints(self) -> Endpoints:
        return self.cloud.endpoints

    @property
    def url(self) -> str:
        return str(self.endpoints.rooms["handover"].http)

    @cached_property
    def known(self) -> dict[str, str]:
        """Username and password, and what opens the metrics."""
        return dict(self.endpoints.credentials["handover"])

    @cached_property
    def aws(self) -> Aws:
        return Aws(str(self.endpoints.aws))

    @cached_property
    def secrets(self) -> dict[str, str]:
        """All that the room keeps secret."""
        client = self.aws.client("secretsmanager")
        name = next(one["ARN"] for one in client.list_secrets()["SecretList"] if "andover" in one["Name"])
        return dict(json.loads(client.get_secret_value(SecretId=name)["SecretString"]))

    @cached_property
    def token(self) -> str:
        login = {"username": self.known["username"], "password": self.known["password"]}
        answer = httpx.post(f"{self.url}/api/login", json=login, timeout=60)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    @cached_property
    def http(self) -> httpx.Client:
        """Of somebody who has logged in, for all threads."""
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {self.token}"}, timeout=60)

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        return self.http.request(method, path, **more)

    def told(self, method: str, path: str, **more: Any) -> Answer:
        """The body of an answer that is 200, at once or as a job's."""
        answer = self.ask(method, path, **more)
        if answer.status_code == 202:
            answer = self.followed(answer)
        assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
        return dict(answer.json())

    def followed(self, answer: httpx.Response) -> httpx.Response:
        """The answer that the job of a 202 leads to."""
        url = answer.url.join(answer.headers["Location"])
        ended = until(lambda: (job := self.job(url))["status"] in {"completed", "failed"} and job, pause=1,
                      tell=lambda: f"{self.job(url)} {self.health()}")  # fmt: skip
        assert ended["status"] == "completed", ended
        return self.ask("GET", f"{self.url}{ended['result_url']}")

    def job(self, url: httpx.URL) -> Answer:
        answer = self.ask("GET", str(url))
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def predicted(self, asked: Mapping[str, Any], query: str = "") -> Answer:
        answer = self.ask("POST", f"/api/predict{query}", json=asked)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def health(self) -> Answer:
        """Asks for neither a token nor the pace."""
        return dict(httpx.get(f"{self.url}/api/model-health", timeout=60).raise_for_status().json())

    def metrics(self) -> dict[str, float]:
        """By name with labels, as they stand on the page."""
        key = {"Authorization": f"Bearer {self.known['metrics_api_key']}"}
        answer = httpx.get(f"{self.url}/metrics", headers=key, timeout=60)
        lines = answer.raise_for_status().text.splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def counted(self) -> dict[str, int]:
        """Predictions by their status, and by all antennas together."""
        known = self.metrics()
        by = {
            status: int(known[f'ml_prediction_requests_total{{status="{status}"}}']) for status in ("success", "error")
        }
        antennas = sum(value for name, value in known.items() if name.startswith("ml_antenna_predictions_total{"))
        return {**by, "antennas": int(antennas)}

    def objects(self, prefix: str) -> dict[str, bytes]:
        s3, bucket = self.aws.client("s3"), self.endpoints.bucket
        found = s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
        return {one["Key"]: s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read() for one in found}

    def put(self, key: str, content: bytes) -> None:
        self.aws.client("s3").put_object(Bucket=self.endpoints.bucket, Key=key, Body=content)

    def watch(self) -> None:
        """The schedule's message, which comes each minute besides."""
        queue = self.endpoints.queues["handover watch"]
        self.aws.client("sqs").send_message(QueueUrl=queue, MessageBody='{"about": "watch"}')

    def pids(self, name: str) -> set[int]:
        """Of the processes of that function."""
        return {process.pid for process in functions(self.cloud.folder, f"-handover-{name}")}

    def kill(self, name: str) -> set[int]:
        """All of them, at once."""
        victims = functions(self.cloud.folder, f"-handover-{name}")
        for process in victims:
            process.kill()
        psutil.wait_procs(victims, timeout=10)
        return {process.pid for process in victims}

    def redis(self) -> Redis:
        return Redis.from_url(str(self.endpoints.redis), decode_responses=True)

    def forgive(self) -> None:
        """As if nobody had asked for anything in the last minute; without Redis nobody knows of it anyhow."""
        with suppress(RedisConnectionError), self.redis() as redis:
            for key in redis.scan_iter("*handover:rate*"):
                redis.delete(key)

    def kill_redis(self) -> None:
        process = psutil.Process(pid_of(self.cloud.folder, local_redis.NAME))
        process.kill()
        process.wait(10)

    def restart_redis(self) -> None:
        """At its old port, with nothing in it."""
        progress = Progress()
        place = Cloud(Folder(self.cloud.folder), Ports(progress, always_free=True), progress, ROOT / "template.yaml")
        port = int(str(self.endpoints.redis).rpartition(":")[2].partition("/")[0])
        place.processes.start(local_redis.NAME, local_redis.command(place, port), {"PATH": "/usr/bin:/bin"})
        local_redis.wait(port)


@contextmanager
def emulator(port: int) -> Iterator["subprocess.Popen[bytes]"]:
    """The fork's, as a process; its UEs move."""
    command = [sys.executable, "-m", "infra.local.demo.nef_emulator", "--kind", "fork", "--port", str(port)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert b"answers at" in process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


def free_port() -> int:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return int(place.getsockname()[1])


def samples(count: int, seed: int = 7) -> list[Answer]:
    """Of simulated drives."""
    drives = drawn(np.random.default_rng(seed), samples=count)
    return [one.model_dump(mode="json", exclude_none=True) | {"ue_id": f"{UE}{one.ue_id}"} for one in drives]


def hearing(ue: str, **cells: float) -> Answer:
    """A UE that hears cells by their RSRP, and is served by the first."""
    radio = {name: {"rsrp": rsrp, "sinr": rsrp + 100, "rsrq": -10} for name, rsrp in cells.items()}
    return {"ue_id": ue, "connected_to": next(iter(cells)), "rf_metrics": radio}


def size_of(png: bytes) -> tuple[int, int]:
    """Width and height, where it is a PNG (https://www.w3.org/TR/png-3/, 5.2 and 11.2.1)."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert png[12:16] == b"IHDR"
    assert png[-8:-4] == b"IEND"
    return int.from_bytes(png[16:20]), int.from_bytes(png[20:24])


def said_in(folder: Path) -> Iterator[tuple[str, str]]:
    """Each file of logs below it, and what it says."""
    for path in folder.rglob("*.log"):
        yield str(path), path.read_text(errors="replace")
