"""Simulated traces → a trained forecaster, as ONNX with its manifest.

    python -m gpu_workers.forecaster.train --data virtual_patients.npz

Patients 1–8 of each age group are trained on, 9 chooses among settings, 10 is what the manifest's figures are of.
Real data play no part.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch

from gpu_workers.forecaster.export import export
from gpu_workers.forecaster.network import QuantileNetwork, pinball
from gpu_workers.forecaster.windows import Traces, draw

TRAIN, VALIDATE = set(range(1, 9)), {9}
MODEL_FOLDER = Path("layers/shared/quintet/glucose/model")


def train(traces: Traces, options: argparse.Namespace) -> QuantileNetwork:
    """Fit a network; progress goes to stderr."""
    torch.manual_seed(options.seed)
    random = np.random.default_rng(options.seed)
    people = traces.of(TRAIN)
    validation = torch.from_numpy(draw(traces.of(VALIDATE), options.validation, np.random.default_rng(0)))
    network = QuantileNetwork(options.width, options.blocks)
    optimizer = torch.optim.AdamW(network.parameters(), lr=options.rate, weight_decay=options.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, options.rate, options.steps, pct_start=0.05)
    for step in range(1, options.steps + 1):
        window = torch.from_numpy(draw(people, options.batch, random))
        loss = pinball(network(window[:, :96]), window[:, 96:])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 10.0)
        optimizer.step()
        schedule.step()
        if step % 250 == 0 or step == options.steps:
            print(f"step {step}/{options.steps} {validate(network, validation)}", file=sys.stderr, flush=True)
    network.eval()
    return network


def validate(network: QuantileNetwork, windows: torch.Tensor) -> str:
    """Loss on people not trained on, with persistence's error beside the median's, mg/dL."""
    with torch.no_grad():
        forecast, truth = network(windows[:, :96]), windows[:, 96:]
    error, still = forecast[..., forecast.shape[-1] // 2] - truth, windows[:, 95:96] - truth
    rmse = [float(e[:, 11].square().mean().sqrt()) for e in (error, still)]
    return f"pinball {float(pinball(forecast, truth)):.4f}  RMSE at 60 min {rmse[0]:.2f} (persistence {rmse[1]:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("virtual_patients.npz"))
    parser.add_argument("--out", type=Path, default=MODEL_FOLDER, help="folder of forecaster.onnx and manifest.json")
    parser.add_argument("--version", default="1.0.0")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--steps", type=int, default=12_000)
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--validation", type=int, default=20_000)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--decay", type=float, default=0.01)
    parser.add_argument("--width", type=int, default=160)
    parser.add_argument("--blocks", type=int, default=3)
    options = parser.parse_args()
    traces = Traces.load(options.data)
    network = train(traces, options)
    export(network, traces, options.out, options.version, training_settings(options))


def training_settings(options: argparse.Namespace) -> dict[str, object]:
    return {name: value for name, value in vars(options).items() if name not in ("data", "out", "version")}


if __name__ == "__main__":
    main()
