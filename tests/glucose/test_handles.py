"""A trace that is processed once and drawn by its handle from then on."""

import base64
import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from numpy.typing import NDArray
from typing_extensions import override

from infra.local.demo.exports import Sample, write_dexcom
from quintet.adapters.memory_forecaster import PersistenceForecaster
from quintet.glucose.analysis import Analysis, analyse
from quintet.glucose.asking import Asked
from quintet.glucose.cache_management import manage_cache
from quintet.glucose.errors import MalformedData
from quintet.glucose.forecast import NoSuchSample
from quintet.glucose.messages import CacheRequest, DrawRequest, ProcessRequest, ProcessResponse
from quintet.glucose.outlook import forecast
from quintet.glucose.plotting import draw_plot
from quintet.glucose.ports import Priority
from quintet.glucose.processing import process_unified
from quintet.glucose.quick_plot import quick_plot
from quintet.glucose.readers import read
from quintet.glucose.scheduling import Direct
from quintet.glucose.settings import GlucoseForecast
from quintet.glucose.stretch import recent_stretch, whole_stretch
from quintet.glucose.workshop import Workshop
from quintet.kernel.cancellation import Cancellation
from quintet.kernel.errors import Cancelled, InvalidInput, NotFound, PermissionDenied
from quintet.kernel.settings import read as read_settings
from tests.glucose.conftest import SOMEBODY
from tests.glucose.test_quick_plot import SAMPLES, unified

SETTINGS = read_settings(GlucoseForecast, {})
SOMEBODY_ELSE = Asked("somebody-else")
ADMINISTRATOR = Asked("admin", administrator=True)

ANALYSIS = analyse(whole_stretch(read(write_dexcom(SAMPLES)), SETTINGS), PersistenceForecaster(), batch=32)


class Counting(PersistenceForecaster):
    """Counts the windows it has seen."""

    def __init__(self, version: str = "counting") -> None:
        super().__init__()
        self.version = version
        self.windows = 0

    def predict(self, readings: NDArray[np.float64]) -> NDArray[np.float64]:
        self.windows += len(readings)
        return super().predict(readings)


def request(content: bytes, *, force: bool = False) -> ProcessRequest:
    return ProcessRequest(csv_base64=base64.b64encode(content).decode(), force_calculate=force)


@pytest.fixture
def forecaster() -> Counting:
    return Counting()


@pytest.fixture
def workshop(workshop: Workshop, forecaster: Counting) -> Workshop:
    return replace(workshop, forecaster=forecaster)


@pytest.fixture
def processed(workshop: Workshop) -> ProcessResponse:
    return process_unified(request(write_dexcom(SAMPLES)), SOMEBODY, workshop)


def shown(workshop: Workshop, handle: str | None, index: int = 0, asked: Asked = SOMEBODY) -> list[float]:
    assert handle
    figure = draw_plot(DrawRequest(handle=handle, index=index), asked, workshop)
    values: list[float] = figure["data"][12]["y"]
    return values


def test_the_handle_is_the_sha_256_of_the_unified_csv(processed: ProcessResponse, workshop: Workshop) -> None:
    csv = read(write_dexcom(SAMPLES)).to_csv().encode()
    assert processed.handle == hashlib.sha256(csv).hexdigest()
    assert process_unified(request(csv), SOMEBODY, workshop).handle == processed.handle


def test_eighteen_hours_stand_behind_a_handle(processed: ProcessResponse) -> None:
    assert processed.total_samples == 217 - 107
    assert processed.error is None


def test_index_0_is_the_last_window_whose_hour_is_known(processed: ProcessResponse, workshop: Workshop) -> None:
    last = shown(workshop, processed.handle)
    for index in (-1, -5, -109):
        earlier = shown(workshop, processed.handle, index)
        assert len(earlier) == 24
        if index > -24:
            assert earlier[-index:] == last[:index]


@pytest.mark.parametrize("index", [-110, -1000])
def test_a_window_before_the_first_is_refused(processed: ProcessResponse, workshop: Workshop, index: int) -> None:
    with pytest.raises(NoSuchSample, match="-109 … 0"):
        shown(workshop, processed.handle, index)


def test_the_quick_plot_is_the_figure_of_index_0(workshop: Workshop) -> None:
    content = request(write_dexcom(SAMPLES))
    quick = quick_plot(content, SOMEBODY, workshop)
    handle = process_unified(content, SOMEBODY, workshop).handle or ""
    assert draw_plot(DrawRequest(handle=handle), SOMEBODY, workshop) == quick.plot_data
    assert quick_plot(content, SOMEBODY, workshop) == quick  # now out of the longer analysis


def test_what_was_computed_is_not_computed_again(workshop: Workshop, forecaster: Counting) -> None:
    content = request(write_dexcom(SAMPLES))
    handle = process_unified(content, SOMEBODY, workshop).handle
    seen = forecaster.windows
    assert seen == 111
    for index in (0, -50, -109):
        shown(workshop, handle, index)
    process_unified(content, SOMEBODY, workshop)
    quick_plot(content, SOMEBODY, workshop)
    forecast(content, SOMEBODY, workshop)
    assert forecaster.windows == seen


def test_force_computes_again_with_the_same_answer(workshop: Workshop, forecaster: Counting) -> None:
    content = request(write_dexcom(SAMPLES), force=True)
    first = quick_plot(content, SOMEBODY, workshop)
    seen = forecaster.windows
    assert quick_plot(content, SOMEBODY, workshop) == first
    assert forecaster.windows == 2 * seen
    handle = process_unified(content, SOMEBODY, workshop).handle or ""
    before, seen = shown(workshop, handle), forecaster.windows
    figure = draw_plot(DrawRequest(handle=handle, force_calculate=True), SOMEBODY, workshop)
    assert figure["data"][12]["y"] == before
    assert forecaster.windows == seen + 111


def test_a_forced_quick_plot_leaves_the_whole_trace_known(workshop: Workshop) -> None:
    content = write_dexcom(SAMPLES)
    handle = process_unified(request(content), SOMEBODY, workshop).handle
    quick_plot(request(content, force=True), SOMEBODY, workshop)
    forecast(request(content, force=True), SOMEBODY, workshop)
    assert shown(workshop, handle, -100)
    newer = replace(workshop, forecaster=Counting("newer"))
    quick_plot(request(content), SOMEBODY, newer)
    assert shown(newer, handle, -100)


def test_another_model_sees_the_trace_anew(processed: ProcessResponse, workshop: Workshop) -> None:
    newer = Counting("newer")
    renewed = replace(workshop, forecaster=newer)
    shown(renewed, processed.handle)
    assert newer.windows == 111
    shown(renewed, processed.handle, -3)
    assert newer.windows == 111


def test_nobody_sees_another_callers_trace(processed: ProcessResponse, workshop: Workshop) -> None:
    with pytest.raises(NotFound):
        shown(workshop, processed.handle, asked=SOMEBODY_ELSE)


def test_an_unknown_handle_is_not_found_and_says_what_to_do(workshop: Workshop) -> None:
    with pytest.raises(NotFound, match="process_unified"):
        shown(workshop, "0" * 64)


def test_too_little_is_said_in_the_answer(workshop: Workshop) -> None:
    answer = process_unified(request(unified(SAMPLES[:60])), SOMEBODY, workshop)
    assert (answer.handle, answer.total_samples) == (None, None)
    assert "540 minutes" in str(answer.error)
    assert answer.warnings.has_warnings is False


def test_the_forecast_is_of_the_hour_after_the_last_reading(workshop: Workshop) -> None:
    answer = forecast(request(unified(SAMPLES[:150])), SOMEBODY, workshop)
    assert answer.forecast is not None
    assert answer.forecast.last_reading[:16] == SAMPLES[149].time.isoformat()[:16]
    assert len(answer.forecast.readings) == 36
    assert answer.forecast.readings[-1] == pytest.approx(SAMPLES[149].glucose, abs=0.1)
    assert "no basis for treatment" in answer.forecast.hypoglycaemia.notice


def test_a_low_to_come_is_told(workshop: Workshop) -> None:
    falling = [Sample(it.time, level, 0, 0) for it, level in zip(SAMPLES, np.linspace(200, 56, 150), strict=False)]
    answer = forecast(request(unified(falling)), SOMEBODY, workshop)
    assert answer.forecast is not None
    assert answer.forecast.hypoglycaemia.alarm
    rising = [Sample(it.time, level, 0, 0) for it, level in zip(SAMPLES, np.linspace(100, 180, 150), strict=False)]
    answer = forecast(request(unified(rising)), SOMEBODY, workshop)
    assert answer.forecast is not None
    assert not answer.forecast.hypoglycaemia.alarm


def test_an_export_that_goes_on_too_thinly_has_no_forecast(workshop: Workshop) -> None:
    answer = forecast(request(unified([*SAMPLES[:150], *SAMPLES[170:190]])), SOMEBODY, workshop)
    assert answer.forecast is None
    assert "too few readings in a row" in str(answer.error)


class Tardy(Direct):
    """Keeps what is to be done later."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[Callable[[Cancellation], object]] = []

    @override
    def later(self, key: str, work: Callable[[Cancellation], object], *, priority: Priority, delay: float = 0) -> bool:
        self.kept.append(work)
        return True


class TestWhatFollowsLater:
    """A figure's trace is analysed wholly once its answer is given."""

    @pytest.fixture
    def tardy(self) -> Tardy:
        return Tardy()

    @pytest.fixture
    def workshop(self, workshop: Workshop, tardy: Tardy) -> Workshop:
        return replace(workshop, inference=tardy)

    @pytest.fixture
    def handle(self, workshop: Workshop) -> str:
        quick_plot(request(write_dexcom(SAMPLES)), SOMEBODY, workshop)
        return hashlib.sha256(read(write_dexcom(SAMPLES)).to_csv().encode()).hexdigest()

    def test_it_makes_the_handle_known(self, workshop: Workshop, tardy: Tardy, handle: str) -> None:
        with pytest.raises(NotFound):
            shown(workshop, handle)
        tardy.kept[0](Cancellation())
        assert shown(workshop, handle)

    def test_it_brings_nothing_back_that_was_forgotten(self, workshop: Workshop, tardy: Tardy, handle: str) -> None:
        manage_cache(CacheRequest(action="delete", handle=handle), SOMEBODY, workshop.cache)
        with pytest.raises(Cancelled):
            tardy.kept[0](Cancellation())
        assert workshop.cache.find(SOMEBODY.owner, handle) is None

    def test_whoever_asks_for_the_whole_meanwhile_gets_it(self, workshop: Workshop, handle: str) -> None:
        manage_cache(CacheRequest(action="delete", handle=handle), SOMEBODY, workshop.cache)
        assert process_unified(request(write_dexcom(SAMPLES)), SOMEBODY, workshop).handle == handle


def test_a_trace_that_is_erased_while_it_is_to_be_seen_anew_does_not_come_back(
    processed: ProcessResponse, workshop: Workshop
) -> None:
    handle = processed.handle or ""

    class Late(Direct):
        """Runs only after the trace was erased."""

        def run(self, key: str, work: Callable[[Cancellation], Any], **options: Any) -> Any:
            workshop.cache.erase(SOMEBODY.owner, handle)
            return super().run(key, work, **options)

    with pytest.raises(NotFound):
        draw_plot(DrawRequest(handle=handle, force_calculate=True), SOMEBODY, replace(workshop, inference=Late()))
    assert workshop.cache.find(SOMEBODY.owner, handle) is None


class TestCacheManagement:
    def test_delete_forgets_one(self, processed: ProcessResponse, workshop: Workshop) -> None:
        told = manage_cache(CacheRequest(action="delete", handle=processed.handle), SOMEBODY, workshop.cache)
        assert (told.success, told.items_affected, told.cache_size) == (True, 1, 0)
        with pytest.raises(NotFound):
            shown(workshop, processed.handle)

    def test_delete_needs_a_handle_and_says_when_it_finds_none(
        self, processed: ProcessResponse, workshop: Workshop
    ) -> None:
        with pytest.raises(InvalidInput, match="handle"):
            manage_cache(CacheRequest(action="delete"), SOMEBODY, workshop.cache)
        told = manage_cache(CacheRequest(action="delete", handle=processed.handle), SOMEBODY_ELSE, workshop.cache)
        assert (told.success, told.items_affected) == (False, 0)
        assert shown(workshop, processed.handle)

    @pytest.mark.usefixtures("processed")
    def test_flush_is_for_administrators(self, workshop: Workshop) -> None:
        with pytest.raises(PermissionDenied):
            manage_cache(CacheRequest(action="flush"), SOMEBODY, workshop.cache)
        told = manage_cache(CacheRequest(action="flush"), ADMINISTRATOR, workshop.cache)
        assert (told.success, told.items_affected) == (True, 1)

    @pytest.mark.usefixtures("processed")
    def test_where_there_is_no_bucket_nothing_is_saved(self, workshop: Workshop) -> None:
        told = manage_cache(CacheRequest(action="save"), SOMEBODY, workshop.cache)
        assert (told.success, told.items_affected, told.persisted_count) == (False, 0, 0)

    @pytest.mark.usefixtures("processed")
    def test_info_counts_ones_own(self, workshop: Workshop) -> None:
        assert manage_cache(CacheRequest(action="info"), SOMEBODY, workshop.cache).cache_size == 1


class TestAnalysis:
    CONTENT = ANALYSIS.to_bytes()

    def test_it_survives_as_bytes(self) -> None:
        one = ANALYSIS
        other = Analysis.from_bytes(one.to_bytes())
        assert np.array_equal(one.quantiles, other.quantiles)
        assert np.array_equal(one.glucose, other.glucose)
        for name in ("start", "minutes", "levels", "model", "warnings", "recent_warnings", "current", "samples"):
            assert getattr(one, name) == getattr(other, name)

    @given(some.binary(max_size=200))
    def test_what_is_no_analysis_is_said(self, content: bytes) -> None:
        with pytest.raises(MalformedData):
            Analysis.from_bytes(content)

    @given(
        some.integers(0, len(CONTENT) - 1) | some.integers(len(CONTENT) - 300, len(CONTENT) - 1), some.integers(0, 255)
    )
    @settings(max_examples=300, deadline=None)
    def test_a_damaged_one_is_said_or_whole(self, place: int, value: int) -> None:
        content = bytearray(self.CONTENT)
        content[place] = value
        try:
            Analysis.from_bytes(bytes(content))
        except MalformedData:
            return

    def test_a_client_that_goes_away_stops_it_between_two_batches(self) -> None:
        gone = Cancellation()

        class Leaving(Counting):
            def predict(self, readings: NDArray[np.float64]) -> NDArray[np.float64]:
                gone.cancel()
                return super().predict(readings)

        leaving = Leaving()
        stretch = whole_stretch(read(write_dexcom(SAMPLES)), SETTINGS)
        with pytest.raises(Cancelled):
            analyse(stretch, leaving, batch=10, cancellation=gone)
        assert leaving.windows == 10


@given(some.lists(some.integers(0, 299), max_size=12), some.integers(150, 300))
@settings(max_examples=60, deadline=None)
def test_the_whole_stretch_ends_with_the_recent_one(missing: list[int], length: int) -> None:
    samples = [it for place, it in enumerate(SAMPLES[:length]) if place not in missing]
    trace = read(unified(samples))
    try:
        recent = recent_stretch(trace, SETTINGS)
    except InvalidInput:
        with pytest.raises(InvalidInput):
            whole_stretch(trace, SETTINGS)
        return
    whole = whole_stretch(trace, SETTINGS)
    assert np.array_equal(whole.glucose[-len(recent.glucose) :], recent.glucose)
    assert whole.recent_warnings == recent.warnings
    assert whole.current == recent.current
