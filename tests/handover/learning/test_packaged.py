"""The packaged model is what its script makes, small, and of use to any cells."""

import json
from pathlib import Path

import numpy as np
import pytest

from gpu_workers.selector import packaged
from quintet.adapters.onnx_graph import OnnxGraph
from quintet.handover import bootstrap
from quintet.handover.examples import examples_of
from quintet.handover.history import EMPTY
from quintet.handover.learning import accuracy, cell
from quintet.handover.messages import Measurement
from quintet.handover.packaged import FOLDER, Packaged
from quintet.handover.selectors import selector_of
from quintet.handover.sights import Look, sight_of

FILES = ("manifest.json", "pairs.onnx", "online.onnx", "fixed_labels/labels.onnx", "fixed_labels/labels.json")


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


def test_the_script_gives_the_same_bytes_again(tmp_path: Path) -> None:
    for name in ("first", "again"):
        packaged.write(tmp_path / name, samples=600)
    assert contents(tmp_path / "first") == contents(tmp_path / "again")


def test_the_committed_model_is_what_the_script_makes(tmp_path: Path) -> None:
    packaged.write(tmp_path)
    assert contents(tmp_path) == contents(FOLDER)


def test_it_is_small_and_its_own_description_fits() -> None:
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < 1_000_000
    described = {manifest.version: manifest.kind for manifest in Packaged().manifests()}
    assert described == {"1.0.0": "lightgbm", "1.0.0-fixed-labels": "fixed_labels"}
    assert json.loads((FOLDER / "fixed_labels/labels.json").read_bytes())["labels"] == [
        "antenna_1",
        "antenna_2",
        "antenna_3",
    ]


def test_it_knows_drives_that_it_has_not_seen() -> None:
    served = selector_of(Packaged().manifest("1.0.0"), Packaged().files("1.0.0"), OnnxGraph)  # type: ignore[arg-type]
    examples = examples_of(bootstrap.drawn(np.random.default_rng(77), samples=800), 0.0)
    named = [int(shares.argmax()) for shares in served.scores([example.look for example in examples])]
    right = [example.answer for example in examples]
    assert np.mean([one == other for one, other in zip(named, right, strict=True)]) > 0.75
    strongest = [max(one.look.sight.candidates, key=lambda c: c.rsrp).cell for one in examples]
    truth = [cell(example, example.answer) for example in examples]
    chosen = [cell(example, number) for example, number in zip(examples, named, strict=True)]
    assert accuracy(chosen, truth) >= accuracy(strongest, truth) - 0.02


@pytest.mark.parametrize("names", [("antenna_1", "antenna_2"), ("AAAAA1001", "AAAAA1002"), ("zz", "a b")])
@pytest.mark.parametrize("place", [(38.0, 23.7), (-22.3, -53.7), (None, None)])
def test_the_much_better_cell_wins_whatever_it_is_called(names: tuple[str, str], place: tuple[float, float]) -> None:
    served = selector_of(Packaged().manifest("1.0.0"), Packaged().files("1.0.0"), OnnxGraph)  # type: ignore[arg-type]
    near, far = names
    said = {near: {"rsrp": -70, "sinr": 18, "rsrq": -8}, far: {"rsrp": -105, "sinr": -5, "rsrq": -16}}
    for serving in (near, far, None):
        measured = Measurement(latitude=place[0], longitude=place[1], connected_to=serving, rf_metrics=said)
        look = Look(sight_of(measured, 0.0), EMPTY)
        shares = dict(zip([c.cell for c in look.sight.candidates], served.scores([look])[0], strict=True))
        assert shares[near] > 0.8, serving
