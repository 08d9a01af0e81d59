"""The arithmetic of calibration: what a batch costs, whether sets cover as promised, and a real model's figures.

    python -m tests.bench.calibration_numbers [--seeds 1000]

A batch is 64 × 10. `update` is Evaluator.add in the third stage, or add_many of several together; the scan for the
bound and the fit of the temperature come once a batch of the second stage and once a session, and are told apart. All
are on one core, the medians and the fastest of many. Coverage: each seed calibrates a fresh model, and rows of a coming
stage are covered as often as a beta-binomial with the threshold's rank says; told is the share of seeds inside its
central bands. The real model's outputs are ../shared/data/calibration, where present.
"""

import argparse
import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
from scipy.stats import betabinom

from quintet.calibration.batch import Batch
from quintet.calibration.conformal import Score, bound, quantile, sets, true_scores
from quintet.calibration.evaluation import Evaluator, Given
from quintet.calibration.temperature import fitted
from quintet.calibration.utrace import evaluate
from tests.calibration.some_rows import CIFAR, Rows, drawn

DATA = Path(__file__).parents[3] / "shared/data" / CIFAR
SIZE, CALIBRATION, TESTED = 64, 704, 1280
BANDS = (0.95, 0.99)


class Coverage(NamedTuple):
    """Of one seed: rows covered of TESTED ones, and the rank of the threshold among the CALIBRATION scores."""

    covered: int
    rank: int

    def inside(self, band: float) -> bool:
        """Whether as many as this lie in the central `band` of the beta-binomial."""
        expected = betabinom(TESTED, self.rank, CALIBRATION + 1 - self.rank)
        tail = (1 - band) / 2
        return bool(expected.cdf(self.covered) > tail and expected.sf(self.covered - 1) > tail)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=1000)
    seeds = parser.parse_args().seeds
    costs()
    for score in ("lac", "aps"):
        coverages(f"{score} at alpha 0.1", seeds, partial(at_fixed_alpha, score=score))
    coverages("lac, evaluate's own alpha", seeds, at_own_alpha)
    if DATA.is_file():
        real_model()


def costs() -> None:
    generator = np.random.default_rng(0)
    some = drawn(generator, SIZE * 400)
    probabilities, labels = some[0].astype(np.float32), some[1]
    evaluator = Evaluator()
    pieces = [slice(SIZE * index, SIZE * (index + 1)) for index in range(400)]
    batches = [(at, probabilities[piece], labels[piece]) for at, piece in enumerate(pieces)]
    adds = [timed(partial(evaluator.add, *batch)) for batch in batches]
    tell(
        "yardstick: a batch's row sums",
        [timed(partial(np.sum, probabilities[:SIZE], axis=1)) for _ in range(400)],
        "µs",
    )
    tell("update, third stage", adds[21:], "µs, goal < 200")
    tell("update, first stage", adds[:11], "µs")
    for together in (8, 16, 32):
        tell(f"update, {together} together", at_once(batches, together), "µs a batch")
    for calibrated in (CALIBRATION, 50_000):
        scores, batch = np.sort(generator.random(calibrated)), Batch(some[0][:SIZE], labels[:SIZE])
        tell(f"scan of {calibrated} scores", [timed(partial(bound, scores, batch)) for _ in range(50)], "µs")
    part = Batch(some[0][:CALIBRATION], labels[:CALIBRATION])
    tell(f"temperature of {CALIBRATION} rows", [timed(partial(fitted, part)) for _ in range(50)], "µs")
    tell("result of 400 batches", [timed(evaluator.result) for _ in range(10)], "µs")


def at_once(batches: Sequence[Given], together: int) -> list[float]:
    """Microseconds a batch of the third stage, of each group of so many."""
    evaluator, third = Evaluator(), batches[21:]
    evaluator.add_many(batches[:21])
    groups = [third[start : start + together] for start in range(0, len(third) - together + 1, together)]
    return [timed(partial(evaluator.add_many, group)) / together for group in groups]


def timed(work: Callable[[], object]) -> float:
    """Microseconds of this thread."""
    began = time.thread_time_ns()
    work()
    return (time.thread_time_ns() - began) / 1000


def tell(what: str, costs: Sequence[float], unit: str) -> None:
    print(f"{what:30} median {median(costs):8.1f}   fastest {min(costs):8.1f}   {unit}")


def coverages(what: str, seeds: int, seen: Callable[[int], Coverage]) -> None:
    told = [seen(seed) for seed in range(seeds)]
    mean, rank = np.mean([one.covered for one in told]) / TESTED, np.mean([one.rank for one in told])
    inside = {band: np.mean([one.inside(band) for one in told]) for band in BANDS}
    shares = ", ".join(f"{share:.1%} in the {band:.0%} band" for band, share in inside.items())
    print(f"{what:30} covers {mean:.4f}, expected {rank / (CALIBRATION + 1):.4f}; of {seeds} seeds {shares}")


def at_fixed_alpha(seed: int, *, score: Score, alpha: float = 0.1) -> Coverage:
    some = drawn(np.random.default_rng(seed), CALIBRATION + TESTED)
    scores = true_scores(Batch(some[0][:CALIBRATION], some[1][:CALIBRATION]), score)
    threshold = quantile(scores, alpha)
    chosen = sets(some[0][CALIBRATION:], threshold, score)
    return Coverage(int(chosen[np.arange(TESTED), some[1][CALIBRATION:]].sum()), int((scores <= threshold).sum()))


def at_own_alpha(seed: int) -> Coverage:
    some = drawn(np.random.default_rng(seed), SIZE * 21 + TESTED)
    told = evaluate(*some)
    assert told.coverage is not None
    assert told.quantile is not None
    scores = true_scores(Batch(some[0][:CALIBRATION], some[1][:CALIBRATION]), "lac")
    return Coverage(round(told.coverage * TESTED), int((scores <= told.quantile).sum()))


def real_model() -> None:
    with np.load(DATA) as file:
        some: Rows = file["probabilities"], file["labels"].astype(np.int64)
    evaluator = Evaluator()
    for index in range(math.ceil(len(some[1]) / SIZE)):
        evaluator.add(index, some[0][SIZE * index :][:SIZE], some[1][SIZE * index :][:SIZE])
    figures = evaluator.result().summary()
    print(f"\nVGG-16 on CIFAR-10, {len(some[1])} images in batches of {SIZE}")
    for name, figure in figures.items():
        print(f"  {name:20} {figure:.4f}" if isinstance(figure, float) else f"  {name:20} {figure}")
    for score in ("lac", "aps"):
        print(f"  coverage at 90 %, {score}: {at_90(some, score)}")


def at_90(some: Rows, score: Score) -> str:
    rows = Batch(some[0].astype(np.float64), some[1])
    first, rest = rows.probabilities[:CALIBRATION], rows.probabilities[CALIBRATION:]
    threshold = quantile(true_scores(Batch(first, rows.labels[:CALIBRATION]), score), 0.1)
    chosen = sets(rest, threshold, score)
    covered = chosen[np.arange(len(rest)), rows.labels[CALIBRATION:]].mean()
    sizes = chosen.sum(axis=1)
    return f"{covered:.4f} of {len(rest)} rows, sets of {sizes.mean():.2f} classes, {np.mean(sizes == 0):.1%} empty"


if __name__ == "__main__":
    main()
