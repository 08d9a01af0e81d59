"""The models that learn with torch, held to the battery; skipped where torch is not installed."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from quintet.adapters.lightgbm_trees import LightgbmTrees
from quintet.handover.history import History
from quintet.handover.learning import Model
from quintet.handover.ports import Selector
from quintet.handover.ranking import Ranking
from quintet.handover.selectors import EnsembleSelector
from quintet.handover.sights import Look, Sight
from tests.handover.models.battery import FEW, ModelBattery, choices

if TYPE_CHECKING:
    from gpu_workers.selector.sequence_model import SequenceRanking

pytestmark = pytest.mark.filterwarnings("ignore")  # of torch's exporter


@pytest.fixture(scope="module", autouse=True)
def tools() -> None:
    for name in ("torch", "onnxscript"):
        pytest.importorskip(name, reason="trained in an environment of its own, see gpu_workers/selector")


class TestLstm(ModelBattery):
    @classmethod
    def untrained(cls) -> Model:
        return sequences()

    def test_its_answers_change_with_the_order_of_what_was_seen(self, served: Selector, looks: list[Look]) -> None:
        drives = [look for look in looks if len(look.history.sights) > 3]
        told, turned = served.scores(drives), served.scores([backwards(look) for look in drives])
        changed = [np.abs(one - other).max() for one, other in zip(told, turned, strict=True)]
        assert np.quantile(changed, 0.9) > 0.01
        assert choices(told) != choices(turned)

    def test_its_answers_change_with_what_was_seen(self, served: Selector, looks: list[Look]) -> None:
        drives = [look for look in looks if look.history.sights]
        alone = [Look(look.sight, History()) for look in drives]
        assert choices(served.scores(drives)) != choices(served.scores(alone))


class TestEnsemble(ModelBattery):
    @classmethod
    def untrained(cls) -> Model:
        from gpu_workers.selector.ensemble_model import Ensemble

        return Ensemble(Ranking(LightgbmTrees(), FEW), sequences())

    def test_differs_from_each_of_its_members(self, served: Selector, looks: list[Look]) -> None:
        assert isinstance(served, EnsembleSelector)
        answers = choices(served.scores(looks))
        members = {member.kind: choices(member.scores(looks)) for member, _ in served.members}
        assert set(members) == {"lightgbm", "lstm"}
        assert all(alone != answers for alone in members.values())


def sequences() -> "SequenceRanking":
    from gpu_workers.selector.sequence_model import SequenceRanking

    return SequenceRanking()


def backwards(look: Look) -> Look:
    """What was seen first comes last, at the times as they were."""
    seen = look.history.sights
    turned: tuple[Sight, ...] = tuple(
        replace(one, at=other.at) for one, other in zip(reversed(seen), seen, strict=True)
    )
    return Look(look.sight, replace(look.history, sights=turned))
