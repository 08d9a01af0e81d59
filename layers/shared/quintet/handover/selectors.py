"""From looks to shares: what each kind of model does with what it is shown.

A graph scores pairs of the UE and a cell; a look's scores become shares by a softmax over its candidates in float64
(the Luce choice: Luce, Individual Choice Behavior, 1959). Only a cell that is heard has a score, so no other can be
answered. Every look is a run of the graph of its own: the same to the last bit whatever is asked together.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from quintet.handover.errors import ModelAltered
from quintet.handover.features import PAIR_FEATURES, SEQUENCE_FEATURES, label_features, pair_features, sequences
from quintet.handover.history import EMPTY
from quintet.handover.manifest import Manifest
from quintet.handover.messages import Kind
from quintet.handover.ports import Selector
from quintet.handover.sights import Candidate, Look, Sight
from quintet.kernel.errors import ModelUnavailable

Floats = NDArray[np.float32]
Shares = NDArray[np.float64]
PAIRS, SEQUENCES, ONLINE, LABELS = "pairs.onnx", "sequences.onnx", "online.onnx", "labels.onnx"
WEIGHTS_FILE, LABELS_FILE, ENSEMBLE_FILE = "weights.json", "labels.json", "ensemble.json"


class Graph(Protocol):
    """`inputs`: the shape of each by its name, None where a size is free."""

    @property
    def inputs(self) -> Mapping[str, tuple[int | None, ...]]: ...
    def run(self, feed: Mapping[str, Floats]) -> Floats:
        """Raises ModelUnavailable."""
        ...


Start = Callable[[bytes], Graph]
"""Makes a graph of a file. Raises ModelUnavailable."""


@dataclass(frozen=True)
class PairSelector:
    """Scores pairs, one by one: `lightgbm`, and `online` with its `weights` as further inputs."""

    kind: Kind
    version: str
    graph: Graph
    weights: Mapping[str, Floats] = field(default_factory=dict)
    features: tuple[str, ...] = PAIR_FEATURES

    def scores(self, looks: Sequence[Look]) -> list[Shares]:
        return [shares(self.graph.run({"features": pair_features(look), **self.weights})) for look in looks]


@dataclass(frozen=True)
class SequenceSelector:
    """Scores what was seen of each cell in the UE's last sights: `lstm`."""

    version: str
    graph: Graph
    kind: Kind = "lstm"
    features: tuple[str, ...] = SEQUENCE_FEATURES

    def scores(self, looks: Sequence[Look]) -> list[Shares]:
        return [shares(self.graph.run({"sequences": sequences(look)})) for look in looks]


@dataclass(frozen=True)
class EnsembleSelector:
    """The weighted mean of its members' shares; the weights add up to 1."""

    version: str
    members: tuple[tuple[Selector, float], ...]
    kind: Kind = "ensemble"

    @property
    def features(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for member, _ in self.members for name in member.features))

    def scores(self, looks: Sequence[Look]) -> list[Shares]:
        parts = [(member.scores(looks), weight) for member, weight in self.members]
        means = (sum(weight * given[position] for given, weight in parts) for position in range(len(looks)))
        return [np.asarray(mean / np.sum(mean), dtype=np.float64) for mean in means]


class Labelled(NamedTuple):
    """The label that the model answers, whether or not the UE hears such a cell."""

    label: str
    confidence: float
    heard: bool


@dataclass(frozen=True)
class LabelSelector:
    """The original's classifier over the cells of its training, which it names whatever the UE hears."""

    version: str
    graph: Graph
    names: tuple[str, ...]
    features: tuple[str, ...]
    neighbours: int = 3
    kind: Kind = "fixed_labels"

    def labels(self, looks: Sequence[Look]) -> list[Labelled]:
        """The likeliest label of each look; of equal ones the first."""
        return [self._labelled(look) for look in looks]

    def scores(self, looks: Sequence[Look]) -> list[Shares]:
        """What is left of the labels among the heard cells; a cell that is no label has 0, and where none is one, all
        are equal.
        """
        return [self._heard(look) for look in looks]

    def _labelled(self, look: Look) -> Labelled:
        given = self._shares(look)
        best = int(np.argmax(given))
        return Labelled(self.names[best], float(given[best]), look.sight.heard(self.names[best]) is not None)

    def _heard(self, look: Look) -> Shares:
        given = dict(zip(self.names, self._shares(look), strict=True))
        heard = np.array([given.get(one.cell, 0.0) for one in look.sight.candidates])
        total = heard.sum()
        return heard / total if total > 0 else np.full(len(heard), 1 / len(heard))

    def _shares(self, look: Look) -> Shares:
        return shares(self.graph.run({"features": label_features(look, self.neighbours)[None]}))


def shares(scores: Floats) -> Shares:
    """Raises ModelUnavailable for a score that is no finite number.

    >>> shares(np.array([[1.0], [1.0]], dtype=np.float32)).tolist()
    [0.5, 0.5]
    """
    if not np.isfinite(scores).all():
        raise ModelUnavailable("The model answers something that is no number.")
    powers = np.exp(scores.ravel().astype(np.float64) - float(scores.max()))
    return np.asarray(powers / powers.sum())


def selector_of(manifest: Manifest, files: Mapping[str, bytes], start: Start, weights: str | None = None) -> Selector:
    """The selector of a verified version; `weights` are an online model's live ones.

    Tried once before it is given out. Raises ModelAltered where it was made for another release of this program, or
    can't answer.
    """
    try:
        made = _MAKERS[manifest.kind](manifest, files, start, weights)
        made.scores([PROBE])
    except (ModelUnavailable, KeyError, ValueError, TypeError) as error:
        raise ModelAltered(f"Version {manifest.version} can't be loaded: {_reason(error)}") from error
    return made


def weights_of(text: str | bytes, graph: Graph) -> dict[str, Floats]:
    """An online graph's inputs but the features, from a `weights.json`. Raises ValueError, KeyError and TypeError."""
    given = json.loads(text)
    wanted = {name: shape for name, shape in graph.inputs.items() if name != "features"}
    found = {name: np.asarray(given[name], dtype=np.float32) for name in wanted}
    for name, values in found.items():
        if not (_fits(values.shape, wanted[name]) and np.isfinite(values).all()):
            raise ValueError(f"{WEIGHTS_FILE} has no {name} of finite numbers as the graph takes them")
    return found


def _pairs(manifest: Manifest, files: Mapping[str, bytes], start: Start, _: str | None) -> Selector:
    _check_features("features", manifest.features, PAIR_FEATURES)
    return PairSelector("lightgbm", manifest.version, start(files[PAIRS]))


def _online(manifest: Manifest, files: Mapping[str, bytes], start: Start, weights: str | None) -> Selector:
    _check_features("features", manifest.features, PAIR_FEATURES)
    graph = start(files[ONLINE])
    return PairSelector("online", manifest.version, graph, weights_of(weights or files[WEIGHTS_FILE], graph))


def _sequences(manifest: Manifest, files: Mapping[str, bytes], start: Start, _: str | None) -> Selector:
    _check_features("sequence_features", manifest.sequence_features, SEQUENCE_FEATURES)
    return SequenceSelector(manifest.version, start(files[SEQUENCES]))


def _ensemble(manifest: Manifest, files: Mapping[str, bytes], start: Start, weights: str | None) -> Selector:
    given: dict[Kind, Any] = json.loads(files[ENSEMBLE_FILE])["weights"]
    total = sum(given.values())
    if not given or min(given.values()) <= 0 or not np.isfinite(total):
        raise ValueError(f"{ENSEMBLE_FILE} has no positive weights")
    members = (
        (_MEMBERS[kind](manifest, files, start, weights), weight / total) for kind, weight in sorted(given.items())
    )
    return EnsembleSelector(manifest.version, tuple(members))


def _labels(manifest: Manifest, files: Mapping[str, bytes], start: Start, _: str | None) -> Selector:
    names = tuple(json.loads(files[LABELS_FILE])["labels"])
    neighbours = sum(name.startswith("rsrp_a") for name in manifest.features)
    return LabelSelector(manifest.version, start(files[LABELS]), names, manifest.features, neighbours)


_Maker = Callable[[Manifest, Mapping[str, bytes], Start, str | None], Selector]
_MEMBERS: dict[Kind, _Maker] = {"lightgbm": _pairs, "lstm": _sequences, "online": _online}
_MAKERS: dict[Kind, _Maker] = {**_MEMBERS, "ensemble": _ensemble, "fixed_labels": _labels}

PROBE = Look(
    Sight(at=0.0, x=0.0, y=0.0, serving="a", candidates=(Candidate("a", -80.0, 10.0), Candidate("b", -90.0, 5.0))),
    EMPTY,
)


def _check_features(field_: str, given: tuple[str, ...], ours: tuple[str, ...]) -> None:
    if given != ours:
        odd = sorted(set(given) ^ set(ours))
        raise ValueError(f"its {field_} are not those of this program ({', '.join(odd[:5]) or 'another order'})")


def _fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(shape) == len(wanted) and all(size in {None, have} for have, size in zip(shape, wanted, strict=True))


def _reason(error: Exception) -> str:
    return f"it lacks {error}" if isinstance(error, KeyError) else str(error)
