"""Random histories of the training room, as many as one likes, and where in them processes died.

    python -m tests.bench.delivery_histories --histories 100000 --from 10000

Stops at the first history that breaks a promise and tells it; the suite lives through the first ten thousand.
"""

import argparse
import sys
from collections import Counter

from quintet.kernel.clock import stopwatch
from tests.training.faults import CHANCES, MOMENTS
from tests.training.test_delivery_histories import history
from tests.training.witness import Violation


def main() -> int:
    wanted = arguments()
    crashed: Counter[tuple[str, str]] = Counter()
    seen: Counter[str] = Counter()
    began = stopwatch()
    for seed in range(wanted.first, wanted.first + wanted.histories):
        try:
            world = history(seed)
        except Violation as broken:
            print(broken)
            return 1
        crashed.update(world.faults.crashed)
        seen.update(jobs=len(world.asked_for), messages=len(world.broker.published), interludes=world.faults.pauses)
    tell(wanted.histories, stopwatch() - began, crashed, seen)
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--histories", type=int, default=100_000)
    parser.add_argument("--from", dest="first", type=int, default=0, help="the first seed")
    return parser.parse_args()


def tell(histories: int, seconds: float, crashed: Counter[tuple[str, str]], seen: Counter[str]) -> None:
    print(f"{histories} histories in {seconds:.0f} s, every promise kept: {dict(seen)}")
    print(f"{'a process died':20} {'before':>8} {'after':>8}")
    for effect in CHANCES:
        print(f"{effect:20} " + " ".join(f"{crashed[effect, moment]:8}" for moment in MOMENTS))


if __name__ == "__main__":
    sys.exit(main())
