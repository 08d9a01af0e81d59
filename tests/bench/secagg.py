"""Secure aggregation: the server's and the owners' time, the masks, and how both grow with the owners.

    python -m tests.bench.secagg [--flower PYTHON] [--plot secagg.png]

The masks of a million words stand beside NumPy's RandomState, which a well-known framework draws its masks from, from
32 bits. --flower names the interpreter of an environment with flwr (1.42): its own SecAgg+ code, with everybody as
everybody's neighbour, then sums the same vectors. Times are the processor's, of one thread, and the least of --runs;
--grow 0 leaves the growth out.
"""

import argparse
import json
import os
import secrets
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from quintet.aggregation.secagg import fixed_point, masks, server
from quintet.aggregation.secagg.identity import Roster, SigningKey
from quintet.aggregation.secagg.messages import Message
from quintet.aggregation.secagg.owner import Owner
from quintet.aggregation.secagg.terms import ROUNDS, Round, Terms, default_threshold

ROOT = Path(__file__).parents[2]
FLOWER = Path(__file__).with_name("secagg_flower.py")
MILLION = 1_000_000
GROWTH = (10, 20, 50, 100, 150, 200)

Vectors = Mapping[str, NDArray[np.float64]]
Steps = dict[str, float]


class Measured(NamedTuple):
    """Seconds of the processor: one owner's steps (the median), the server's; whether the sum is the survivors'."""

    owner: Steps
    server: Steps
    exact: bool


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    made = work()
    return time.process_time() - start, made


def least(work: Callable[[], Any], runs: int) -> float:
    return min(timed(work)[0] for _ in range(runs))


def vectors(owners: int, size: int) -> dict[str, NDArray[np.float64]]:
    draw = np.random.default_rng(1)
    return {f"owner-{place:03}": draw.normal(0, 1, size) for place in range(owners)}


class Session:
    """One session, step by step; the first `dropouts` owners are gone once they have shared."""

    def __init__(self, values: Vectors, dropouts: int) -> None:
        self.values, self.clients = values, list(values)
        self.survivors = self.clients[dropouts:]
        identities = {name: SigningKey.generate() for name in values}
        self.roster = Roster({name: key.public for name, key in identities.items()})
        size, count = len(values[self.clients[0]]), len(values)
        self.terms = Terms(
            session=secrets.token_hex(16),
            job="bench",
            clients=tuple(values),
            threshold=default_threshold(count),
            minimum=3,
            size=size,
        )
        self.owner_times: dict[str, list[float]] = {}
        self.server_times: Steps = {}
        self.owners = {name: self.one("values", partial(self.made, name, identities)) for name in values}
        self.said: dict[Round, dict[str, Any]] = {}

    def made(self, name: str, identities: Mapping[str, SigningKey]) -> Owner:
        return Owner(name, identities[name], self.roster, self.terms, self.values[name])

    def one(self, step: str, work: Callable[[], Any]) -> Any:
        seconds, made = timed(work)
        self.owner_times.setdefault(step, []).append(seconds)
        return made

    def round(self, round_: Round, who: Sequence[str], step: Callable[[str], Message]) -> None:
        """Everybody's step, then the server's look at all that came."""
        said = {name: self.one(round_, partial(step, name)) for name in who}
        members = self.survivors if round_ == "confirm" else self.clients
        taken = self.survivors if round_ == "unmask" else ()

        def look() -> None:
            for name, message in said.items():
                server.check(message, self.terms, round_, self.roster[name], members=members, survivors=taken)

        self.server_times[f"check {round_}"] = timed(look)[0]
        self.said[round_] = said

    def boxes(self, name: str) -> dict[str, bytes]:
        return {sender: one.boxes[name] for sender, one in self.said["share"].items() if sender != name}

    def play(self) -> Measured:
        owners, there = self.owners, self.survivors
        self.round("advertise", self.clients, lambda name: owners[name].advertise())
        advertised = list(self.said["advertise"].values())
        self.round("share", self.clients, lambda name: owners[name].share(advertised))
        self.round("mask", there, lambda name: owners[name].mask(self.boxes(name)))
        self.round("confirm", there, lambda name: owners[name].confirm(there))
        confirmed = list(self.said["confirm"].values())
        self.round("unmask", there, lambda name: owners[name].unmask(confirmed))
        words = self.summed()
        return Measured(
            {step: median(times) for step, times in self.owner_times.items()}, self.server_times, self.right(words)
        )

    def summed(self) -> masks.Words:
        masked = [one.words for one in self.said["mask"].values()]
        size = len(next(iter(self.values.values())))
        self.server_times["sum"], total = timed(lambda: server.survivors_sum(masked, size))
        bonds = {name: one.commitment for name, one in self.said["share"].items()}
        given = list(self.said["unmask"].values())
        work = partial(server.unmasked, self.terms, self.said["advertise"], bonds, self.survivors, total, given)
        self.server_times["unmask"], words = timed(work)
        return np.asarray(words)

    def right(self, words: masks.Words) -> bool:
        count = len(self.clients)
        parts = [fixed_point.encode(self.values[name], decimals=9, owners=count) for name in self.survivors]
        return bool(np.array_equal(words, np.add.reduce(parts)))


def best(values: Vectors, dropouts: int, runs: int) -> Measured:
    played = [Session(values, dropouts).play() for _ in range(runs)]
    owner = {step: min(one.owner[step] for one in played) for step in played[0].owner}
    server_side = {step: min(one.server[step] for one in played) for step in played[0].server}
    return Measured(owner, server_side, all(one.exact for one in played))


def drawn_masks(runs: int) -> Steps:
    """Seconds for a million words of 64 bits."""
    key, total = secrets.token_bytes(32), np.zeros(MILLION, dtype=np.uint64)
    random = np.random.RandomState(1)
    whole = np.iinfo(np.uint64).max
    return {
        "ours, drawn": least(lambda: masks.stream(key, MILLION), runs),
        "ours, drawn and added": least(lambda: masks.add(total, key, 1), runs),
        "RandomState, drawn": least(lambda: random.randint(0, whole, MILLION, dtype=np.uint64), runs),
        "RandomState, drawn and added": least(
            lambda: np.add(total, random.randint(0, whole, MILLION, dtype=np.uint64), out=total), runs
        ),
    }


def flower(python: Path, values: Vectors, dropouts: int) -> dict[str, Any]:
    """What its code takes for the same vectors."""
    with tempfile.TemporaryDirectory(prefix="quintet-bench-") as folder:
        file = Path(folder) / "vectors.npy"
        np.save(file, np.array(list(values.values())))
        threshold = str(default_threshold(len(values)))
        command = [str(python), str(FLOWER), str(file), str(dropouts), threshold]
        done = subprocess.run(
            command, cwd=folder, env={"PATH": os.defpath, "HOME": folder}, capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def growth(size: int, runs: int) -> dict[int, Measured]:
    return {count: best(vectors(count, size), count // 10, runs) for count in GROWTH}


def draw(points: Mapping[int, Measured], size: int, file: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
    counts = list(points)
    for step in ("values", *ROUNDS):
        left.plot(counts, [1000 * points[count].owner[step] for count in counts], "o-", label=step, markersize=4)
    right.plot(
        counts, [1000 * looked(points[count]) for count in counts], "o-", label="checking messages", markersize=4
    )
    for step, name in (("sum", "adding vectors"), ("unmask", "taking masks off")):
        right.plot(counts, [1000 * points[count].server[step] for count in counts], "o-", label=name, markersize=4)
    for axes, title in ((left, "one owner, a step"), (right, "the server, a whole session")):
        axes.set(title=title, xlabel="owners", ylabel="milliseconds of the processor", xscale="log", yscale="log")
        axes.set_xticks(counts, list(map(str, counts)))
        axes.minorticks_off()
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    figure.suptitle(f"Secure aggregation of {size:,} values an owner, one owner in ten drops out after sharing")
    figure.savefig(file, dpi=130)
    plt.close(figure)


def looked(measured: Measured) -> float:
    return sum(seconds for step, seconds in measured.server.items() if step.startswith("check"))


def listed(title: str, steps: Mapping[str, float]) -> None:
    print(f"\n{title}")
    for step, seconds in steps.items():
        print(f"  {step:<30} {1000 * seconds:10.2f} ms")


def load() -> str:
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--owners", type=int, default=50)
    parser.add_argument("--size", type=int, default=100_000)
    parser.add_argument("--dropouts", type=int, default=5)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--grow", type=int, default=10_000, help="values an owner while the owners grow; 0: not at all")
    parser.add_argument("--flower", type=Path, help="a Python with flwr")
    parser.add_argument("--plot", type=Path, default=Path("secagg.png"))
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    told = report(given)
    if given.json:
        given.json.write_text(json.dumps(told, indent=2) + "\n")


def report(given: argparse.Namespace) -> dict[str, Any]:
    print(load())
    drawn = drawn_masks(10 * given.runs)
    listed("A mask of a million words", drawn)
    values = vectors(given.owners, given.size)
    session = best(values, given.dropouts, given.runs)
    what = f"{given.owners} owners, {given.size:,} values, {given.dropouts} dropouts"
    listed(f"{what}: the server ({'exact' if session.exact else 'WRONG'})", session.server)
    print(f"  {'sum and unmask together':<30} {1000 * (session.server['sum'] + session.server['unmask']):10.2f} ms")
    listed(f"{what}: one owner", session.owner)
    told = {"load": os.getloadavg(), "masks": drawn, "server": session.server, "owner": session.owner}
    if given.flower and given.flower.exists():
        told["flower"] = beside = flower(given.flower, values, given.dropouts)
        listed(f"{what}: Flower's {beside['version']}", beside["seconds"])
        print(f"  its largest error: {beside['error']:.3g}; ours: none beyond the ninth decimal of each value")
    else:
        print("\nFlower: skipped, no --flower with its interpreter")
    if given.grow:
        points = growth(given.grow, 1)
        draw(points, given.grow, given.plot)
        told["growth"] = {count: {"server": one.server, "owner": one.owner} for count, one in points.items()}
        listed(
            "The server's whole session, by owners",
            {str(count): sum(one.server.values()) for count, one in points.items()},
        )
        listed(
            "One owner's whole session, by owners",
            {str(count): sum(one.owner.values()) for count, one in points.items()},
        )
        print(f"\n{given.plot}: {'all sums exact' if all(one.exact for one in points.values()) else 'WRONG SUMS'}")
    print(load())
    return told


if __name__ == "__main__":
    main()
