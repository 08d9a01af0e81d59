"""A backend of the training room, as the original's: a pika client, an S3 client, and a memory of what it was told."""

import io
import json
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pika
import psutil
from pika.exceptions import AMQPError
from PIL import Image

from infra.local.stack import Aws

REQUESTS = {"train": "train_request_q", "convert": "convert_request_q", "inference": "inference_request_q"}
TOLD = ("train_update_q", "train_result_q", "convert_result_q", "inference_result_q")
ENDS = ("_completed", "_failed", "_cancelled")
PATIENCE = 240.0  # seconds

Message = dict[str, Any]


@dataclass(frozen=True)
class Told:
    """A message as it came: where, under which name, its bytes."""

    queue: str
    message_id: str
    text: str

    @property
    def body(self) -> Message:
        return dict(json.loads(self.text))

    @property
    def type(self) -> str:
        return str(self.body["type"])


@dataclass
class Backend:
    url: str
    aws: Aws
    bucket: str
    told: dict[str, list[Told]] = field(default_factory=lambda: defaultdict(list))
    _connection: Any = None

    def upload(self, prefix: str, files: Mapping[str, bytes]) -> None:
        s3 = self.aws.client("s3")
        for name, content in files.items():
            s3.put_object(Bucket=self.bucket, Key=prefix + name, Body=content)

    def has(self, key: str) -> bool:
        found = self.aws.client("s3").list_objects_v2(Bucket=self.bucket, Prefix=key, MaxKeys=1)
        return any(one["Key"] == key for one in found.get("Contents", []))

    def read(self, key: str) -> bytes:
        return bytes(self.aws.client("s3").get_object(Bucket=self.bucket, Key=key)["Body"].read())

    def send(self, kind: str, body: Message | bytes) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        channel = self._channel()
        channel.basic_publish("", REQUESTS[kind], content, pika.BasicProperties(delivery_mode=2))

    def train(self, job_id: str, *, prefix: str = "datasets/digits/", **hyperparams: Any) -> None:
        self.send("train", training(job_id, prefix, **hyperparams))

    def until(self, job_id: str, *types: str, patience: float = PATIENCE) -> list[Told]:
        """Everything told of the job, once one of `types` is among it."""
        deadline = time.monotonic() + patience
        while not any(one.type in types for one in self.told[job_id]):
            assert time.monotonic() < deadline, f"{types} never came: {[one.text for one in self.told[job_id]]}"
            self.listen()
        return self.told[job_id]

    def outcome(self, job_id: str, *, patience: float = PATIENCE) -> Message:
        """The body of the job's one logical outcome, all of whose copies are the same."""
        deadline = time.monotonic() + patience
        while not (ends := [one for one in self.told[job_id] if one.type.endswith(ENDS)]):
            assert time.monotonic() < deadline, f"no outcome of {job_id}: {[one.text for one in self.told[job_id]]}"
            self.listen()
        assert len({(one.message_id, one.text) for one in ends}) == 1, ends
        return ends[0].body

    def listen(self) -> None:
        """Take what lies on the queues; a broker that is away is asked again."""
        try:
            channel = self._channel()
            for queue in TOLD:
                while (got := channel.basic_get(queue, auto_ack=True))[0] is not None:
                    _, properties, body = got
                    one = Told(queue, properties.message_id, body.decode())
                    self.told[str(one.body["job_id"])].append(one)
            self._connection.sleep(0.05)
        except (AMQPError, OSError):
            self._connection = None
            time.sleep(0.3)

    def epochs(self, job_id: str) -> list[int]:
        """As they came, without repetitions of the same message."""
        seen: dict[str, int] = {}
        for one in self.told[job_id]:
            if one.type == "epoch_update":
                seen.setdefault(one.message_id, one.body["current_epoch"])
        return list(seen.values())

    def close(self) -> None:
        if self._connection is not None and self._connection.is_open:
            self._connection.close()

    def _channel(self) -> Any:
        if self._connection is None or not self._connection.is_open:
            self._connection = pika.BlockingConnection(pika.URLParameters(self.url))
            self._open = self._connection.channel()
        return self._open


def training(job_id: str, prefix: str = "datasets/digits/", **hyperparams: Any) -> Message:
    """The document's request, with four short epochs by script unless said otherwise."""
    asked = {"model": "yolov8n", "epochs": 4, "batch": 4, "imgsz": 64, "script_seconds": 0.5, **hyperparams}
    return {
        "job_id": job_id,
        "dataset": {"s3_prefix": prefix, "name": "digits"},
        "output": {"prefix": f"models/{job_id}", "model_name": "digits.pt"},
        "hyperparams": {name: value for name, value in asked.items() if value is not None},
    }


LABELS = ("0 0.5 0.5 0.4 0.4", "1 0.4 0.4 0.2 0.2")


def dataset(*, labels: Sequence[str] = LABELS, spoil: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
    """A YOLO layout with an image and a label file for each of `labels`; `spoil` replaces files."""
    yaml = b"path: .\ntrain: images/train\nval: images/val\nnc: 2\nnames: [a, b]\n"
    files = {"data.yaml": yaml}
    for part in ("train", "val"):
        for number, label in enumerate(labels):
            files[f"images/{part}/{number}.png"] = picture(number)
            files[f"labels/{part}/{number}.txt"] = f"{label}\n".encode()
    return files | dict(spoil or {})


def picture(number: int, side: int = 64) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (side, side), (40 * number % 256, 90, 160)).save(file, "PNG")
    return file.getvalue()


def task_of(job: str) -> psutil.Process:
    """The process that has the job now: `caller#job_id`."""
    for process in psutil.process_iter(["environ", "cmdline"]):
        environment, command = process.info["environ"] or {}, process.info["cmdline"] or []
        if environment.get("QUINTET_JOB_KEY") == job and "main.py" in " ".join(command):
            return process
    raise LookupError(f"no process works on {job}")
