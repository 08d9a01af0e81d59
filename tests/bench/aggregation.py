"""Twenty owners, ten thousand variables, three of the owners lost on the way: what the rounds cost the server, and how
long it all takes.

    python -m tests.bench.aggregation [--owners 20] [--size 10000] [--runs 3] [--round-seconds 10] [--no-cloud]

"handlers" are the functions' own, in this process, with their state in memory: their time summed over every message
and answer of the five rounds. "wall" is the local cloud's HTTP, functions as processes and owners as threads of this
one; the rounds in which an owner is lost last for their whole time. Either way the sum must be exact to the bit.
"""

import argparse
import os
import tempfile
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from infra.local.endpoints import Endpoints
from quintet.aggregation.secagg.identity import Roster, SigningKey
from quintet.aggregation.secagg.messages import Advertisement, Confirmation, Message
from quintet.aggregation.secagg.owner import Owner
from quintet.aggregation.secagg.terms import ROUNDS, Round, Terms
from quintet.kernel.clock import SteppedClock
from quintet.sdk import Owner as Client
from quintet.sdk import Progress, Wishes
from quintet.sdk.identity_file import create_identity
from tests.clouds import ROOT, LocalCloud
from tests.integration.aggregation_functions import Functions, functions_of

LOST: Mapping[int, Round] = {4: "share", 10: "mask", 16: "confirm"}
"""The owner's number, and the round from which on it says nothing."""

GOAL_SECONDS = 1.0
JOB = "bench"
Vectors = Mapping[str, Sequence[Decimal]]


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--owners", type=int, default=20)
    asked.add_argument("--size", type=int, default=10_000)
    asked.add_argument("--runs", type=int, default=3)
    asked.add_argument("--round-seconds", type=float, default=10)
    asked.add_argument("--no-cloud", action="store_true")
    given = asked.parse_args()
    os.environ["LOG_LEVEL"] = "WARNING"
    vectors = made(given.owners, given.size)
    print(f"{given.owners} owners × {given.size} variables, {len(LOST)} of them lost; load {os.getloadavg()[0]:.1f}")
    show([handlers(vectors) for _ in range(given.runs)])
    if not given.no_cloud:
        print(f"wall, rounds of {given.round_seconds:g} s: {wall(vectors, given.round_seconds)}", flush=True)


def made(owners: int, size: int) -> Vectors:
    """Numbers of nine decimals, of either sign."""
    chance = np.random.default_rng(6)
    return {
        f"owner-{number:03d}": [Decimal(int(units)).scaleb(-9) for units in chance.integers(-(10**15), 10**15, size)]
        for number in range(owners)
    }


def lost(vectors: Vectors, *rounds: Round) -> set[str]:
    names = list(vectors)
    return {names[number] for number, gone in LOST.items() if gone in rounds}


def survivors(vectors: Vectors) -> list[str]:
    return [name for name in vectors if name not in lost(vectors, "advertise", "share", "mask")]


def check(output: Sequence[str], vectors: Vectors) -> None:
    """Raises AssertionError where a single element is not that of the survivors' sum."""
    expected = [sum(column, Decimal(0)) for column in zip(*(vectors[name] for name in survivors(vectors)), strict=True)]
    assert [Decimal(text) for text in output] == expected, "the sum is not exact"


Seconds = Mapping[str, Sequence[float]]
"""Of every call, by what it was."""


def handlers(vectors: Vectors) -> tuple[Seconds, Seconds]:
    """By the clock, and of the processor."""
    clock = SteppedClock(datetime.now(UTC))
    with (
        tempfile.TemporaryDirectory(prefix="quintet-bench-") as folder,
        functions_of(clock, RESULTS_SAVE_PATH=folder) as functions,
    ):
        players = joined(functions, vectors)
        there = list(vectors)
        for name in ROUNDS:
            there = through(functions, players, name, there, lost(vectors, name))
            if lost(vectors, name):  # the round waits for them
                clock.advance(61)
                functions.call("GET", f"/api/secagg/jobs/{JOB}", about=f"{name} (closing)", client=there[0])
        functions.spent["aggregate"], functions.computed["aggregate"] = [], []  # those before started the rounds
        functions.run_queues()
        _, status = functions.call("GET", f"/api/job-status/{JOB}", about="job-status")
        check(status["jobInfo"]["finalResult"]["computationOutput"], vectors)
        return functions.spent, functions.computed


def through(
    functions: Functions, players: Mapping[str, Owner], name: Round, there: Sequence[str], gone: set[str]
) -> list[str]:
    """Who has sent its message of the round."""
    left = [one for one in there if one not in gone]
    for one in left:
        message = said(functions, players[one], one, name)
        status, body = functions.call("POST", f"/api/secagg/jobs/{JOB}/{name}", message, about=name)
        assert status == 200, body
    return left


def joined(functions: Functions, vectors: Vectors) -> dict[str, Owner]:
    """All have reported, and each has its part in the session."""
    keys = {name: SigningKey.generate() for name in vectors}
    for name, key in keys.items():
        entry = {"client_id": name, "port": 0, "crt": "", "signing_key": b64encode(key.public).decode()}
        assert functions.call("POST", "/api/register-client", entry, about="register")[0] == 200
    for name in vectors:
        report = {"jobId": JOB, "clientId": name, "totalClients": len(vectors), "minClients": len(vectors) - 5}
        assert functions.call("POST", "/api/update", report, about="update")[0] == 200
    functions.run_queues()
    _, standing = functions.call("GET", f"/api/secagg/jobs/{JOB}", about="standing", client=next(iter(vectors)))
    terms = Terms.model_validate(standing["terms"])
    roster = Roster({name: key.public for name, key in keys.items()})
    return {name: Owner(name, keys[name], roster, terms, vector) for name, vector in vectors.items()}


def said(functions: Functions, player: Owner, client: str, name: Round) -> str:
    """The owner's message, made of what the server gives it; only the server's time counts."""

    def given(closed: Round) -> dict[str, Any]:
        path = f"/api/secagg/jobs/{JOB}/{closed}"
        status, body = functions.call("GET", path, about=f"{closed} (given)", client=client)
        assert status == 200, body
        return dict(body)

    steps: dict[Round, Callable[[], Message]] = {
        "advertise": player.advertise,
        "share": lambda: player.share([*map(Advertisement.model_validate, given("advertise")["advertisements"])]),
        "mask": lambda: player.mask({one: b64decode(box) for one, box in given("share")["boxes"].items()}),
        "confirm": lambda: player.confirm(given("mask")["survivors"]),
        "unmask": lambda: player.unmask([*map(Confirmation.model_validate, given("confirm")["confirmations"])]),
    }
    return steps[name]().model_dump_json()


def show(runs: Sequence[tuple[Seconds, Seconds]]) -> None:
    """The table is of the run with the least time in the rounds."""
    best, computed = min(runs, key=lambda run: in_rounds(run[0]))
    table = Table("handlers", "calls", "sum, ms", "of it CPU", "median, ms", title="Handler time, warm")
    for name, seconds in best.items():
        figures = 1000 * sum(seconds), 1000 * sum(computed[name]), 1000 * median(seconds)
        table.add_row(name, str(len(seconds)), *(f"{figure:.1f}" for figure in figures))
    Console().print(table)
    rounds = ", ".join(f"{in_rounds(spent):.2f} s ({in_rounds(busy):.2f} s CPU)" for spent, busy in runs)
    print(f"all rounds: {rounds}; goal {GOAL_SECONDS:g} s; sums bit-exact")
    updates = [1000 * one for spent, _ in runs[1:] or runs for one in spent["update"][1:]]
    print(f"/api/update, warm: median {median(updates):.2f} ms, 95 % {quantiles(updates, n=20)[-1]:.2f} ms", flush=True)


def in_rounds(run: Seconds) -> float:
    """Each message, each answer to who fetches, each closing, and putting the sum together."""
    return sum(sum(seconds) for name, seconds in run.items() if name.split(" ")[0] in (*ROUNDS, "aggregate"))


def wall(vectors: Vectors, round_seconds: float) -> str:
    with tempfile.TemporaryDirectory(prefix="quintet-bench-") as folder:
        cloud = LocalCloud(Path(folder) / "cloud", ROOT / "template.yaml")
        try:
            return over_http(cloud.up("--rooms", "aggregation"), Path(folder), vectors, round_seconds)
        finally:
            cloud.run("down")


class Lost(Exception):
    """An owner of whom nobody hears any more."""


def over_http(endpoints: Endpoints, folder: Path, vectors: Vectors, round_seconds: float) -> str:
    keys = {name: create_identity(folder / f"{name}.key").public for name in vectors}
    (folder / "roster.json").write_text(Roster(keys).to_json())
    began, seen = time.monotonic(), dict[str, float]()

    def take_part(name: str) -> dict[str, Any] | None:
        gone = next((LOST[number] for number, one in enumerate(vectors) if one == name and number in LOST), "")

        def listen(progress: Progress) -> None:
            seen.setdefault(progress.stage, time.monotonic())
            if progress.stage == gone:
                raise Lost

        client = Client(
            name,
            identity=folder / f"{name}.key",
            roster=folder / "roster.json",
            url=str(endpoints.rooms["aggregation"].http),
            api_key=endpoints.credentials["aggregation"]["api_key"],
        )
        wishes = Wishes(minimum=len(vectors) - 5, round_seconds=round_seconds)
        try:
            return client.contribute(JOB, vectors[name], total_clients=len(vectors), wishes=wishes, progress=listen)
        except Lost:
            return None

    with ThreadPoolExecutor(len(vectors)) as threads:
        statuses = [status for status in threads.map(take_part, vectors) if status]
    ended = time.monotonic()
    check(statuses[0]["jobInfo"]["finalResult"]["computationOutput"], vectors)
    stages = ", ".join(
        f"{name} at {moment - began:.1f}" for name, moment in sorted(seen.items(), key=lambda one: one[1])
    )
    return f"{ended - began:.1f} s from the first report to the last owner's result ({stages}); sum bit-exact"


if __name__ == "__main__":
    main()
