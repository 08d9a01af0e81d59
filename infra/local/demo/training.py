"""The training room: a dataset goes to the bucket, requests to the broker, and a detector comes out."""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pika
import plotille
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from infra.local.demo import digits, drawing
from infra.local.endpoints import Endpoints
from infra.local.errors import CloudError
from infra.local.stack import Aws

EPOCHS, BATCH, IMAGES, CHECKED = 14, 8, 96, 24
DATASET, OUTPUT, WEIGHTS = "datasets/digits/", "models/digits", "digits.pt"
QUICKLY = {"optimizer": "adamw", "lr0": 0.001, "aux_weight": 0}
"""What learns from so few images within a minute or two of CPU; without them it takes a hundred epochs."""

Message = dict[str, Any]


class Line(Protocol):
    """Where requests go in and what is told comes out."""

    def send(self, queue: str, body: Message) -> None: ...
    def told(self, job_id: str, queues: tuple[str, ...]) -> Iterator[Message]:
        """What is told of a job, as it comes, up to its outcome."""
        ...


def show(endpoints: Endpoints, pictures: Path, console: Console) -> None:
    aws = Aws(str(endpoints.aws))
    store = Store(aws.client("s3"), str(endpoints.bucket))
    line: Line = Broker(endpoints.rabbitmq) if endpoints.rabbitmq else Sqs(aws.client("sqs"), dict(endpoints.queues))
    upload(store, console)
    done = train(line, console)
    console.print(Text.from_ansi(curve(store, console)))
    picture = pictures / "training-curves.png"
    picture.write_bytes(store.get(f"{OUTPUT}/curves.png"))
    console.print(f"curves:\n  [bold]{picture}[/]")
    model = convert(line, done["model_path"], console)
    found, image = detect(line, model, console)
    drawn = drawing.write(image, found["annotations"], pictures / "training-boxes.png")
    console.print(f"boxes:\n  [bold]{drawn}[/]")
    if endpoints.mlflow:
        console.print(f"While the collection runs, the run with its metrics by epoch is in MLflow: {endpoints.mlflow}")


@dataclass(frozen=True)
class Store:
    s3: Any
    bucket: str

    def put(self, key: str, body: bytes) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)

    def get(self, key: str) -> bytes:
        return bytes(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())


def upload(store: Store, console: Console) -> None:
    files = list(digits.dataset(IMAGES, CHECKED))
    for path, body in files:
        store.put(DATASET + path, body)
    console.print(
        f"{len(files)} files to s3://{store.bucket}/{DATASET}: {IMAGES} images to train on and {CHECKED} to check with,"
        f" handwritten digits ({', '.join(digits.NAMES)}) pasted into photographs"
    )


def train(line: Line, console: Console) -> Message:
    """Ask for a training and watch it; its last message."""
    request = {
        "job_id": "demo-train",
        "dataset": {"s3_prefix": DATASET, "name": "digits"},
        "output": {"prefix": OUTPUT, "model_name": WEIGHTS},
        "hyperparams": {"model": "yolov8n", "epochs": EPOCHS, "batch": BATCH, "imgsz": digits.SIDE, **QUICKLY},
    }
    console.print("→ train_request_q", json.dumps(request))
    line.send("train_request_q", request)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("epoch {task.completed}/{task.total}"),
               TextColumn("loss {task.fields[loss]}  mAP50 {task.fields[mAP50]}"), TimeElapsedColumn())  # fmt: skip
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("training", total=EPOCHS, loss="-", mAP50="-")
        for message in line.told("demo-train", ("train_update_q", "train_result_q")):
            if message["type"] == "training_started":
                used = message["config"].get("model_used", "?")
                progress.console.print(f"← training_started: yolov8n is trained as {used}")
            elif message["type"] == "epoch_update":
                loss, precision = (rounded(message["metrics"][name]) for name in ("train_loss", "mAP50"))
                progress.update(bar, completed=message["current_epoch"], loss=loss, mAP50=precision)
    return expected(message, "training_completed", console)


def rounded(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def convert(line: Line, model: str, console: Console) -> str:
    """Ask for the ONNX file of `model`; its key."""
    options = {"imgsz": digits.SIDE, "opset": 17, "dynamic": True}
    request = {"job_id": "demo-convert", "model_path": model, "target_format": "onnx", "options": options}
    console.print("→ convert_request_q", json.dumps(request))
    line.send("convert_request_q", request)
    *_, message = line.told("demo-convert", ("convert_result_q",))
    return str(expected(message, "conversion_completed", console)["output_path"])


def detect(line: Line, model: str, console: Console) -> tuple[Message, Image.Image]:
    """Ask what an image shows that was not trained on; the answer and the image."""
    key, images = f"{DATASET}images/val/0003.png", dict(digits.dataset(IMAGES, CHECKED))
    request = {"job_id": "demo-detect", "image_path": key, "model_path": model, "options": {"conf": 0.25}}
    console.print("→ inference_request_q", json.dumps(request))
    line.send("inference_request_q", request)
    *_, message = line.told("demo-detect", ("inference_result_q",))
    found = expected(message, "inference_completed", console)
    table = Table("class", "confidence", "x_center", "y_center", "width", "height")
    for one in found["annotations"]:
        numbers = [one[name] for name in ("confidence", "x_center", "y_center", "width", "height")]
        table.add_row(one["class_name"], *(f"{number:.3f}" for number in numbers))
    console.print(table)
    return found, Image.open(io.BytesIO(images[key.removeprefix(DATASET)])).convert("RGB")


def expected(message: Message, kind: str, console: Console) -> Message:
    """Raises CloudError for another outcome."""
    if message["type"] != kind:
        raise CloudError(f"{message['type']}: {message.get('error_message')}", "Look at `make logs`.")
    told = {name: value for name, value in message.items() if name not in ("type", "job_id", "annotations")}
    console.print(f"← {kind}", json.dumps(told))
    return message


def curve(store: Store, console: Console) -> str:
    """Loss and mAP50 by epoch, for the terminal."""
    rows = [line.split(",") for line in store.get(f"{OUTPUT}/results.csv").decode().splitlines()]
    columns = {name.strip(): [float(row[number]) for row in rows[1:]] for number, name in enumerate(rows[0])}
    figure = plotille.Figure()
    figure.width, figure.height = 60, 12
    figure.register_label_formatter(float, lambda value, chars, **_: f"{value:.2f}".rjust(chars))
    figure.x_label, figure.y_label = "epoch", ""
    loss = columns["train_loss"]
    blue, red = ("bright_blue", "bright_red") if console.is_terminal else (None, None)
    figure.plot(columns["epoch"], [one / loss[0] for one in loss], label="loss, of the first epoch's", lc=blue)
    figure.plot(columns["epoch"], columns["mAP50"], label="mAP50", lc=red)
    return str(figure.show(legend=True))


class Broker:
    """RabbitMQ, as any client of the original would use it."""

    def __init__(self, url: str) -> None:
        self._connection = pika.BlockingConnection(pika.URLParameters(url))
        self._channel = self._connection.channel()
        self._channel.basic_qos(prefetch_count=1)

    def send(self, queue: str, body: Message) -> None:
        self._channel.queue_declare(queue, durable=True)
        persistent = pika.BasicProperties(delivery_mode=2, content_type="application/json")
        self._channel.basic_publish("", queue, json.dumps(body).encode(), persistent)

    def told(self, job_id: str, queues: tuple[str, ...]) -> Iterator[Message]:
        for queue in queues:
            self._channel.queue_declare(queue, durable=True)
        inbox = Inbox(job_id)
        while not inbox.over:
            got = [self._next(queue) for queue in queues]
            yield from inbox.take(message for message in got if message)
            if not any(got):
                self._connection.sleep(0.05)

    def _next(self, queue: str) -> Message | None:
        _, _, body = self._channel.basic_get(queue, auto_ack=True)
        return json.loads(body) if body else None


@dataclass(frozen=True)
class Sqs:
    """The SQS queues that carry the same messages where there is no RabbitMQ."""

    sqs: Any
    queues: dict[str, str] = field(default_factory=dict)

    def send(self, queue: str, body: Message) -> None:
        url = self.queues[f"training {queue.removesuffix('_request_q')} requests"]
        self.sqs.send_message(QueueUrl=url, MessageBody=json.dumps(body))

    def told(self, job_id: str, queues: tuple[str, ...]) -> Iterator[Message]:
        inbox = Inbox(job_id)
        while not inbox.over:
            for queue in queues:
                yield from inbox.take(self._received(self.queues[f"training {plural(queue)}"]))

    def _received(self, url: str) -> Iterator[Message]:
        for message in self.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages", []):
            yield json.loads(message["Body"])
            self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


class Inbox:
    """The messages of one job; it is over with the outcome. Others' messages are left out."""

    def __init__(self, job_id: str) -> None:
        self._job_id = job_id
        self.over = False

    def take(self, messages: Iterator[Message]) -> Iterator[Message]:
        for message in messages:
            if message.get("job_id") == self._job_id:
                self.over = self.over or message["type"].endswith(("_completed", "_failed", "_cancelled"))
                yield message


def plural(queue: str) -> str:
    """
    >>> plural("train_update_q")
    'train updates'
    """
    return f"{queue.removesuffix('_q')}s".replace("_", " ")
