"""A model file is loaded only if it is the one its manifest describes."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from quintet.adapters.onnx_model import OnnxForecaster
from quintet.glucose import forecast
from quintet.kernel.errors import ModelUnavailable

FOLDER = Path(forecast.__file__).parent / "model"
NIGHT = np.full((1, 96), 110.0)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FOLDER, tmp_path / "model")) / "forecaster.onnx"


def flip_a_byte(model: Path) -> None:
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(bytes(content))


def drop_model(model: Path) -> None:
    model.unlink()


def drop_manifest(model: Path) -> None:
    model.with_name("manifest.json").unlink()


def cut_manifest(model: Path) -> None:
    manifest = model.with_name("manifest.json")
    manifest.write_text(manifest.read_text()[:-20])


def promise(**changes: object) -> Callable[[Path], None]:
    def change(model: Path) -> None:
        manifest = model.with_name("manifest.json")
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | changes))

    return change


@pytest.mark.parametrize(
    "damage",
    [
        flip_a_byte,
        drop_model,
        drop_manifest,
        cut_manifest,
        promise(sha256="no digest"),
        promise(quantiles=[0.5]),
        promise(quantiles=[0.1, 0.5, 0.9]),
        promise(quantiles=[0.95, *[level / 20 for level in range(2, 12)]]),
        promise(input_shape=[95]),
        promise(output_shape=[12, 3]),
    ],
)
def test_what_is_missing_or_altered_is_not_served(model: Path, damage: Callable[[Path], None]) -> None:
    damage(model)
    with pytest.raises(ModelUnavailable):
        OnnxForecaster(model).predict(NIGHT)


def test_a_file_that_is_no_model_is_not_served(model: Path) -> None:
    import hashlib

    model.write_bytes(b"no model")
    promise(sha256=hashlib.sha256(b"no model").hexdigest())(model)
    with pytest.raises(ModelUnavailable, match="cannot be loaded"):
        OnnxForecaster(model).predict(NIGHT)


def test_the_committed_model_is_small_and_says_where_it_is_from(model: Path) -> None:
    manifest = json.loads(model.with_name("manifest.json").read_text())
    assert model.stat().st_size < 5_000_000
    assert manifest["training_data"]["generator"].startswith("simglucose")
    assert {"torch", "onnx", "onnxruntime", "numpy"} <= set(manifest["libraries"])
    for kind in ("rmse", "mae"):
        for minutes in ("30", "60"):
            figures = manifest["metrics"]
            assert figures["forecaster"][kind][minutes] < figures["persistence"][kind][minutes]


def test_many_threads_share_one_model(model: Path) -> None:
    forecaster = OnnxForecaster(model)
    alone = OnnxForecaster(model).predict(NIGHT)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(forecaster.predict, [NIGHT] * 64))
    assert all(np.array_equal(answer, alone) for answer in answers)


def test_a_window_s_forecast_is_the_same_to_the_bit_in_every_company() -> None:
    forecaster = OnnxForecaster(FOLDER / "forecaster.onnx")
    random = np.random.default_rng(0)
    windows = np.clip(130 + np.cumsum(random.normal(0, 4, (200, 96)), axis=1), 40, 400).round()
    alone = np.concatenate([forecaster.predict(window[None]) for window in windows])
    for count in range(1, 201):
        place = random.permutation(200)[:count]
        assert np.array_equal(forecaster.predict(windows[place]), alone[place])


def test_no_windows_have_no_forecast() -> None:
    assert OnnxForecaster(FOLDER / "forecaster.onnx").predict(np.empty((0, 96))).shape == (0, 12, 11)


def test_importing_the_adapter_does_not_import_the_runtime() -> None:
    code = "import sys, quintet.adapters.onnx_model; sys.exit('onnxruntime' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": str(FOLDER.parents[2])})


def test_a_forecast_scales_with_the_trace() -> None:
    """Flatter hours get a narrower band: the model sees a window in units of its own restlessness."""
    forecaster = OnnxForecaster(FOLDER / "forecaster.onnx")
    waves = np.sin(np.arange(96) / 4)
    calm, lively = forecaster.predict(np.stack([120 + 5 * waves, 120 + 40 * waves]))
    assert np.ptp(lively, axis=1).mean() > 2 * np.ptp(calm, axis=1).mean()
