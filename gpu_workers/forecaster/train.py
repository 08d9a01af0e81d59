"""Simulated traces, and real ones where there are some → a forecaster, as ONNX with its manifest.

    python -m gpu_workers.forecaster.train --data virtual_patients.npz --people iglu_5_subjects.csv

Four networks learn from patients 1–8 of each age group and from random processes, each in its own proportion. Where
real people are given, the early part of their traces is mixed in for a last short while; then what joins the networks
is fitted to them (adjust.py), each person by networks that have not seen this person. Without real people the virtual
patients 9 take their place in that. Patients 10 are what the manifest's figures are of.
"""

import argparse
import copy
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gpu_workers.forecaster import adjust, people, processes, windows
from gpu_workers.forecaster.export import export
from gpu_workers.forecaster.network import LEVELS, Ensemble, QuantileNetwork, pinball
from gpu_workers.forecaster.windows import Traces
from quintet.glucose.forecast import Windows

TRAIN, VALIDATE = set(range(1, 9)), {9}
MODEL_FOLDER = Path("layers/shared/quintet/glucose/model")
SIMULATED = (0.9, 0.5, 0.1, 0.1)  # share of virtual patients in what each network sees, the rest are random processes
REAL, TUNING_RATE = 0.3, 3e-4  # share of real windows in the last short while, and how fast it learns then
DRAWN = 10_000  # windows drawn at once

Floats = NDArray[np.float64]
Pool = NDArray[np.float32]


class Pools(NamedTuple):
    """Windows (n, 108) that batches are drawn from."""

    patients: Pool
    made_up: Pool


def pools(traces: Traces, options: argparse.Namespace) -> Pools:
    random, patients = np.random.default_rng(options.seed), traces.of(TRAIN)
    return Pools(
        drawn(lambda count: windows.draw(patients, count, random), options.pool),
        drawn(lambda count: processes.draw(count, random), options.pool),
    )


def drawn(draw: Callable[[int], Pool], count: int) -> Pool:
    return np.concatenate([draw(min(DRAWN, count - done)) for done in range(0, count, DRAWN)])


def train(traces: Traces, simulated: Pools, options: argparse.Namespace) -> Ensemble:
    """The networks, which have seen nobody real yet; progress goes to stderr."""
    random = np.random.default_rng(options.seed + 1)
    validation = torch.from_numpy(windows.draw(traces.of(VALIDATE), options.validation, np.random.default_rng(0)))
    members = []
    for number, share in enumerate(SIMULATED, 1):
        torch.manual_seed(options.seed + number)
        member = QuantileNetwork(options.width, options.blocks)
        fit(member, mixed(simulated, share, options.batch, random), options.steps, options.rate, options.decay)
        print(f"network {number}: {validate(member, validation)}", file=sys.stderr, flush=True)
        members.append(member)
    return Ensemble(members)


def tuned(ensemble: Ensemble, someone: Sequence[Windows], simulated: Pools, options: argparse.Namespace) -> Ensemble:
    """A copy that has seen real people for a last short while."""
    random, result = np.random.default_rng(options.seed + 2), copy.deepcopy(ensemble)
    joined = people.joined(someone)
    real, count = np.hstack([joined.past, joined.future]).astype(np.float32), round(REAL * options.batch)
    for member, share in zip(result.members, SIMULATED, strict=True):
        member.train()
        batches = mixed(simulated, share, options.batch - count, random)
        fit(member, with_people(batches, real, count, random), options.tuning, TUNING_RATE, options.decay)
    return result


def mixed(simulated: Pools, share: float, batch: int, random: np.random.Generator) -> Iterator[Tensor]:
    """Batches of windows without end, a `share` of them of virtual patients."""
    counts = round(share * batch), batch - round(share * batch)
    while True:
        rows = [pool[random.integers(0, len(pool), count)] for pool, count in zip(simulated, counts, strict=True)]
        yield torch.from_numpy(np.concatenate(rows))


def with_people(batches: Iterator[Tensor], real: Pool, count: int, random: np.random.Generator) -> Iterator[Tensor]:
    for batch in batches:
        chosen = windows.varied(real[random.integers(0, len(real), count)], random)
        yield torch.cat([batch, torch.from_numpy(chosen)])


def fit(network: QuantileNetwork, batches: Iterator[Tensor], steps: int, rate: float, decay: float) -> None:
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, steps, pct_start=0.05)
    for window in islice(batches, steps):
        loss = pinball(network(window[:, :96]), window[:, 96:])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 10.0)
        optimizer.step()
        schedule.step()
    network.eval()


def validate(network: torch.nn.Module, windows: Tensor) -> str:
    """Loss on virtual patients not trained on, with persistence's error beside the median's, mg/dL."""
    with torch.no_grad():
        forecast, truth = network(windows[:, :96]), windows[:, 96:]
    error, still = forecast[..., forecast.shape[-1] // 2] - truth, windows[:, 95:96] - truth
    rmse = [float(e[:, 11].square().mean().sqrt()) for e in (error, still)]
    return f"pinball {float(pinball(forecast, truth)):.4f}  RMSE at 60 min {rmse[0]:.2f} (persistence {rmse[1]:.2f})"


def fit_to(
    ensemble: Ensemble, someone: Sequence[Windows], strangers: Sequence[Ensemble], simulated: Windows, share: float
) -> adjust.Foreseen:
    """Set the ensemble's free numbers; `strangers` are the ensembles that have not seen the person in this place.

    What comes back is of each person as of one of whom nothing was known.
    """
    raw = [predicted(stranger.mean, person.past) for stranger, person in zip(strangers, someone, strict=True)]
    parts = [adjust.led(w, q, all_but(w, someone), share, LEVELS) for w, q in zip(someone, raw, strict=True)]
    virtual = adjust.led(simulated, predicted(ensemble.mean, simulated.past), someone, share, LEVELS)
    ensemble.pull.copy_(torch.from_numpy(adjust.fit_pull(someone)))
    ensemble.factors.copy_(torch.from_numpy(adjust.fit_factors(parts, virtual)))
    ensemble.share.fill_(share)
    return adjust.left_out(parts, virtual)


def all_but(one: Windows, someone: Sequence[Windows]) -> list[Windows]:
    return [other for other in someone if other is not one]


def predicted(network: Callable[[Tensor], Tensor], past: Floats) -> Floats:
    with torch.no_grad():
        quantiles: Floats = network(torch.from_numpy(past.astype(np.float32))).numpy().astype(np.float64)
    return quantiles


def virtual_people(traces: Traces, numbers: set[int]) -> list[Windows]:
    """As simglucose's own sensor reads them."""
    return [people.windows_of([trace.astype(np.float64)]) for trace in traces.of(numbers).as_sensed()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("virtual_patients.npz"))
    parser.add_argument("--people", type=Path, help="real traces (columns id, time, gl): their early part is used")
    parser.add_argument("--out", type=Path, default=MODEL_FOLDER, help="folder of forecaster.onnx and manifest.json")
    parser.add_argument("--version", default="2.0.0")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--steps", type=int, default=3000, help="for each network")
    parser.add_argument("--tuning", type=int, default=300, help="steps with real people")
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--pool", type=int, default=150_000, help="windows of each kind to draw batches from")
    parser.add_argument("--validation", type=int, default=20_000)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--decay", type=float, default=0.01)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--blocks", type=int, default=2)
    parser.add_argument("--share", type=float, default=0.4, help="how far the linear forecast leads the median")
    options = parser.parse_args()
    traces = Traces.load(options.data)
    simulated = pools(traces, options)
    ensemble, virtual = train(traces, simulated, options), virtual_people(traces, VALIDATE)
    if options.people:
        someone = [person.parted()[0].windows() for person in people.load(options.people)]
        strangers = [tuned(ensemble, all_but(person, someone), simulated, options) for person in someone]
        ensemble = tuned(ensemble, someone, simulated, options)
    else:
        someone, strangers = virtual, [ensemble] * len(virtual)
    left_out = fit_to(ensemble, someone, strangers, people.joined(virtual), options.share)
    export(ensemble, traces, left_out if options.people else None, options)


if __name__ == "__main__":
    main()
