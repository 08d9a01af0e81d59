"""The models that need no torch, each held to the battery."""

import pytest

from quintet.adapters.lightgbm_trees import LightgbmTrees
from quintet.handover.examples import Example
from quintet.handover.fixed_labels import FixedLabels
from quintet.handover.learning import Model
from quintet.handover.online import Online
from quintet.handover.ranking import Ranking
from quintet.handover.selectors import LabelSelector
from tests.handover.models.battery import FEW, ModelBattery, drives, published


class TestLightgbm(ModelBattery):
    @classmethod
    def untrained(cls) -> Model:
        return Ranking(LightgbmTrees(), FEW)


class TestOnline(ModelBattery):
    @classmethod
    def untrained(cls) -> Model:
        return Online()


class TestFixedLabels(ModelBattery):
    """On the original's plane, whose three antennas are everywhere the same."""

    @classmethod
    def untrained(cls) -> Model:
        return FixedLabels(LightgbmTrees(), parameters=FEW)

    @pytest.fixture(scope="class")
    @classmethod
    def examples(cls) -> list[Example]:
        original = [example for example in drives() if int(example.ue.removeprefix("drive-")) % 3 == 0]
        return (original * 4)[:700]

    def test_names_only_labels_of_its_training(self, trained: Model, examples: list[Example]) -> None:
        """Whatever is heard: that is why it answers by its name alone."""
        known = {cell_of(example) for example in examples}
        served = published(trained)
        assert isinstance(served, LabelSelector)
        answers = served.labels([example.look for example in drives()])
        assert {answer.label for answer in answers} <= known
        assert not all(answer.heard for answer in answers)


def cell_of(example: Example) -> str:
    return example.look.sight.candidates[example.answer].cell
