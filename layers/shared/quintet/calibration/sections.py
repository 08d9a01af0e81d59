"""The parts of a report that hold a session's figures, in words, tables and pictures."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from quintet.calibration.confusion import READABLE, confusions, histogram_svg, matrix_svg
from quintet.calibration.dashboard import dashboard_svg, series_of
from quintet.calibration.evaluation import Result
from quintet.calibration.metrics import Calibration
from quintet.calibration.reliability import reliability_svg, scaled
from quintet.calibration.texts import Texts
from quintet.calibration.verdict import LEAST_ACCURACY, largest_set
from quintet.calibration.weakness import Weakness
from quintet.kernel.text import printable

NEAR_ONE = 0.02
"""A temperature that close to 1 changes nothing to speak of."""


LONGEST = 600
"""Characters of what others sent that a report repeats."""


@dataclass(frozen=True)
class Table:
    """All but the first column hold figures."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""


@dataclass(frozen=True)
class Picture:
    """A drawing in SVG; its title and description are within."""

    svg: str


@dataclass(frozen=True)
class Section:
    """Sentences, tables and pictures, in this order of reading."""

    title: str
    content: tuple[str | Table | Picture, ...]


def uncertainty(result: Result, texts: Texts) -> Section:
    found = result.utrace
    stages = found.stages
    intro = texts.uncertainty_intro.format(
        calibration=stages.calibration_batches, estimation=stages.uncertainty_batches
    )
    target = "" if found.alpha is None else texts.at_least.format(value=number(1 - found.alpha))
    within = "" if found.alpha is None else texts.at_most.format(value=number(found.alpha))
    most = texts.at_most.format(value=largest_set(result.classes or 0)) if found.max_set_size is not None else ""
    rows = (
        (texts.accuracy, number(found.accuracy, texts), texts.at_least.format(value=f"{LEAST_ACCURACY:.2f}")),
        (texts.coverage, number(found.coverage, texts), target),
        (texts.bound, spread(found.uncertainty, found.uncertainty_std, texts), within),
        (texts.alpha, spread(found.alpha, found.alpha_std, texts), ""),
        (texts.set_size, whole(found.max_set_size, texts), most),
        (texts.score, texts.scores[found.score], ""),
        (texts.quantile, number(found.quantile, texts), ""),
        (texts.calibration_rows, whole(found.calibration_rows, texts), ""),
        (texts.smallest_alpha, number(found.smallest_alpha, texts), ""),
    )
    table = Table((texts.figure, texts.value, texts.asked), rows)
    weak = (told(weakness, texts) for weakness in found.weaknesses)
    pictures = [Picture(dashboard_svg(result, texts))] if any(one.values for one in series_of(result, texts)) else []
    return Section(texts.uncertainty, (intro, table, *weak, *pictures))


def calibration(result: Result, texts: Texts) -> Section:
    own = {weakness.code for weakness in result.utrace.weaknesses}
    weak = (told(weakness, texts) for weakness in result.weaknesses if weakness.code not in own)
    pictures = [Picture(reliability_svg(result, texts))] if result.rows else []
    return Section(texts.calibration, (*_calibration_intro(result, texts), _scores(result, texts), *weak, *pictures))


def predictions(result: Result, texts: Texts) -> Section:
    names = ("accuracy", "precision", "recall", "f1")
    intro = texts.predictions_intro.format(**{name: number(getattr(result, name), texts) for name in names})
    histogram = histogram_svg(result.histogram, result.overall.confidence, texts)
    return Section(texts.predictions, (intro, *_confusion(result, texts), Picture(histogram)))


def plain(words: str) -> str:
    """What others sent, without control characters and not too long."""
    shown = printable(words)
    return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}…"


def number(value: float | None, texts: Texts | None = None, digits: int = 4) -> str:
    if value is None:
        return texts.unknown if texts else ""
    return f"{value:.{digits}f}"


def whole(value: int | None, texts: Texts) -> str:
    return texts.unknown if value is None else f"{value:,}"


def spread(value: float | None, deviation: float | None, texts: Texts) -> str:
    if value is None or deviation is None:
        return number(value, texts)
    return texts.spread.format(value=number(value), spread=number(deviation))


def told(weakness: Weakness, texts: Texts) -> str:
    return texts.weaknesses[weakness.code].format(**shown(weakness.figures))


def shown(figures: Mapping[str, float]) -> dict[str, str]:
    """
    >>> shown({"rows": 1200, "smallest_alpha": 0.25})
    {'rows': '1,200', 'smallest_alpha': '0.25'}
    """
    return {name: f"{value:,}" if isinstance(value, int) else f"{value:.4g}" for name, value in figures.items()}


def _calibration_intro(result: Result, texts: Texts) -> Iterator[str]:
    if not scaled(result):
        yield texts.calibration_raw
        return
    value = result.temperature.value
    yield texts.calibration_intro.format(fitted=f"{result.temperature.rows:,}", rest=f"{result.after.rows:,}")
    if abs(value - 1) < NEAR_ONE:
        yield texts.confident.format(temperature=f"{value:.3f}")
    else:
        yield (texts.overconfident if value > 1 else texts.underconfident).format(temperature=f"{value:.3f}")


def _scores(result: Result, texts: Texts) -> Table:
    columns: list[tuple[str, Calibration]] = [(texts.all_samples, result.overall)]
    if scaled(result):
        columns += [(texts.before, result.before), (texts.after, result.after)]
    rows = [(texts.samples, *(f"{column.rows:,}" for _, column in columns))]
    names = ("top_accuracy", "top_confidence", "ece", "mce", "ace", "brier", "nll")
    for name in names:
        values = (getattr(column, name.removeprefix("top_")) for _, column in columns)
        rows.append((getattr(texts, name), *(number(value, texts) for value in values)))
    return Table((texts.figure, *(name for name, _ in columns)), tuple(rows))


def _confusion(result: Result, texts: Texts) -> Iterator[str | Table | Picture]:
    if result.confusion is None:
        if result.rows:
            yield texts.too_many_classes.format(classes=result.classes)
    elif len(result.confusion) <= READABLE:
        yield Picture(matrix_svg(result.confusion, texts))
    elif wrong := confusions(result.confusion):
        header = (texts.true_class, texts.predicted_class, texts.samples)
        rows = tuple((str(true), str(predicted), f"{count:,}") for true, predicted, count in wrong)
        yield Table(header, rows, texts.confusions.format(classes=len(result.confusion)))
    else:
        yield texts.no_confusion
