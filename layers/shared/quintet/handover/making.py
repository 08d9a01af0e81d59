"""New models, by their kinds, of what can be trained without torch."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from quintet.handover.examples import Example
from quintet.handover.fixed_labels import FixedLabels, LabelTrees
from quintet.handover.learning import Model, Progress
from quintet.handover.messages import Kind
from quintet.handover.online import Online
from quintet.handover.ranking import GROWTH, Parameters, Ranking, Trees
from quintet.handover.runs import Run
from quintet.handover.settings import Models
from quintet.handover.training import SEED, Maker
from quintet.handover.tuning import tuned


class AllTrees(Trees, LabelTrees, Protocol):
    """Grows both kinds of trees."""


def makers(trees: AllTrees, settings: Models) -> dict[Kind, Maker]:
    def ranking(examples: Sequence[Example], run: Run, progress: Progress) -> Model:
        return Ranking(trees, growth(trees, settings, examples, run, progress))

    def labels(_examples: Sequence[Example], _run: Run, _progress: Progress) -> Model:
        return FixedLabels(trees, settings.neighbours)

    def online(_examples: Sequence[Example], _run: Run, _progress: Progress) -> Model:
        return Online()

    return {"lightgbm": ranking, "fixed_labels": labels, "online": online}


def growth(trees: Trees, settings: Models, examples: Sequence[Example], run: Run, progress: Progress) -> Parameters:
    """LightGBM's parameters: searched for when bootstrapping, where that is asked for."""
    if not (settings.tune and run.reason == "bootstrap"):
        return GROWTH

    def told(so_far: Mapping[str, Any]) -> None:
        progress({"stage": "tuning", **so_far})

    found = tuned(examples, trees, draws=settings.tune_draws, folds=settings.tune_folds, seed=SEED, progress=told)
    return found.parameters
