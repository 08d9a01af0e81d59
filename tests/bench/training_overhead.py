"""What the trainer adds to a training, and how soon a backend hears of an epoch.

    .local/venvs/trainer/bin/python -m tests.bench.training_overhead [--epochs 4] [--imgsz 320] [--data FOLDER]

Overhead: CPU time and time that the training waits, outside the library's own training, as a share of the job's. Over
the real AWS endpoint of AWS_ENDPOINT_URL, broker of RABBITMQ_HOST and MLflow of MLFLOW_TRACKING_URI where they are set
(a bucket and a table are made and deleted), else over adapters in memory. Delay: from the end of an epoch to the moment
at which a consumer in another process has its message, over a library that only waits; it needs the broker.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gpu_workers.trainer.attempt import Attempt, Provisions
from gpu_workers.trainer.detector import DetectorLibrary, EpochMetrics, OnEpoch, Trained, TrainingPlan
from gpu_workers.trainer.runs import NoRecord
from gpu_workers.trainer.telling import Teller
from gpu_workers.trainer.training_job import train
from quintet.adapters.memory import MemoryPublisher
from quintet.adapters.memory_files import MemoryFiles
from quintet.adapters.memory_rows import MemoryRows
from quintet.adapters.s3_files import S3Files
from quintet.kernel.clock import SystemClock
from quintet.kernel.files import Files
from quintet.kernel.ids import new_id
from quintet.kernel.log import logger
from quintet.training import jobs, submission
from quintet.training.access import Access
from quintet.training.jobs import Claim, JobKey
from quintet.training.ledger import Ledger
from quintet.training.messages import TrainRequest
from quintet.training.outbox import Outbox
from quintet.training.settings import QueueNames
from quintet.training.work import Work

BCCD = Path(__file__).parents[3] / "shared/data/detection/bccd"
GRANTS = Access({"broker": ["datasets/", "models/"]})
QUEUES = {"TRAIN_UPDATE_QUEUE": "bench_update_q", "TRAIN_RESULT_QUEUE": "bench_result_q"}
BESIDE = {"lease", "telling", "newest", "record"}
CLOCK = SystemClock()


@dataclass
class Spent:
    """Seconds."""

    cpu: float = 0.0
    wall: float = 0.0

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(self.cpu + other.cpu, self.wall + other.wall)

    def __sub__(self, other: "Spent") -> "Spent":
        return Spent(self.cpu - other.cpu, self.wall - other.wall)


def now() -> Spent:
    return Spent(time.process_time(), time.perf_counter())


def cpu_beside() -> float:
    """CPU seconds of the trainer's own threads, so far."""
    threads = [one for one in threading.enumerate() if one.name in BESIDE and one.ident]
    return sum(time.clock_gettime(time.pthread_getcpuclockid(one.ident or 0)) for one in threads)


@dataclass
class Watched:
    """A library with a watch: `own` is its training, `export` its export with its comparison."""

    library: DetectorLibrary
    own: Spent = field(default_factory=Spent)
    export: Spent = field(default_factory=Spent)
    ends: dict[int, float] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.library, name)

    def train(
        self,
        plan: TrainingPlan,
        dataset_yaml: Path,
        workdir: Path,
        *,
        resume: Path | None = None,
        on_epoch: OnEpoch,
        should_stop: Callable[[], bool],
    ) -> Trained:
        outside = Spent()

        def told(metrics: EpochMetrics, checkpoint: Path) -> None:
            nonlocal outside
            self.ends[metrics.epoch] = time.time()
            cpu, wall = time.thread_time(), time.perf_counter()
            on_epoch(metrics, checkpoint)
            outside += Spent(time.thread_time() - cpu, time.perf_counter() - wall)

        begun, beside = now(), cpu_beside()
        trained = self.library.train(plan, dataset_yaml, workdir, resume=resume, on_epoch=told, should_stop=should_stop)
        self.own = now() - begun - outside - Spent(cpu_beside() - beside, 0)
        return trained

    def export_onnx(self, *asked: Any) -> Any:
        begun = now()
        report = self.library.export_onnx(*asked)
        self.export += now() - begun
        return report

    def predictor(self, weights: Path) -> Callable[[Any], Any]:
        begun = now()
        predict = self.library.predictor(weights)
        self.export += now() - begun

        def timed(images: Any) -> Any:
            nonlocal begun
            begun = now()
            answer = predict(images)
            self.export += now() - begun
            return answer

        return timed


@dataclass(frozen=True)
class Waiting:
    """A library that only waits; its port's other half is not needed."""

    seconds: float
    name: str = "waiting"
    version: str = "1"
    settings: frozenset[str] = frozenset()

    def resolves(self, model: str) -> str:
        return model

    def device(self, wanted: str | None) -> str:
        return "none"

    def train(self, plan: TrainingPlan, _yaml: Path, workdir: Path, *, on_epoch: OnEpoch, **_: Any) -> Trained:
        weights = workdir / "last.pt"
        weights.write_bytes(os.urandom(1024))
        for epoch in range(1, plan.epochs + 1):
            time.sleep(self.seconds)
            metrics = EpochMetrics(epoch, 1.0, 0.5, 0.5, 0.25, 0.25, self.seconds)
            on_epoch(metrics, weights)
        return Trained(weights, weights, plan.epochs, metrics, metrics, stopped=False)

    def export_onnx(self, *_: Any) -> Any:
        raise RuntimeError("there is nothing to export")


@dataclass(frozen=True)
class Place:
    """Where the job's dataset, ledger and messages are."""

    files: Files
    ledger: Ledger
    attempt: Callable[[JobKey], Attempt]
    said: str


def memory() -> Place:
    files, ledger = MemoryFiles(), Ledger(MemoryRows(), CLOCK)

    def attempt(key: JobKey) -> Attempt:
        teller = Teller(Outbox(ledger, MemoryPublisher(), QueueNames()), key, None, log())
        work = Work(replace(ledger, on_outgoing=teller.hear), key, Claim(1, "bench"), CLOCK)
        return Attempt(
            Provisions(
                work, files, GRANTS, request, library=unset, record=lambda _: NoRecord(), teller=teller, log=log()
            )
        )

    return Place(files, ledger, attempt, "adapters in memory, no MLflow")


@contextmanager
def cloud(endpoint: str) -> Iterator[Place]:
    """A bucket and a table at the endpoint, as long as this lasts."""
    from gpu_workers.trainer.wiring import TrainerTask
    from quintet.adapters.aws import client
    from quintet.training.wiring import TrainingRoom

    name = f"bench-{new_id()[:12]}"
    made(client, name)
    os.environ |= {"QUINTET_BUCKET": name, "QUINTET_TABLE": name, "QUINTET_LOCAL": "true", **QUEUES}
    room = TrainingRoom()

    def attempt(key: JobKey) -> Attempt:
        os.environ |= {"QUINTET_JOB_KEY": str(key), "QUINTET_JOB_ATTEMPT": "1", "QUINTET_TASK_ARN": "bench"}
        return TrainerTask(room).attempt()

    servers = [name for name in ("RABBITMQ_HOST", "MLFLOW_TRACKING_URI") if os.environ.get(name)]
    try:
        yield Place(S3Files(name), room.ledger, attempt, f"S3 and DynamoDB at {endpoint}, and {', '.join(servers)}")
    finally:
        for stored in S3Files(name).list(""):
            S3Files(name).delete(stored.key)
        client("s3").delete_bucket(Bucket=name)
        client("dynamodb").delete_table(TableName=name)


def made(client: Any, name: str) -> None:
    region = os.environ.get("AWS_DEFAULT_REGION", "eu-central-1")
    client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": region})
    client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
        BillingMode="PAY_PER_REQUEST",
    )
    client("dynamodb").get_waiter("table_exists").wait(TableName=name)


def log() -> Any:
    return logger("training-trainer")


def request(job: jobs.Job) -> TrainRequest:
    return TrainRequest.model_validate(job.request)


def unset() -> DetectorLibrary:
    raise RuntimeError("the bench names the library")


def put(folder: Path, files: Files, prefix: str) -> None:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            files.upload(path, f"{prefix}{path.relative_to(folder)}", content_type="application/octet-stream")


def synthetic(folder: Path, *, train: int = 200, val: int = 80, size: tuple[int, int] = (640, 480)) -> Path:
    """Discs on noise, as JPEG: as many and as large as blood-cell images."""
    random = np.random.default_rng(0)
    (folder / "data.yaml").write_text("train: images/train\nval: images/val\nnames: [disc]\n")
    for split, count in (("train", train), ("val", val)):
        for number in range(count):
            x, y, r = random.uniform([0.2, 0.2, 0.05], [0.8, 0.8, 0.15])
            rows, columns = np.ogrid[: size[1], : size[0]]
            disc = (columns - x * size[0]) ** 2 + (rows - y * size[1]) ** 2 < (r * size[1]) ** 2
            pixels = random.integers(0, 90, (size[1], size[0], 3), dtype=np.uint8)
            pixels[disc] = (200, 60, 60)
            image, label = (folder / kind / split / f"{number:04d}" for kind in ("images", "labels"))
            for place in (image, label):
                place.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(target := BytesIO(), "JPEG")
            image.with_suffix(".jpg").write_bytes(target.getvalue())
            label.with_suffix(".txt").write_text(f"0 {x} {y} {2 * r * size[1] / size[0]} {2 * r}\n")
    return folder


def begin(place: Place, name: str, prefix: str, **asked: Any) -> JobKey:
    content = {"job_id": name, "dataset": {"s3_prefix": prefix, "name": "bench"},
               "output": {"prefix": f"models/{name}"}, "hyperparams": {"model": "yolov8n", **asked}}  # fmt: skip
    job = submission.new_job("train", content, "broker", new_id(), CLOCK.now())
    place.ledger.enter(submission.accepted(job, TrainRequest.model_validate(content), CLOCK.now()))
    begun = partial(jobs.begun, slot=0, now=CLOCK.now(), patience=timedelta(minutes=5))
    place.ledger.amend(job.key, begun)
    return job.key


def overhead(place: Place, data: Path, options: argparse.Namespace) -> None:
    put(data, place.files, "datasets/bench/")
    key = begin(place, "overhead", "datasets/bench/", epochs=options.epochs, imgsz=options.imgsz, batch=options.batch)
    imported = now()
    from gpu_workers.trainer.libreyolo_detector import LibreYolo

    library = Watched(LibreYolo())
    imported = now() - imported
    attempt = place.attempt(key)
    attempt.has = replace(attempt.has, library=lambda: library)
    begun = now()
    assert attempt.run(train) == 0
    told(place.said, now() - begun, library, imported)


def told(said: str, job: Spent, library: Watched, imported: Spent) -> None:
    print(f"over {said}\n\n{'':36}{'CPU s':>9}{'wall s':>9}")
    ours = job - library.own - library.export
    parts = {"import of the library": imported, "the library's training": library.own,
             "export to ONNX and comparison": library.export, "all else: the trainer's own": ours}  # fmt: skip
    for name, spent in parts.items():
        print(f"{name:36}{spent.cpu:9.2f}{spent.wall:9.2f}")
    for name, spent in {"overhead": ours, "overhead with export": ours + library.export}.items():
        print(f"{name:36}{100 * spent.cpu / job.cpu:8.2f}%{100 * spent.wall / job.wall:8.2f}%")


def delay(place: Place, epochs: int) -> None:
    """Milliseconds from the end of an epoch to its message at a consumer."""
    with tempfile.TemporaryDirectory() as folder:
        put(synthetic(Path(folder), train=2, val=1, size=(64, 48)), place.files, "datasets/tiny/")
    key = begin(place, f"delay-{new_id()[:6]}", "datasets/tiny/", epochs=epochs)
    library = Watched(Waiting(0.2))  # type: ignore[arg-type]
    with listening(epochs) as heard:
        attempt = place.attempt(key)
        attempt.has = replace(attempt.has, library=lambda: library)
        assert attempt.run(train) == 0
        received = heard()
    delays = sorted(1000 * (received[epoch] - end) for epoch, end in library.ends.items())
    print(f"\ndelay of {len(delays)} epochs' messages at a consumer of the broker, in ms: "
          f"median {statistics.median(delays):.1f}, 90th percentile {delays[int(len(delays) * 0.9)]:.1f}, "
          f"largest {delays[-1]:.1f}")  # fmt: skip


@contextmanager
def listening(epochs: int) -> Iterator[Callable[[], dict[int, float]]]:
    """A consumer in another process; what it heard, by epoch."""
    line = [sys.executable, "-m", "tests.bench.training_overhead", "--listen", str(epochs)]
    listener = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    assert listener.stdout
    assert listener.stdout.readline() == "ready\n"
    try:
        yield lambda: {int(epoch): at for epoch, at in json.loads(listener.communicate(timeout=60)[0]).items()}
    finally:
        listener.kill()
        listener.wait()


def listen(epochs: int) -> None:
    from quintet.adapters.rabbitmq import connect
    from quintet.training.wiring import TrainingRoom

    heard: dict[int, float] = {}
    queue = QUEUES["TRAIN_UPDATE_QUEUE"]
    with connect(TrainingRoom().broker_address) as connection:
        channel = connection.channel()
        channel.queue_declare(queue, durable=True)
        channel.queue_purge(queue)
        print("ready", flush=True)
        for _, _, body in channel.consume(queue, auto_ack=True, inactivity_timeout=120):
            at, said = time.time(), json.loads(body or b"{}")
            heard |= {said["current_epoch"]: at} if said.get("type") == "epoch_update" else {}
            if len(heard) == epochs or not said:
                break
        channel.cancel()
        for name in QUEUES.values():
            channel.queue_delete(name)
    print(json.dumps(heard))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=BCCD, help="a dataset's folder; made up where it is absent")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--imgsz", type=int, default=320)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--messages", type=int, default=60, help="epochs whose delay is measured; 0: none")
    parser.add_argument("--listen", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.listen:
        listen(options.listen)
        return
    os.environ.setdefault("LOG_LEVEL", "CRITICAL")
    endpoint = os.environ.get("AWS_ENDPOINT_URL")
    with cloud(endpoint) if endpoint else without_cloud() as place, tempfile.TemporaryDirectory() as folder:
        if options.messages and os.environ.get("RABBITMQ_HOST"):
            delay(place, options.messages)
        if options.epochs:
            data = options.data if options.data.is_dir() else synthetic(Path(folder))
            name = data.name if data is options.data else "made-up images"
            print(f"\n{name}, imgsz {options.imgsz}, {options.epochs} epochs, {os.cpu_count()} cores, "
                  f"load {os.getloadavg()[0]:.1f}", end=", ")  # fmt: skip
            overhead(place, data, options)


@contextmanager
def without_cloud() -> Iterator[Place]:
    yield memory()


if __name__ == "__main__":
    main()
