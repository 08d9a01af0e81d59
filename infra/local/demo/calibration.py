"""The calibration room: a classifier's probabilities go in beside the true classes; what they are worth comes out."""

import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import grpc
import httpx
import pika
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from infra.local.demo import calibration_runs
from infra.local.demo.calibration_messages import BATCH, TRAINED, Rows, disordered, judged, messages
from infra.local.endpoints import Endpoints
from infra.local.errors import CloudError
from infra.local.stack import Aws
from quintet.calibration.evaluation import Result
from quintet.calibration.messages import Side
from quintet.calibration.pb.new_client_pb2 import NewClientRequest
from quintet.calibration.pb.new_client_pb2_grpc import ClientNotificationServiceStub
from quintet.calibration.registration import own_queues
from quintet.calibration.texts import ENGLISH
from quintet.calibration.utrace import evaluate
from quintet.calibration.verdict import Evidence, judge
from quintet.kernel.ids import fingerprint

PATIENCE = 120.0  # seconds
FILES = {
    "calibration-report.html": ("report", "text/html", b"<!DOCTYPE html>"),
    "calibration-report.pdf": ("report", "application/pdf", b"%PDF-"),
    "calibration-reliability.svg": ("reliability", "image/svg+xml", b"<svg"),
    "calibration-reliability.png": ("reliability", "image/png", b"\x89PNG"),
}
"""Where each is asked for, by which Accept header, and what it begins with."""


class Line(Protocol):
    """Where a client's messages go."""

    def send(self, side: Side, body: bytes) -> None: ...
    def close(self) -> None: ...


def show(endpoints: Endpoints, pictures: Path, console: Console) -> None:
    room, key = endpoints.rooms["calibration"], endpoints.credentials["calibration"]["api_key"]
    rows, client = judged(), f"key-{fingerprint(key)}"
    console.print(
        f"a naive Bayes classifier that has learnt {TRAINED} of scikit-learn's handwritten digits, and its "
        f"probabilities for {len(rows.labels)} others: {rows.batches} batches of {BATCH}"
    )
    with closing(line_of(endpoints, client, console)) as line:
        register(str(room.grpc), key, client, console)
        stream(rows, line, console)
    with httpx.Client(base_url=str(room.http), headers={"X-API-Key": key}, timeout=60) as api:
        session = ended(api, rows.batches, console)
        result = Result.model_validate(asked(api, f"/sessions/{session['session_id']}/result").json())
        compare(result, rows, console)
        tell_verdict(session, result, console)
        fetch(api, session["session_id"], pictures, console)
        calibration_runs.tell(endpoints.mlflow, lambda: state_of(api, session["session_id"]), console)


def register(address: str, key: str, client: str, console: Console) -> None:
    """As any client of the original does; raises CloudError for what is told in the answer's status."""
    request = NewClientRequest(client_id=client, second="(1,8,8)", third="(10,)")
    with grpc.insecure_channel(address) as channel:
        room = ClientNotificationServiceStub(channel)
        console.print(f"→ gRPC {address}: new_client.ClientNotificationService/NotifyNewClient, client_id {client}")
        answer = room.NotifyNewClient(request, metadata=(("x-api-key", key),), timeout=30)
    if answer.status != "OK":
        raise CloudError(f"The client was not registered: {answer.message}", "Look at `make logs`.")
    console.print(f"← {answer.status}: {answer.message}")


def stream(rows: Rows, line: Line, console: Console) -> None:
    sent = disordered(list(messages(rows)))
    for side, body in sent:
        line.send(side, body)
    size = sum(len(body) for _, body in sent) / 1000
    console.print(f"→ {len(sent)} messages ({size:.0f} kB) on {line}: shuffled, a third of them twice")


def line_of(endpoints: Endpoints, client: str, console: Console) -> Line:
    if endpoints.rabbitmq:
        return Broker(endpoints.rabbitmq, own_queues(client))
    console.print("There is no RabbitMQ: the same messages go to the bucket.")
    return Bucket(Aws(str(endpoints.aws)).client("s3"), str(endpoints.bucket), client)


class Broker:
    """RabbitMQ. The client's queues are made beforehand, as the originals' users service does: the room makes none."""

    def __init__(self, url: str, queues: tuple[str, str]) -> None:
        self._queues: Mapping[Side, str] = {"inputs": queues[0], "outputs": queues[1]}
        self._connection = pika.BlockingConnection(pika.URLParameters(url))
        self._channel = self._connection.channel()
        self._channel.confirm_delivery()
        for queue in queues:
            self._channel.queue_declare(queue, durable=True)

    def send(self, side: Side, body: bytes) -> None:
        self._channel.basic_publish("", self._queues[side], body, pika.BasicProperties(delivery_mode=2))

    def close(self) -> None:
        self._connection.close()

    def __str__(self) -> str:
        return f"RabbitMQ's queues {' and '.join(self._queues.values())}"


class Bucket:
    """The prefix that is read in the place of queues: an object a message, in the order of their names."""

    def __init__(self, s3: Any, bucket: str, client: str) -> None:
        self._s3, self._bucket = s3, bucket
        self._prefix = f"calibration/streams/{quote(client, safe='')}"
        self._sent = 0

    def send(self, side: Side, body: bytes) -> None:
        self._sent += 1
        self._s3.put_object(Bucket=self._bucket, Key=f"{self._prefix}/{side}/{self._sent:06d}", Body=body)

    def close(self) -> None:
        """There is nothing to close."""

    def __str__(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}/"


def ended(api: httpx.Client, batches: int, console: Console) -> dict[str, Any]:
    """The session once it has ended and its report is there; raises CloudError where that takes too long."""
    identifier = str(asked(api, "/sessions").json()["sessions"][0]["session_id"])
    deadline = time.monotonic() + PATIENCE
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("batch {task.completed}/{task.total}"),
               TimeElapsedColumn())  # fmt: skip
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("joined and judged", total=batches)
        while (state := state_of(api, identifier))["state"] == "OPEN" or "report" in state["pending"]:
            progress.update(bar, completed=(state["live"] or {}).get("joined", 0))
            if time.monotonic() > deadline:
                raise CloudError(f"The session does not end: {state['live']}", "Look at `make logs`.")
            time.sleep(0.5)
        progress.update(bar, completed=(state["summary"] or {}).get("batches", 0))
    console.print(f"GET {api.base_url}/sessions/{identifier} → [bold]{state['state']}[/] {state['reason']}")
    return state


def state_of(api: httpx.Client, identifier: str) -> dict[str, Any]:
    return dict(asked(api, f"/sessions/{identifier}").json())


def asked(api: httpx.Client, path: str, form: str = "application/json") -> httpx.Response:
    return api.get(path, headers={"Accept": form}, follow_redirects=True).raise_for_status()


def compare(result: Result, rows: Rows, console: Console) -> None:
    """Beside what the public function says of the same rows in their order; raises CloudError where they differ."""
    ours = evaluate(rows.probabilities, rows.labels, batch_size=BATCH)
    table = Table("", "the session", "evaluate() on the same rows")
    for name in ("accuracy", "uncertainty", "alpha", "coverage", "max_set_size"):
        table.add_row(name.replace("_", " "), *(figure(getattr(one, name)) for one in (result.utrace, ours)))
    console.print(table)
    if result.utrace != ours:
        raise CloudError("The session's numbers are not those of evaluate().", "Look at `make logs`.")
    before, after, heat = result.before, result.after, result.temperature.value
    console.print(
        f"They are equal, bit for bit. Expected calibration error {percent(before.ece)}; scaled by the temperature "
        f"{heat:.2f}, which the first batches gave, {percent(after.ece)} on the others"
    )


def figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}".rstrip("0").rstrip(".")


def percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def tell_verdict(session: Mapping[str, Any], result: Result, console: Console) -> None:
    found = result.utrace
    evidence = Evidence(session["state"] == "COMPLETED", result.classes or 0, found.accuracy, found.alpha,
                        found.uncertainty, found.coverage, found.max_set_size)  # fmt: skip
    verdict = judge(evidence)
    answers = {True: "[green]yes[/]", False: "[red]no[/]", None: "unknown"}
    console.print(f"[bold]{ENGLISH.satisfactory if verdict.satisfactory else ENGLISH.needs_review}[/]", end=": ")
    console.print(", ".join(f"{check.criterion} {answers[check.met]}" for check in verdict.checks))


def fetch(api: httpx.Client, identifier: str, pictures: Path, console: Console) -> None:
    for name, (path, form, beginning) in FILES.items():
        answer = asked(api, f"/sessions/{identifier}/{path}", form)
        if answer.headers["Content-Type"].partition(";")[0] != form or not answer.content.startswith(beginning):
            raise httpx.DecodingError(f"{path} is no {form}: {answer.text[:200]}", request=answer.request)
        (pictures / name).write_bytes(answer.content)
    console.print("report and reliability diagram:", *(f"[bold]{pictures / name}[/]" for name in FILES), sep="\n  ")
