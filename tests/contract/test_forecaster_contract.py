"""What every forecaster promises to the glucose room."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from hypothesis.extra.numpy import arrays

from quintet.adapters.memory_forecaster import PersistenceForecaster
from quintet.adapters.onnx_model import OnnxForecaster
from quintet.glucose import forecast
from quintet.glucose.ports import Forecaster
from quintet.kernel.errors import InvalidInput

MODEL = Path(forecast.__file__).parent / "model" / "forecaster.onnx"
FORECASTERS: dict[str, Forecaster] = {
    "persistence": PersistenceForecaster(),
    "onnx": OnnxForecaster(MODEL),
}
ANY_READINGS = arrays(np.float64, some.tuples(some.integers(1, 4), some.just(96)), elements=some.floats(20, 600))


@pytest.fixture(params=FORECASTERS, scope="session")
def forecaster(request: pytest.FixtureRequest) -> Forecaster:
    return FORECASTERS[request.param]


def day(count: int) -> forecast.Floats:
    """(count, 96) windows of a smooth day with meals."""
    minutes = 5 * np.arange(count + 96)
    series = 140 + 40 * np.sin(minutes / 60) + 15 * np.sin(minutes / 17)
    return np.lib.stride_tricks.sliding_window_view(series, 96)[:count]


class TestForecaster:
    def test_names_its_version_and_levels(self, forecaster: Forecaster) -> None:
        assert forecaster.version
        assert {0.1, 0.5, 0.9} <= set(forecaster.quantiles)
        assert list(forecaster.quantiles) == sorted(set(forecaster.quantiles))

    @pytest.mark.parametrize("count", [0, 1, 2, 33])
    def test_a_row_in_is_twelve_rows_of_quantiles_out(self, forecaster: Forecaster, count: int) -> None:
        assert forecaster.predict(day(count)).shape == (count, 12, len(forecaster.quantiles))

    def test_is_deterministic(self, forecaster: Forecaster) -> None:
        assert np.array_equal(forecaster.predict(day(5)), forecaster.predict(day(5)))

    def test_a_batch_is_a_loop(self, forecaster: Forecaster) -> None:
        windows = day(40)
        loop = np.concatenate([forecaster.predict(window[None]) for window in windows])
        assert forecaster.predict(windows) == pytest.approx(loop, abs=1e-3)

    @given(readings=ANY_READINGS)
    def test_quantiles_are_finite_and_never_cross(self, forecaster: Forecaster, readings: forecast.Floats) -> None:
        quantiles = forecaster.predict(readings)
        assert np.isfinite(quantiles).all()
        assert (np.diff(quantiles, axis=-1) >= 0).all()

    def test_a_quiet_night_stays_quiet(self, forecaster: Forecaster) -> None:
        median = forecaster.predict(np.full((1, 96), 110.0))[0, :, forecaster.quantiles.index(0.5)]
        assert np.abs(median - 110).max() < 15

    @pytest.mark.parametrize("shape", [(96,), (1, 95), (1, 97), (1, 96, 1), (0,)])
    def test_refuses_another_shape(self, forecaster: Forecaster, shape: tuple[int, ...]) -> None:
        with pytest.raises(InvalidInput, match="shape"):
            forecaster.predict(np.full(shape, 100.0))

    @pytest.mark.parametrize("reading", [np.nan, np.inf, -np.inf])
    def test_refuses_what_is_not_a_number(self, forecaster: Forecaster, reading: float) -> None:
        readings = day(2).copy()
        readings[1, 40] = reading
        with pytest.raises(InvalidInput, match="finite"):
            forecaster.predict(readings)
