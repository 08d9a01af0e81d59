"""The aggregation room: twenty hospitals sum up what their records say, and nobody sees another's."""

import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from threading import Thread
from typing import Any

from rich.console import Console
from rich.table import Table

from infra.local.cloud import ROOT
from infra.local.demo.aggregation_owner import SILENT
from infra.local.demo.aggregation_records import (
    OWNERS,
    RANGES,
    SCHEMA,
    Hospital,
    hospitals,
    true_sum,
    truth,
    write_schema,
)
from infra.local.demo.aggregation_results import POSTED
from infra.local.endpoints import Endpoints
from infra.local.errors import CloudError
from infra.local.stack import Aws
from quintet.aggregation.secagg.identity import Roster
from quintet.cli import screen
from quintet.kernel.errors import QuintetError
from quintet.sdk.identity_file import create_identity
from quintet.sdk.server import Server

ROUND_SECONDS, MINIMUM, PATIENCE = 45, 15, 360
FALLING_SILENT = {"hospital-05": "advertise", "hospital-11": "share", "hospital-17": "mask"}
"""Three that are killed: after which round's message."""

PROGRAM = (sys.executable, "-m", "infra.local.demo.aggregation_owner")
RESULTS = "aggregation/results/"


@dataclass(frozen=True)
class Place:
    """Where the room is, and the key that its callers have."""

    url: str
    key: str
    folder: Path
    job: str


def show(endpoints: Endpoints, pictures: Path, console: Console) -> None:
    room, key = endpoints.rooms["aggregation"], endpoints.credentials["aggregation"]["api_key"]
    job, known = f"breast-cancer-{secrets.token_hex(3)}", hospitals()
    with tempfile.TemporaryDirectory() as folder:
        place = Place(str(room.http), key, Path(folder), job)
        prepare(known, place, console)
        with running(known, place, console):
            status = watched(place, console)
    tell(status, known, console)
    find_file(endpoints, job, pictures, console)
    tell_posted(job, console)


def prepare(known: Sequence[Hospital], place: Place, console: Console) -> None:
    """Each hospital's key, everybody's roster, and the records that each has alone."""
    keys = {one.name: create_identity(place.folder / f"{one.name}.key").public for one in known}
    (place.folder / "roster.json").write_text(Roster(keys).to_json())
    for one in known:
        one.write(place.folder)
    write_schema(place.folder)
    sizes = sorted(len(one.records) for one in known)
    console.print(
        f"{len(known)} hospitals with {sizes[0]} to {sizes[-1]} of scikit-learn's {sum(sizes)} breast-cancer records "
        f"each; every one has pinned the others' keys"
    )
    console.print(
        f"job {place.job}: a sum of {len(true_sum(known[:1]))} numbers over {OWNERS} processes, {MINIMUM} at least; "
        f"{ROUND_SECONDS} s a round. "
        + ", ".join(f"{name} dies after {stage}" for name, stage in FALLING_SILENT.items())
    )


@contextmanager
def running(known: Sequence[Hospital], place: Place, console: Console) -> Iterator[None]:
    """A process for each hospital; whoever falls silent is killed. All have ended afterwards."""
    processes = {one.name: start(one.name, place) for one in known}
    for name in FALLING_SILENT:
        Thread(target=kill_when_silent, args=(name, processes[name], console), daemon=True).start()
    try:
        yield
        for process in processes.values():
            process.wait(PATIENCE)
    finally:
        for process in processes.values():
            process.kill()
            process.communicate()


def start(name: str, place: Place) -> subprocess.Popen[str]:
    about = ("--client", name, "--folder", str(place.folder), "--url", place.url, "--clients", str(OWNERS))
    wishes = ("--minimum", str(MINIMUM), "--round-seconds", str(ROUND_SECONDS))
    silent = ("--silent-after", FALLING_SILENT.get(name, ""))
    process = subprocess.Popen(
        [*PROGRAM, place.job, *about, *wishes, *silent],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    assert process.stdin is not None
    process.stdin.write(f"{place.key}\n")
    process.stdin.flush()
    return process


def kill_when_silent(name: str, process: subprocess.Popen[str], console: Console) -> None:
    assert process.stdout is not None
    if process.stdout.readline().strip() == SILENT:
        process.kill()
        console.print(f"  [red]✗[/] {name} is killed: its message of round {FALLING_SILENT[name]} was its last")


def watched(place: Place, console: Console) -> dict[str, Any]:
    """The completed job. Raises CloudError where there is no result."""
    server = Server(place.url, place.key)
    try:
        await_job(server, place.job)
        with screen.bars(place.job, console) as progress:
            return server.watch(place.job, progress)
    except QuintetError as error:
        raise CloudError(f"Job {place.job}: {error.message}", "Look at `make logs`.") from None


def await_job(server: Server, job: str) -> None:
    """Until the first hospital has reported."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            server.status(job)
        except QuintetError:
            time.sleep(0.2)
        else:
            return


def tell(status: Mapping[str, Any], known: Sequence[Hospital], console: Console) -> None:
    """The decoded figures beside those of the records themselves; raises CloudError where the sum is not exact."""
    names = status["metadata"]["summedClients"]
    summed = [one for one in known if one.name in names]
    missing = [one.name for one in known if one.name not in names]
    console.print(f"[bold]{status['status']}[/]: {len(summed)} hospitals are in the sum, without {', '.join(missing)}")
    output = status["jobInfo"]["finalResult"]["computationOutput"]
    if [Decimal(text) for text in output] != true_sum(summed):
        raise CloudError("The sum is not that of the survivors' vectors.", "Look at `make logs`.")
    console.print(figures(status["aggregatedResults"], summed))
    console.print(f"All {len(output)} sums equal those of the survivors' vectors, digit for digit.")


def figures(decoded: Sequence[Mapping[str, Any]], summed: Sequence[Hospital]) -> Table:
    table = Table("", "records", "mean", "deviation", "median lies in", title="the room's figures / the records' own")
    for feature in decoded:
        name, pooled = feature["featureName"], feature.get("pooled")
        if name in RANGES and pooled:
            true, median = truth(summed, name), pooled["quartiles"]["q2"]
            pairs = (
                (pooled["count"], true.count),
                (pooled["mean"], true.mean),
                (pooled["standardDeviation"], true.deviation),
            )
            beside = (" / ".join(f"{value:.6g}" for value in pair) for pair in pairs)
            table.add_row(name, *beside, f"{median['low']:g} to {median['high']:g} / {true.median:.6g}")
        elif name == "malignant":
            table.add_row(
                name, f"{feature['aggregatedTrue']} of {feature['aggregatedNotNull']}: {feature['percentage']} %"
            )
        elif pooled:
            table.add_row(name, ", ".join(f"{count} {kind}" for kind, count in pooled["counts"].items()))
    assert len(table.rows) == len(SCHEMA)
    return table


def find_file(endpoints: Endpoints, job: str, pictures: Path, console: Console) -> None:
    """The result file, as it is in the bucket; raises CloudError where it does not come."""
    s3, deadline = Aws(str(endpoints.aws)).client("s3"), time.monotonic() + PATIENCE
    while not (found := s3.list_objects_v2(Bucket=endpoints.bucket, Prefix=f"{RESULTS}{job}").get("Contents")):
        if time.monotonic() > deadline:
            raise CloudError(f"There is no result file of job {job}.", "Look at `make logs`.")
        time.sleep(0.5)
    key = found[0]["Key"]
    content = s3.get_object(Bucket=endpoints.bucket, Key=key)["Body"].read()
    file = pictures / "aggregation-result.json"
    file.write_bytes(content)
    console.print(
        f"s3://{endpoints.bucket}/{key}, {len(json.loads(content)['aggregatedResults'])} features:\n  [bold]{file}[/]"
    )


def tell_posted(job: str, console: Console) -> None:
    if not POSTED.url:
        console.print("The collection was started with another RESULTS_API_URL, or none: see what has come there.")
        return
    body = POSTED.of(job, PATIENCE)
    if body is None:
        raise CloudError(f"Nothing was posted to {POSTED.url}.", "Look at `make logs`.")
    features = body["metadata"]["totalFeatures"]
    console.print(f"POST {POSTED.url}: {body['totalClients']} clients, {features} features, {body['timestamp']}")
