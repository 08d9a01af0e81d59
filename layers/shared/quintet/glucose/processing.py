"""From an export to its analysis, which a handle stands for from then on."""

from quintet.glucose.analysis import Analysis, analyse
from quintet.glucose.asking import Asked
from quintet.glucose.export import Export, decode
from quintet.glucose.messages import ProcessRequest, ProcessResponse
from quintet.glucose.plotting import kept_figure
from quintet.glucose.ports import Priority
from quintet.glucose.stretch import Stretch, TooShortStretch, recent_stretch, whole_stretch
from quintet.glucose.workshop import Workshop
from quintet.kernel.cancellation import Cancellation
from quintet.kernel.errors import Cancelled, InvalidInput

QUIET = 5.0
"""Seconds before the whole of a trace is analysed that only a figure was asked of: its client may ask more first."""


def process_unified(request: ProcessRequest, asked: Asked, workshop: Workshop) -> ProcessResponse:
    """The handle of a trace whose analysis is now kept for its owner. What is wrong with it is said in `error`."""
    workshop.admit()
    try:
        export = received(request, workshop)
        analysis = analysed_wholly(export, asked, workshop, force=request.force_calculate)
    except TooShortStretch as error:
        return ProcessResponse(warnings=error.warnings, error=error.message)
    except InvalidInput as error:
        return ProcessResponse(error=error.message)
    _draw_ahead(export.handle, analysis, asked, workshop)
    return ProcessResponse(handle=export.handle, total_samples=analysis.samples, warnings=analysis.warnings)


def received(request: ProcessRequest, workshop: Workshop) -> Export:
    """Raises InvalidInput."""
    return Export(decode(request.csv_base64), workshop.handles)


def analysed_wholly(export: Export, asked: Asked, workshop: Workshop, *, force: bool) -> Analysis:
    """Of as much as a handle stands for. Raises InvalidInput."""
    known = _known(export, workshop.settings.wanted_minutes, asked, workshop)
    if known is not None and not force:
        return known
    return _analysed(export.handle, whole_stretch(export.trace, workshop.settings), asked, workshop, force=force)


def analysed_recently(export: Export, asked: Asked, workshop: Workshop, *, force: bool) -> Analysis:
    """Of as much as a figure needs; the whole follows later, where there is room for it. Raises InvalidInput."""
    known = _known(export, workshop.settings.minimum_minutes, asked, workshop)
    if known is not None and not force:
        return known
    if force or workshop.cache.find(asked.owner, export.handle) is not None:
        return analysed_wholly(
            export, asked, workshop, force=force
        )  # what is computed anew replaces no more than it is
    stretch = recent_stretch(export.trace, workshop.settings)
    analysis = _analysed(export.handle, stretch, asked, workshop, force=force)
    _analyse_later(export, asked.owner, workshop)
    return analysis


def _known(export: Export, minutes: int, asked: Asked, workshop: Workshop) -> Analysis | None:
    """What is kept and was foreseen by today's model. Raises Cancelled: to read a long export takes a while."""
    handle = export.handle
    asked.cancellation.check()
    known = workshop.cache.find(asked.owner, handle, minutes=minutes)
    return known if known is not None and known.model == workshop.forecaster.version else None


def _analysed(handle: str, stretch: Stretch, asked: Asked, workshop: Workshop, *, force: bool) -> Analysis:
    return workshop.inference.run(
        _key(handle, stretch, asked.owner) + ("/anew" if force else ""),
        lambda cancellation: _computed(handle, stretch, asked.owner, workshop, cancellation, force=force),
        cancellation=asked.cancellation,
    )


def _analyse_later(export: Export, owner: str, workshop: Workshop) -> None:
    """Its key is its own: whoever asks for the whole of the trace does not stop where it was forgotten."""
    handle, stretch = export.handle, whole_stretch(export.trace, workshop.settings)
    workshop.inference.later(
        f"later/{_key(handle, stretch, owner)}",
        lambda cancellation: _computed(handle, stretch, owner, workshop, cancellation, force=False, known=True),
        priority=Priority.BACKGROUND,
        delay=QUIET,
    )


def _computed(
    handle: str,
    stretch: Stretch,
    owner: str,
    workshop: Workshop,
    cancellation: Cancellation,
    *,
    force: bool,
    known: bool = False,
) -> Analysis:
    """An older model's analysis is none. With `known`, raises Cancelled where the trace was forgotten meanwhile."""
    stale = workshop.cache.find(owner, handle, minutes=stretch.minutes)

    def compute() -> Analysis:
        """The cache notices an erasure from here on; an earlier one is noticed here."""
        if known and workshop.cache.find(owner, handle) is None:
            raise Cancelled("The trace was forgotten.")
        return analyse(stretch, workshop.forecaster, batch=workshop.settings.batch, cancellation=cancellation)

    return workshop.cache.find_or_compute(
        owner,
        handle,
        compute,
        minutes=stretch.minutes,
        force=force or (stale is not None and stale.model != workshop.forecaster.version),
        cancellation=cancellation,
    )


def _draw_ahead(handle: str, analysis: Analysis, asked: Asked, workshop: Workshop) -> None:
    """The figure that is asked for next, most likely."""
    workshop.drawing.later(
        f"ahead/{asked.owner}/{handle}",
        lambda _: kept_figure(handle, analysis, 0, "mg/dL", asked.owner, workshop),
        priority=Priority.PREFETCH,
    )


def _key(handle: str, stretch: Stretch, owner: str) -> str:
    return f"{owner}/{handle}/{stretch.minutes}"
