"""The training scripts do what they say; skipped where torch or the simulator are not installed."""

import argparse
import json
from pathlib import Path

import numpy as np
import pytest

from quintet.adapters.onnx_model import OnnxForecaster
from quintet.glucose.accuracy import band
from quintet.glucose.forecast import Windows, all_windows

pytestmark = pytest.mark.filterwarnings("ignore")  # of the simulator's and the exporter's own dependencies
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", autouse=True)
def tools() -> None:
    for name in ("torch", "onnxscript", "simglucose"):
        pytest.importorskip(name, reason="trained in an environment of its own, see gpu_workers/forecaster")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sine-like traces under the names of one training, one validation and one test patient."""
    path = tmp_path_factory.mktemp("virtual") / "virtual.npz"
    random = np.random.default_rng(0)
    glucose = 140 + 40 * np.sin(np.arange(900) / 12 + np.array([[0.0], [1.0], [2.0]]))
    noise = random.normal(0, 3, glucose.shape)
    names = np.array(["adult#001", "adult#009", "adult#010"])
    np.savez(path, patient=names, glucose=np.float32(glucose), noise=np.float32(noise), seed=1)
    return path


def settings(**changes: object) -> argparse.Namespace:
    small = {"seed": 1, "steps": 60, "batch": 128, "pool": 2000, "validation": 200, "rate": 3e-3, "decay": 0.0}
    return argparse.Namespace(
        **small | {"width": 32, "blocks": 1, "tuning": 20, "share": 0.4, "people": None} | changes
    )


def wave(phase: float) -> Windows:
    """Three days of somebody whose glucose is a noisy sine."""
    random = np.random.default_rng(int(10 * phase))
    return all_windows(150 + 50 * np.sin(np.arange(864) / 15 + phase) + random.normal(0, 2, 864))


def test_training_lowers_the_loss_and_exports_what_it_trained(data: Path, tmp_path: Path) -> None:
    import torch

    from gpu_workers.forecaster import windows
    from gpu_workers.forecaster.export import export
    from gpu_workers.forecaster.network import Ensemble, QuantileNetwork, pinball
    from gpu_workers.forecaster.train import VALIDATE, fit_to, pools, train, virtual_people

    traces, options = windows.Traces.load(data), settings(out=tmp_path, version="test")
    network = train(traces, pools(traces, options), options)
    drawn = torch.from_numpy(windows.draw(traces.of({10}), 500, np.random.default_rng(3)))
    with torch.no_grad():
        untrained = Ensemble([QuantileNetwork(32, 1)])
        losses = [float(pinball(net(drawn[:, :96]), drawn[:, 96:])) for net in (network, untrained)]
    assert losses[0] < 0.9 * losses[1]

    virtual = virtual_people(traces, VALIDATE)
    fit_to(network, [*virtual, wave(1.0)], [network] * 2, virtual[0], 0.4)
    export(network, traces, None, options)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["parity_mg_dl"] < 1e-2
    assert manifest["training_data"]["people"] is None
    assert OnnxForecaster(tmp_path / "forecaster.onnx").predict(np.full((3, 96), 100.0)).shape == (3, 12, 11)


def test_an_ensemble_fitted_to_people_holds_four_fifths_of_their_readings() -> None:
    from gpu_workers.forecaster.network import LEVELS, Ensemble, QuantileNetwork
    from gpu_workers.forecaster.train import fit_to, predicted

    ensemble = Ensemble([QuantileNetwork(16, 1), QuantileNetwork(16, 1)]).eval()
    someone = [wave(phase) for phase in (0.0, 1.0, 2.0)]
    left_out = fit_to(ensemble, someone, [ensemble] * 3, someone[0], 0.4)
    quantiles = predicted(ensemble, wave(3.0).past)
    low, high = (quantiles[..., LEVELS.index(level)] for level in (0.1, 0.9))
    assert len(left_out.last) == sum(len(person.past) for person in someone)
    assert band(left_out.low, left_out.high, left_out.future).coverage == pytest.approx(0.8, abs=0.1)
    assert band(low, high, wave(3.0).future).coverage == pytest.approx(0.8, abs=0.1)
    assert (np.diff(quantiles, axis=-1) >= 0).all()


def test_tuning_brings_a_copy_nearer_to_people(data: Path) -> None:
    import torch

    from gpu_workers.forecaster.network import Ensemble, QuantileNetwork, pinball
    from gpu_workers.forecaster.train import SIMULATED, pools, tuned
    from gpu_workers.forecaster.windows import Traces

    options, someone = settings(tuning=80), [wave(0.0), wave(1.0)]
    ensemble = Ensemble([QuantileNetwork(16, 1) for _ in SIMULATED]).eval()
    near = tuned(ensemble, someone, pools(Traces.load(data), options), options)
    unseen = wave(2.0)
    past, future = (torch.from_numpy(part.astype(np.float32)) for part in unseen)
    with torch.no_grad():
        before, after = (float(pinball(version.mean(past), future)) for version in (ensemble, near))
    assert after < before


def test_torch_and_numpy_see_the_same_drift() -> None:
    import torch

    from gpu_workers.forecaster import adjust, network

    past = wave(0.5).past[:5]
    assert adjust.drift(past) == pytest.approx(network.drift(torch.from_numpy(past.copy())).numpy())


def test_an_untrained_network_is_persistence() -> None:
    import torch

    from gpu_workers.forecaster.network import MEDIAN, QuantileNetwork

    readings = torch.rand(4, 96) * 300 + 50
    with torch.no_grad():
        quantiles = QuantileNetwork()(readings)
    assert torch.allclose(quantiles[..., MEDIAN], readings[:, -1:].expand(4, 12))
    assert (quantiles.diff(dim=-1) > 0).all()


def test_drawn_windows_look_like_a_sensors() -> None:
    from gpu_workers.forecaster.windows import LENGTH, Traces, draw

    minutes = np.arange(1000, dtype=np.float32)
    traces = Traces(["adult#001"], 150 + 90 * np.sin(minutes / 20)[None], np.zeros((1, 1000), np.float32), 0)
    first, again = (draw(traces, 300, np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(first, again)
    assert first.shape == (300, LENGTH)
    assert first.min() >= 39
    assert first.max() <= 401


def test_made_up_glucose_strays_and_comes_back() -> None:
    from gpu_workers.forecaster.processes import draw

    drawn = draw(4000, np.random.default_rng(2))
    assert drawn.shape == (4000, 108)
    assert np.array_equal(drawn, draw(4000, np.random.default_rng(2)))
    assert drawn.min() >= 39
    assert drawn.max() <= 401
    away, change = drawn[:, 95] - drawn[:, :96].mean(1), drawn[:, 107] - drawn[:, 95]
    assert np.corrcoef(away, change)[0, 1] < -0.2


def test_the_fast_patient_is_the_packages_patient() -> None:
    from simglucose.patient.t1dpatient import Action, T1DPatient

    from gpu_workers.forecaster.simulate import fast_patient

    patients = [T1DPatient.withName("adult#003"), fast_patient("adult#003")]
    for minute in range(240):
        for patient in patients:
            patient.step(Action(CHO=50 if minute == 30 else 0, insulin=3.0 if minute == 40 else 0.02))
    slow, fast = (patient.observation.Gsub for patient in patients)
    assert fast == pytest.approx(slow, abs=1e-3)


def test_the_same_seed_gives_the_same_days() -> None:
    from gpu_workers.forecaster.simulate import live

    first, again, other = (live("child#002", 1, seed) for seed in (4, 4, 5))
    assert len(first.glucose) == 288
    assert np.array_equal(first.glucose, again.glucose)
    assert np.array_equal(first.noise, again.noise)
    assert not np.array_equal(first.glucose, other.glucose)
    assert first.carbs.sum() > 0
    assert first.insulin.sum() > 0


def test_the_committed_demo_traces_are_what_the_script_writes(tmp_path: Path) -> None:
    from gpu_workers.forecaster import simulate

    committed = (ROOT / "infra" / "local" / "demo" / "virtual_patients.csv").read_text().splitlines()
    trace = simulate.live(simulate.DEMO_PATIENTS[0], simulate.DEMO_DAYS, simulate.DEMO_SEED)
    rows = [",".join(str(value) for value in row) for row in simulate.demo_rows(trace)]
    assert committed[1 : 1 + len(rows)] == rows
