"""The figure of one window of a trace that is known by its handle."""

from quintet.glucose.analysis import Analysis, renewed
from quintet.glucose.asking import Asked
from quintet.glucose.figure import Figure, draw
from quintet.glucose.forecast import STEPS_IN, STEPS_OUT, samples, window_at, within_sensor
from quintet.glucose.messages import DrawRequest, Unit
from quintet.glucose.workshop import Workshop
from quintet.kernel.cancellation import Cancellation
from quintet.kernel.errors import NotFound

UNKNOWN = "No trace of yours has this handle, or none any more: send it to process_unified first."


def draw_plot(request: DrawRequest, asked: Asked, workshop: Workshop) -> Figure:
    """Raises NotFound for a handle that the caller has not, NoSuchSample for an index that the trace has not."""
    workshop.admit()
    analysis = workshop.cache.find(asked.owner, request.handle, minutes=workshop.settings.wanted_minutes)
    if analysis is None:
        raise NotFound(UNKNOWN)
    window_at(analysis.glucose, request.index)
    if request.force_calculate or analysis.model != workshop.forecaster.version:
        analysis = _seen_anew(request.handle, analysis, asked, workshop)
    return figure_of(request.handle, analysis, request.index, request.unit, asked, workshop)


def figure_of(handle: str, analysis: Analysis, index: int, unit: Unit, asked: Asked, workshop: Workshop) -> Figure:
    """Raises NoSuchSample."""
    return workshop.drawing.run(
        f"{asked.owner}/{handle}/{analysis.model}/{analysis.minutes}/{index}/{unit}",
        lambda _: kept_figure(handle, analysis, index, unit, asked.owner, workshop),
        cancellation=asked.cancellation,
    )


def kept_figure(handle: str, analysis: Analysis, index: int, unit: Unit, owner: str, workshop: Workshop) -> Figure:
    """Drawn by whoever calls, unless it was before."""
    key = (index, unit, analysis.model, analysis.minutes)
    return workshop.cache.figure(owner, handle, key, lambda: _drawn(analysis, index, unit, workshop))


def _seen_anew(handle: str, analysis: Analysis, asked: Asked, workshop: Workshop) -> Analysis:
    def work(cancellation: Cancellation) -> Analysis:
        def compute() -> Analysis:
            """The cache notices an erasure from here on; an earlier one is noticed here."""
            if workshop.cache.find(asked.owner, handle) is None:
                raise NotFound(UNKNOWN)
            return renewed(analysis, workshop.forecaster, batch=workshop.settings.batch, cancellation=cancellation)

        return workshop.cache.find_or_compute(
            asked.owner,
            handle,
            compute,
            minutes=analysis.minutes,
            force=True,
            cancellation=cancellation,
        )

    return workshop.inference.run(f"{asked.owner}/{handle}/anew", work, cancellation=asked.cancellation)


def _drawn(analysis: Analysis, index: int, unit: Unit, workshop: Workshop) -> Figure:
    quantiles = within_sensor(analysis.hindcast(index))
    seam = window_at(analysis.glucose, index).start + STEPS_IN
    shown = range(seam - STEPS_OUT, seam + STEPS_OUT)
    return draw(
        times=[analysis.time(place) for place in shown],
        true_values=analysis.glucose[shown.start : shown.stop],
        median=quantiles[:, analysis.levels.index(0.5)],
        samples=samples(quantiles, analysis.levels, workshop.settings.samples),
        unit=unit,
    )
