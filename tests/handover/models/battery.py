"""What every model promises, whatever it is made of: trained, and served from what was published of it."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, ClassVar

import numpy as np
import pytest

from quintet.adapters.memory import MemoryObjects
from quintet.adapters.memory_rows import MemoryRows
from quintet.adapters.onnx_graph import OnnxGraph
from quintet.handover import bootstrap
from quintet.handover.errors import ModelNotReadyError
from quintet.handover.examples import Example, examples_of
from quintet.handover.features import LABEL_FEATURES, LENGTH, PAIR_FEATURES, SEQUENCE_FEATURES
from quintet.handover.history import EMPTY, History
from quintet.handover.learning import Fit, Model
from quintet.handover.messages import Measurement
from quintet.handover.ports import Selector
from quintet.handover.ranking import GROWTH
from quintet.handover.selectors import selector_of
from quintet.handover.sights import Look, sight_of
from quintet.handover.versions import Versions
from quintet.kernel.clock import SteppedClock
from quintet.kernel.errors import InvalidInput

SAMPLES, LEARNT = 700, 500
PARITY = 1e-5
"""Between what trained and what serves, of a share."""

FEW = {**GROWTH, "n_estimators": 30}
"""Trees, where trees are meant: it is not their number that is tested."""

FARTHEST = 1e12
"""No field of a request is larger."""


class ModelBattery:
    seed: ClassVar[int] = 7

    @classmethod
    def untrained(cls) -> Model:
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def examples(cls) -> list[Example]:
        return list(drives())

    @pytest.fixture(scope="class")
    @classmethod
    def learnt(cls, examples: list[Example]) -> tuple[Model, Fit]:
        model = cls.untrained()
        return model, model.fit(examples[:LEARNT], seed=cls.seed)

    @pytest.fixture(scope="class")
    @classmethod
    def trained(cls, learnt: tuple[Model, Fit]) -> Model:
        return learnt[0]

    @pytest.fixture(scope="class")
    @classmethod
    def served(cls, trained: Model) -> Selector:
        return published(trained)

    @pytest.fixture(scope="class")
    @classmethod
    def looks(cls, examples: list[Example]) -> list[Look]:
        """None of them was learnt from."""
        return [example.look for example in examples[LEARNT:]]

    def test_refuses_before_it_has_learnt(self, looks: list[Look]) -> None:
        with pytest.raises(ModelNotReadyError):
            self.untrained().scores(looks)
        with pytest.raises(ModelNotReadyError):
            self.untrained().files()

    def test_refuses_to_learn_from_nothing(self) -> None:
        with pytest.raises(InvalidInput, match="optimal_antenna"):
            self.untrained().fit([], seed=self.seed)

    def test_the_same_seed_gives_the_same_answers(
        self, trained: Model, examples: list[Example], looks: list[Look]
    ) -> None:
        again = self.untrained()
        again.fit(examples[:LEARNT], seed=self.seed)
        for one, other in zip(trained.scores(looks), again.scores(looks), strict=True):
            assert np.array_equal(one, other)
        assert again.files() == trained.files()

    def test_answers_the_same_once_saved_and_loaded(self, trained: Model, served: Selector, looks: list[Look]) -> None:
        for one, other in zip(trained.scores(looks), served.scores(looks), strict=True):
            assert other == pytest.approx(one, abs=PARITY)
        ours, theirs = choices(trained.scores(looks)), choices(served.scores(looks))
        assert ours == theirs

    def test_a_batch_is_a_loop_to_the_last_bit(self, trained: Model, served: Selector, looks: list[Look]) -> None:
        for model in (trained, served):
            for together, look in zip(model.scores(looks), looks, strict=True):
                assert np.array_equal(together, model.scores([look])[0])

    def test_nothing_asked_nothing_answered(self, trained: Model, served: Selector) -> None:
        assert [list(model.scores([])) for model in (trained, served)] == [[], []]

    def test_shares_are_numbers_that_add_up(self, trained: Model, served: Selector, looks: list[Look]) -> None:
        for model in (trained, served):
            for shares, look in zip(model.scores([*looks, *odd_looks()]), [*looks, *odd_looks()], strict=True):
                assert shares.shape == (len(look.sight.candidates),)
                assert np.isfinite(shares).all()
                assert ((shares >= 0) & (shares <= 1 + 1e-12)).all()
                assert shares.sum() == pytest.approx(1)

    def test_learns_something(self, served: Selector, examples: list[Example], looks: list[Look]) -> None:
        """More than who always stays, or always guesses."""
        right = [example.answer for example in examples[LEARNT:]]
        hits = np.mean([one == other for one, other in zip(choices(served.scores(looks)), right, strict=True)])
        chance = np.mean([1 / len(look.sight.candidates) for look in looks])
        assert hits > chance + 0.1

    def test_tells_what_it_learnt(self, learnt: tuple[Model, Fit]) -> None:
        told = learnt[1].answer()
        assert told["samples"] == LEARNT
        assert told["classes"] > 1
        assert told["feature_importance"]
        assert all(np.isfinite(share) for share in told["feature_importance"].values())
        for name in ("val_accuracy", "val_f1"):
            assert 0 <= told[name] <= 1

    def test_tells_how_far_it_is(self, examples: list[Example]) -> None:
        told: list[Mapping[str, Any]] = []
        self.untrained().fit(examples[:60], seed=self.seed, progress=told.append)
        assert told
        assert all(1 <= word["round"] <= word["of"] for word in told)

    def test_learns_from_a_single_example(self, examples: list[Example], looks: list[Look]) -> None:
        model = self.untrained()
        fit = model.fit(examples[:1], seed=self.seed)
        assert fit.answer()["val_accuracy"] is None
        assert all(np.isfinite(shares).all() for shares in published(model).scores(looks[:5]))


@cache
def drives() -> Sequence[Example]:
    """The same for all models."""
    return examples_of(bootstrap.drawn(np.random.default_rng(3), samples=SAMPLES), 0.0)


def published(model: Model) -> Selector:
    """As an environment has it that never saw the training: verified, and run by onnxruntime."""
    versions = Versions(MemoryObjects(), MemoryRows(), lambda: (b"k" * 32,), SteppedClock())
    features = LABEL_FEATURES if model.kind == "fixed_labels" else PAIR_FEATURES
    version = versions.publish(
        model.kind, model.files(), features=features, sequence_features=SEQUENCE_FEATURES, length=LENGTH
    ).version
    return selector_of(*versions.files(version), OnnxGraph)


def choices(shares: Sequence[Any]) -> list[int]:
    return [int(np.argmax(one)) for one in shares]


def odd_looks() -> list[Look]:
    """At the ends of what a request may say, and beyond what a phone can measure."""
    radios: list[dict[str, Any]] = [
        {"a": {"rsrp": -80}},
        {"a": {"rsrp": FARTHEST}, "b": {"rsrp": -FARTHEST}},
        {"a": {"sinr": FARTHEST, "rsrq": -FARTHEST, "cell_load": FARTHEST}, "b": {"rsrp": 0}},
        {"a": {"rsrp": -80}, "b": {"rsrp": -80}, "c": {"rsrp": -80}},
        {f"cell {number}": {"rsrp": -60 - number} for number in range(120)},
    ]
    wild = dict.fromkeys(("latitude", "longitude", "altitude", "speed", "acceleration", "path_curvature"), FARTHEST)
    sights = [sight_of(Measurement(rf_metrics=radio), 10.0) for radio in radios]
    wilder = [sight_of(Measurement(rf_metrics=radio, connected_to="x", **wild), 10.0) for radio in radios]
    histories = [EMPTY, History(tuple(sights[:3])), History(tuple(reversed(wilder)))]
    return [Look(sight, history) for sight in (*sights, *wilder) for history in histories]
