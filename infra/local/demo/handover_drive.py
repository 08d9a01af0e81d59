"""A simulated drive past the original's three antennas, and samples of other drives to train on.

python -m infra.local.demo.handover_drive drive.json                 # one UE, 52 moments, as `collect` would write it
python -m infra.local.demo.handover_drive samples.json --samples 2000
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from quintet.handover.bootstrap import ORIGINAL, Drive, drawn, labelled, served
from quintet.handover.messages import TrainingSample
from quintet.handover.radio_model import Radio, hear

SEED = 7
SPEED, STEP = 25.0, 2.0
"""m/s, s."""
WAY = np.array([(40.0, 30.0), (960.0, 60.0), (520.0, 790.0), (60.0, 90.0)])
"""The corners of the drive, in metres."""
REPORTS = frozenset({"sinr", "rsrq", "cell_load", "connected_to", "speed", "direction"})


def drive(seed: int = SEED) -> list[TrainingSample]:
    """Its moments, with the cell that would serve best."""
    random, path = np.random.default_rng(seed), way()
    loads = np.full((len(path), len(ORIGINAL)), 0.3)
    heard = hear(path, ORIGINAL, loads, Radio(), random)
    names = tuple(f"antenna_{number}" for number in (1, 2, 3))
    serving = served(heard.rsrp, random)
    return list(labelled(Drive("car-7", STEP, path, names, loads, heard, serving, None, REPORTS, 1_790_000_000.0)))


def way() -> np.ndarray:
    """(T, 2) in metres, SPEED · STEP apart."""
    lengths = np.hypot(*np.diff(WAY, axis=0).T)
    along = np.arange(0.0, lengths.sum(), SPEED * STEP)
    corners = np.concatenate([[0.0], np.cumsum(lengths)])
    return np.stack([np.interp(along, corners, WAY[:, axis]) for axis in (0, 1)], axis=1)


def as_json(samples: Sequence[TrainingSample]) -> str:
    return json.dumps([one.model_dump(mode="json", exclude_none=True) for one in samples])


def count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text} is no number of samples: give 1 or more")
    return int(text)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("file", type=Path)
    arguments.add_argument("--samples", type=count, metavar="N", help="N samples of other drives instead")
    given = arguments.parse_args()
    samples = drawn(np.random.default_rng(SEED), samples=given.samples) if given.samples else drive()
    given.file.write_text(as_json(samples))
    print(f"{given.file}: {len(samples)} samples")


if __name__ == "__main__":
    main()
