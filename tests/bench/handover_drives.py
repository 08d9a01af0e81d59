"""The models against the A3 rule, over real drives: how right 1 and 3 s ahead of a change, how restless, how late.

    python -m tests.bench.handover_drives [--drives FOLDER] [--plot pareto.png]

Reads the traces of the 5G data set of Raca et al. (MMSys 2020), unpacked or as the archive `cork_5g_drive.zip`; without
them it is skipped. Models learn from three fifths of the drives; a fifth tells from which share on one goes over as
often in vain as the A3 rule does, where the phone had better stay; the last fifth is played. Models learned when to
leave; going back is left to the A3 rule. With torch at hand, LSTM and ensemble are there, too. What one unnamed
neighbour allows, and what not, is said in tests/bench/drives.py.
"""

import argparse
import random
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from quintet.cli.handover_drives import NEIGHBOUR
from quintet.handover.examples import Example
from quintet.handover.learning import Model
from quintet.handover.sights import Look, Sight
from tests.bench.drives import (
    SERVED,
    Played,
    Policy,
    Stretch,
    all_played,
    examples,
    is_calm,
    looks,
    read_drives,
    until_change,
)

ARCHIVE = Path(__file__).parents[3] / "shared/data/handover/cork_5g_drive.zip"
FIFTHS = 5

SEED = 42
A3_HYSTERESIS_DB, A3_TIME_TO_TRIGGER_S = 3.0, 0.256
HYSTERESES = (0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0)
SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
AHEAD_S = (1.0, 3.0)

Share = Callable[[Sequence[Look]], list[float]]
"""How likely a policy holds the other cell to be the right one."""


@dataclass(frozen=True)
class Right:
    """Of the moments so long before a change, how many were seen to come; of the calm ones, how many were."""

    ahead: dict[float, float]
    calm: float


def a3(hysteresis: float, time_to_trigger: float = A3_TIME_TO_TRIGGER_S) -> Policy:
    """3GPP TS 38.331, event A3, without offsets: the neighbour is better by the hysteresis, for so long."""

    def policy(look: Look) -> bool:
        sights = [*look.history.sights, look.sight]
        held = [better(sight, look) > hysteresis for sight in sights]
        if not held[-1]:
            return False
        since = next((place for place in range(len(held), 0, -1) if not held[place - 1]), 0)
        return look.sight.at - sights[since].at >= time_to_trigger

    return policy


def better(sight: Sight, look: Look) -> float:
    """dB by which the cell that does not serve in `look` is the stronger one."""
    powers = {one.cell: one.rsrp for one in sight.candidates}
    if len(powers) < 2 or sight.serving != look.sight.serving:
        return float("-inf")
    others = [power for cell, power in powers.items() if cell != sight.serving]
    return max(others) - sight.reference().rsrp


def share_of(model: Model) -> Share:
    def share(asked: Sequence[Look]) -> list[float]:
        return [float(scores[other(look)]) for look, scores in zip(asked, model.scores(asked), strict=True)]

    return share


def other(look: Look) -> int:
    return next(place for place, one in enumerate(look.sight.candidates) if one.cell != look.sight.serving)


def from_share(share: Share, least: float) -> Policy:
    """Back from the neighbour, where no model has ever been, it goes by the A3 rule."""
    back = a3(A3_HYSTERESIS_DB)
    return lambda look: share([look])[0] >= least if look.sight.serving == SERVED else back(look)


def foreseen(parts: Sequence[Stretch], yes: Callable[[Sequence[Look]], list[bool]]) -> Right:
    ahead: dict[float, list[Look]] = {seconds: [] for seconds in AHEAD_S}
    calm: list[Look] = []
    for part in parts:
        for place, look in looks(part):
            left = until_change(part, place)
            for seconds in AHEAD_S:
                if left == seconds:
                    ahead[seconds].append(look)
            if is_calm(part, place):
                calm.append(look)
    calm = random.Random(SEED).sample(calm, min(len(calm), 3000))
    return Right({seconds: share_true(yes(some)) for seconds, some in ahead.items()}, share_true(yes(calm)))


def share_true(answers: Sequence[bool]) -> float:
    return sum(answers) / max(1, len(answers))


def trained(learnt: Sequence[Stretch], console: Console) -> Iterator[tuple[str, Model]]:
    shown = [example for part in learnt for example in examples(part)]
    console.print(f"{len(shown)} looks to learn from, {sum(map(goes, shown))} of them within 3 s before a change")
    for name, model in models().items():
        with console.status(f"training {name}"):
            model.fit(shown, seed=SEED, progress=lambda _: None)
        yield name, model


def goes(example: Example) -> bool:
    return bool(example.look.sight.candidates[example.answer].cell == NEIGHBOUR)


def models() -> dict[str, Model]:
    from quintet.adapters.lightgbm_trees import LightgbmTrees
    from quintet.handover.online import Online
    from quintet.handover.ranking import Ranking

    found: dict[str, Model] = {"lightgbm": Ranking(LightgbmTrees()), "online": Online()}
    if find_spec("torch"):
        from gpu_workers.selector.ensemble_model import Ensemble
        from gpu_workers.selector.sequence_model import SequenceRanking

        found |= {"lstm": SequenceRanking(), "ensemble": Ensemble(Ranking(LightgbmTrees()), SequenceRanking())}
    return found


def rows(
    tuned: Sequence[Stretch], played_on: Sequence[Stretch], made: Sequence[tuple[str, Model]]
) -> Iterator[tuple[str, Right, Played]]:
    rule = a3(A3_HYSTERESIS_DB)
    yield "A3, 3 dB, 256 ms", foreseen(played_on, lambda some: list(map(rule, some))), all_played(played_on, rule)
    for name, model in made:
        share = share_of(model)
        for least in (0.5, least_share(tuned, rule, share)):
            yield (
                f"{name}, from {least:.2f}",
                foreseen(played_on, at_least(share, least)),
                all_played(played_on, from_share(share, least)),
            )


def at_least(share: Share, least: float) -> Callable[[Sequence[Look]], list[bool]]:
    return lambda some: [one >= least for one in share(some)]


def least_share(tuned: Sequence[Stretch], rule: Policy, share: Share) -> float:
    """From which share on a model goes over as often as the rule where all is calm."""
    calm = [look for part in tuned for place, look in looks(part) if is_calm(part, place)]
    return float(np.quantile(share(calm), 1 - share_true(list(map(rule, calm)))))


def table(measured: Sequence[tuple[str, Right, Played]]) -> Table:
    titles = ("", "foreseen 1 s", "3 s ahead", "false in calm", "handovers a minute", "dwell s", "ping-pong", "late")
    shown = Table(*titles)
    for name, right, one in measured:
        ahead = (f"{right.ahead[seconds]:.0%}" for seconds in AHEAD_S)
        minute = f"{60 * one.handovers / one.seconds:.2f}"
        rates = (f"{one.ping_pong_rate:.0%}", f"{one.late_rate:.0%}")
        shown.add_row(name, *ahead, f"{right.calm:.1%}", minute, f"{one.dwell:.0f}", *rates)
    return shown


def curves(parts: Sequence[Stretch], made: Sequence[tuple[str, Model]]) -> dict[str, list[tuple[float, Played]]]:
    """By policy what became of it for each hysteresis (dB), or each least share."""
    found = {"A3": [(value, all_played(parts, a3(value))) for value in HYSTERESES]}
    for name, model in made:
        share = share_of(model)
        found[name] = [(least, all_played(parts, from_share(share, least))) for least in SHARES]
    return found


def draw(found: dict[str, list[tuple[float, Played]]], file: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    for name, points in found.items():
        x = [60 * one.handovers / one.seconds for _, one in points]
        y = [100 * one.late_rate for _, one in points]
        axes.plot(x, y, marker="o", label=name)
        for (value, _), at_x, at_y in zip(points, x, y, strict=True):
            axes.annotate(f"{value:g}", (at_x, at_y), fontsize=7, xytext=(3, 3), textcoords="offset points")
    axes.set(xlabel="handovers a minute", ylabel="changes that came late, %",
             title="How restless, how late: A3 by hysteresis (dB), models by least share")  # fmt: skip
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(file, dpi=120)


def neighbours_come_true(parts: Sequence[Stretch]) -> float:
    """Share of changes after which the new cell is as strong as the neighbour was just before, to 4 dB."""
    near = []
    for part in parts:
        for place in part.changes:
            neighbour, new = part.sights[place - 1].heard(NEIGHBOUR), part.sights[place].reference()
            if neighbour:
                near.append(abs(neighbour.rsrp - new.rsrp) <= 4)
    return share_true(near)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--drives", type=Path, default=ARCHIVE)
    arguments.add_argument("--plot", type=Path)
    given, console = arguments.parse_args(), Console(width=120)
    if not given.drives.exists():
        console.print(f"skipped: no drives at {given.drives}")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        if given.drives.suffix == ".zip":
            zipfile.ZipFile(given.drives).extractall(folder)
        drives = read_drives(given.drives if given.drives.is_dir() else Path(folder))
    fifths = [[part for name in sorted(drives)[first::FIFTHS] for part in drives[name]] for first in range(FIFTHS)]
    tested, tuned, learnt = fifths[0], fifths[1], [part for fifth in fifths[2:] for part in fifth]
    changes = sum(len(part.changes) for part in tested)
    console.print(f"{len(drives)} drives; a fifth of them is played, with {changes} changes of cell")
    console.print(f"the neighbour is the next cell, by its power (4 dB), in {neighbours_come_true(tested):.0%} of them")
    made = list(trained(learnt, console))
    console.print(table(list(rows(tuned, tested, made))))
    if given.plot:
        draw(curves(tested, made), given.plot)
        console.print(f"drawn: {given.plot}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
