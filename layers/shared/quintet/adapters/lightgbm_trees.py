"""Gradient-boosted trees by LightGBM, as ONNX afterwards. Arrays in, arrays and bytes out.

The same rows, seed and parameters give the same model to the last bit. One thread: where others want the cores, threads
that wait for each other cost more than they bring.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import lightgbm
import numpy as np
from numpy.typing import NDArray

from quintet.adapters.onnx_trees import Tree, as_onnx, nodes_of
from quintet.kernel.errors import InvalidInput

Floats = NDArray[np.float64]
Rows = NDArray[np.float32]
Whole = NDArray[np.int64]
Round = Callable[[int], None]

STEADY = {
    "verbosity": -1,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "min_data_in_bin": 1,
    "feature_pre_filter": False,
    "metric": "None",
}


@dataclass(frozen=True)
class Grown:
    """Trees, trained. `width` is the number of scores a row."""

    booster: lightgbm.Booster
    width: int

    @property
    def rounds(self) -> int:
        return int(self.booster.best_iteration) if self.booster.best_iteration > 0 else self.booster.current_iteration()

    @property
    def importance(self) -> Floats:
        """(F,) shares of what the splits on each feature gained; zeros where nothing was split."""
        gains = np.asarray(self.booster.feature_importance("gain", iteration=self.rounds), dtype=np.float64)
        return gains / gains.sum() if gains.sum() > 0 else gains

    def raw(self, rows: Rows) -> Floats:
        """(n, F) -> (n, width) scores."""
        scores = self.booster.predict(rows, raw_score=True, num_iteration=self.rounds, num_threads=1)
        return np.asarray(scores, dtype=np.float64).reshape(len(rows), self.width)

    @cached_property
    def trees(self) -> list[Tree]:
        described = self.booster.dump_model(num_iteration=self.rounds)
        return [nodes_of(tree["tree_structure"]) for tree in described["tree_info"]]

    def onnx(self, *, scale: float = 1.0) -> bytes:
        """`features` (n, F) float32 -> `scores` (n, width) float32: `raw` times `scale`."""
        return as_onnx(self.trees, self.booster.num_feature(), self.width, scale)


@dataclass(frozen=True)
class LightgbmTrees:
    """Grows trees. Parameters have LightGBM's own names, `n_estimators` and `early_stopping_rounds` among them."""

    def rank(
        self,
        learn: tuple[Rows, Whole, Whole],
        judge: tuple[Rows, Whole, Whole] | None,
        parameters: Mapping[str, Any],
        *,
        seed: int,
        on_round: Round,
    ) -> Grown:
        """Trees by whose scores the right one of several rows comes first.

        `learn` and `judge`: rows (N, F) in lists, the lists' sizes (n,) that sum to N, the right row of each list (n,).
        What is minimised is the conditional logit's loss (McFadden, 1974): -log softmax of the right row's score among
        its list's. `judge` decides when to stop.
        """
        data = _ranked(learn)
        wanted = {"objective": conditional_logit(learn[1]), **_steady(parameters, seed)}
        held = [_ranked(judge, data)] if judge else []
        booster = grown(
            wanted,
            data,
            num_boost_round=int(parameters["n_estimators"]),
            valid_sets=held,
            feval=_list_loss(judge[1]) if judge else None,
            callbacks=_callbacks(parameters, on_round, judged=bool(held)),
        )
        return Grown(booster, 1)

    def classify(
        self,
        learn: tuple[Rows, Whole],
        judge: tuple[Rows, Whole] | None,
        classes: int,
        parameters: Mapping[str, Any],
        *,
        seed: int,
        on_round: Round,
    ) -> Grown:
        """Trees for `classes` classes, two or more: rows (n, F) and the class of each."""
        data = lightgbm.Dataset(learn[0], learn[1], free_raw_data=False)
        held = [lightgbm.Dataset(judge[0], judge[1], reference=data)] if judge else []
        wanted = _steady(parameters, seed) | {
            "objective": "multiclass",
            "num_class": classes,
            "metric": "multi_logloss",
        }
        booster = grown(
            wanted,
            data,
            num_boost_round=int(parameters["n_estimators"]),
            valid_sets=held,
            callbacks=_callbacks(parameters, on_round, judged=bool(held)),
        )
        return Grown(booster, classes)


def grown(*asked: Any, **how: Any) -> lightgbm.Booster:
    """Raises InvalidInput where LightGBM can't learn from what it is given."""
    try:
        return lightgbm.train(*asked, **how)
    except lightgbm.basic.LightGBMError as error:
        raise InvalidInput(f"LightGBM can't learn from these samples: {error}") from error


def conditional_logit(sizes: Whole) -> Callable[[Floats, lightgbm.Dataset], tuple[Floats, Floats]]:
    """The objective over lists of these sizes; labels are 1 for the right row, 0 for the others."""
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])

    def slopes(scores: Floats, data: lightgbm.Dataset) -> tuple[Floats, Floats]:
        shares = softmax(scores, starts, sizes)
        right = np.asarray(data.get_label(), dtype=np.float64)
        return shares - right, np.maximum(shares * (1 - shares), 1e-6)

    return slopes


def softmax(scores: Floats, starts: Whole, sizes: Whole) -> Floats:
    powers = np.exp(scores - np.repeat(np.maximum.reduceat(scores, starts), sizes))
    shares: Floats = powers / np.repeat(np.add.reduceat(powers, starts), sizes)
    return shares


def _list_loss(sizes: Whole) -> Callable[[Floats, lightgbm.Dataset], tuple[str, float, bool]]:
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])

    def loss(scores: Floats, data: lightgbm.Dataset) -> tuple[str, float, bool]:
        right = np.asarray(data.get_label(), dtype=bool)
        shares = softmax(scores, starts, sizes)[right]
        return "list_loss", float(-np.log(np.maximum(shares, 1e-15)).mean()), False

    return loss


def _ranked(lists: tuple[Rows, Whole, Whole], reference: lightgbm.Dataset | None = None) -> lightgbm.Dataset:
    rows, sizes, right = lists
    labels = np.zeros(len(rows))
    labels[np.concatenate([[0], np.cumsum(sizes)[:-1]]) + right] = 1
    return lightgbm.Dataset(rows, labels, reference=reference)


def _steady(parameters: Mapping[str, Any], seed: int) -> dict[str, Any]:
    kept = {name: value for name, value in parameters.items() if name not in {"n_estimators", "early_stopping_rounds"}}
    return STEADY | kept | {"seed": seed}


def _callbacks(parameters: Mapping[str, Any], on_round: Round, *, judged: bool) -> list[Callable[..., Any]]:
    def told(environment: Any) -> None:
        on_round(environment.iteration + 1)

    patience = int(parameters.get("early_stopping_rounds", 0))
    stopping = [lightgbm.early_stopping(patience, verbose=False)] if judged and patience else []
    return [cast(Callable[..., Any], told), *stopping]
