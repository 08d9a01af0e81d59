"""The drawings of a report show each number where it belongs, for any number of classes and batches."""

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from quintet.adapters.svg_image import ResvgRasteriser
from quintet.calibration import reliability
from quintet.calibration.axes import BAR, BLUE, COUNT, GAP, GREY, VERMILLION, thinned, ticks
from quintet.calibration.confusion import READABLE, confusions, histogram_svg, matrix_svg
from quintet.calibration.dashboard import MARKED, dashboard_svg, series_of
from quintet.calibration.evaluation import Evaluator, Result, Stages
from quintet.calibration.metrics import Bin, Calibration
from quintet.calibration.reliability import LEFTS, SIDE, TOP, diagram, reliability_svg
from tests.calibration.judged_sessions import a_result, judged, perfect, rows

SVG = "{http://www.w3.org/2000/svg}"
BINS = (
    Bin(low=0.5, high=0.75, rows=10, confidence=0.7, accuracy=0.4),
    Bin(low=0.75, high=1, rows=30, confidence=0.8, accuracy=0.9),
)
EMPTY = Bin(low=0.0, high=0.5, rows=0, confidence=None, accuracy=None)


def calibration(*bins: Bin) -> Calibration:
    figures = dict.fromkeys(("accuracy", "confidence", "mce", "ace", "brier", "nll"))
    return Calibration(rows=sum(one.rows for one in bins), ece=0.15, bins=bins, **figures)


def drawn(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)  # noqa: S314


def words(drawing: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in drawing.iter(f"{SVG}text")]


def boxes(drawing: ElementTree.Element, color: str, what: str = "fill") -> list[tuple[float, float, float, float]]:
    """Left, top, width, height of each rectangle of this colour."""
    found = (box.attrib for box in drawing.iter(f"{SVG}rect") if box.get(what) == color)
    return [(float(box["x"]), float(box["y"]), float(box["width"]), float(box["height"])) for box in found]


def path(drawing: ElementTree.Element, color: str) -> list[tuple[float, float]]:
    (found,) = (one for one in drawing.iter(f"{SVG}path") if one.get("stroke") == color)
    numbers = [float(number) for number in re.findall(r"[-\d.]+", found.attrib["d"])]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def test_bars_reach_from_nothing_to_the_accuracy_and_gaps_on_to_the_confidence() -> None:
    drawing = drawn(diagram([("as sent", calibration(EMPTY, *BINS))]))
    left, bottom = LEFTS[0], TOP + SIDE
    _legend, *bars = boxes(drawing, BAR)
    assert bars == [
        pytest.approx((left + 0.5 * SIDE, bottom - 0.4 * SIDE, 0.25 * SIDE, 0.4 * SIDE)),
        pytest.approx((left + 0.75 * SIDE, bottom - 0.9 * SIDE, 0.25 * SIDE, 0.9 * SIDE)),
    ]
    assert len(boxes(drawing, GAP)) == 2  # the legend's, and the one that covers no bar
    _legend, *gaps = boxes(drawing, VERMILLION, "stroke")
    assert gaps == [
        pytest.approx((left + 0.5 * SIDE, bottom - 0.7 * SIDE, 0.25 * SIDE, 0.3 * SIDE)),
        pytest.approx((left + 0.75 * SIDE, bottom - 0.9 * SIDE, 0.25 * SIDE, 0.1 * SIDE)),
    ]


def test_counts_are_to_scale_and_points_where_accuracy_meets_confidence() -> None:
    drawing = drawn(diagram([("as sent", calibration(EMPTY, *BINS))]))
    ten, thirty = boxes(drawing, COUNT)
    assert thirty[3] == pytest.approx(3 * ten[3], abs=0.02)
    points = [(float(one.attrib["cx"]), float(one.attrib["cy"])) for one in drawing.iter(f"{SVG}circle")]
    assert points[0] == pytest.approx((LEFTS[0] + 0.7 * SIDE, TOP + 0.6 * SIDE))


def test_the_diagonal_is_that_of_the_square() -> None:
    drawing = drawn(diagram([("as sent", calibration(*BINS))]))
    ends = [[float(one.attrib[name]) for name in ("x1", "y1", "x2", "y2")] for one in drawing.iter(f"{SVG}line")]
    assert [LEFTS[0], TOP + SIDE, LEFTS[0] + SIDE, TOP] in ends


def test_before_and_after_stand_side_by_side_with_their_errors() -> None:
    result = a_result(sharpness=1.0)
    said = words(drawn(reliability_svg(result)))
    assert "as sent" in said
    assert f"with temperature {result.temperature.value:.3f}" in said
    assert f"ECE {result.before.ece:.4f}, 560 samples" in said
    assert f"ECE {result.after.ece:.4f}, 560 samples" in said


@pytest.mark.parametrize("count", [16, 80])
def test_without_an_effect_to_show_there_is_one_half_of_all_samples(count: int) -> None:
    result = a_result(count)
    said = words(drawn(reliability_svg(result)))
    assert "all samples" in said
    assert f"ECE {result.overall.ece:.4f}, {count} samples" in said
    assert not any(word.startswith("with temperature") for word in said)


def test_no_samples_make_an_empty_diagram() -> None:
    drawing = drawn(reliability_svg(Evaluator().result()))
    assert "ECE not known, 0 samples" in words(drawing)
    assert len(boxes(drawing, BAR)) == 1


def test_a_drawing_says_in_words_what_it_shows() -> None:
    result = a_result()
    assert result.confusion is not None
    svgs = (
        reliability_svg(result),
        dashboard_svg(result),
        matrix_svg(result.confusion),
        histogram_svg(result.histogram, 0.5),
    )
    for drawing in map(drawn, svgs):
        assert drawing.attrib["role"] == "img"
        assert drawing.findtext(f"{SVG}title")
        assert len(drawing.findtext(f"{SVG}desc") or "") > 40


def test_cells_hold_their_counts_and_are_as_dark_as_their_share() -> None:
    drawing = drawn(matrix_svg([[3, 1], [0, 5]]))
    cells = [box for box in drawing.iter(f"{SVG}rect") if box.get("fill") == BLUE]
    assert [float(cell.attrib["fill-opacity"]) for cell in cells] == [0.75, 0.25, 0, 1]
    assert [word for word in words(drawing) if word in ("3", "5")] == ["3", "5"]
    assert "8 of 9" in (drawing.findtext(f"{SVG}desc") or "")


def test_a_class_that_never_was_true_has_an_empty_row() -> None:
    assert "NaN" not in matrix_svg([[0, 0], [0, 5]])


def test_confusions_are_the_most_frequent_first() -> None:
    assert confusions([[9, 2, 2], [7, 9, 0], [0, 1, 9]], most=3) == [(1, 0, 7), (0, 1, 2), (0, 2, 2)]


def test_histogram_bars_are_to_scale() -> None:
    bars = boxes(drawn(histogram_svg([0, 5, 10, 0], 0.4)), BAR)
    assert bars[1][3] == pytest.approx(2 * bars[0][3], abs=0.02)
    assert bars[1][0] == pytest.approx(bars[0][0] + bars[0][2], abs=0.02)


def test_each_panel_has_the_batches_of_its_stage() -> None:
    result = a_result(sharpness=1.0)
    alpha, bound, coverage, sets = series_of(result)
    assert list(alpha.places) == list(bound.places) == list(range(5, 9))
    assert list(coverage.places) == list(sets.places) == list(range(9, 40))
    assert list(bound.values) == list(result.utrace.history.uncertainty)
    assert list(sets.values) == list(result.utrace.history.batch_setsizes)
    assert result.utrace.alpha is not None
    assert (alpha.level, coverage.level) == (result.utrace.alpha, 1 - result.utrace.alpha)


def test_points_are_where_the_axis_says() -> None:
    result = a_result(sharpness=1.0)
    drawing = drawn(dashboard_svg(result))
    coverage = result.utrace.history.batch_coverage
    points = path(drawing, BLUE)
    assert len(points) == len(coverage)
    labelled = [one for one in drawing.iter(f"{SVG}text") if one.get("text-anchor") == "end" and one.get("x") == "68"]
    marks = [(float(one.text or ""), float(one.attrib["y"]) - 3.8) for one in labelled if float(one.attrib["y"]) > 330]
    (low, start), *_, (high, end) = marks
    heights = [start + (value - low) / (high - low) * (end - start) for value in coverage]
    assert [y for _, y in points] == pytest.approx(heights, abs=0.02)


def test_a_stage_without_batches_says_so() -> None:
    assert words(drawn(dashboard_svg(a_result(80)))).count("no batch came to this stage") == 4
    assert words(drawn(dashboard_svg(a_result(144)))).count("no batch came to this stage") == 2


def test_many_batches_are_thinned_and_few_are_marked() -> None:
    few, many = (judged(rows(count, 3), batch=2) for count in (2 * MARKED, 8000))
    assert len(list(drawn(dashboard_svg(few)).iter(f"{SVG}circle"))) > MARKED
    drawing = drawn(dashboard_svg(many))
    assert len(path(drawing, GREY)) <= 480
    assert len(dashboard_svg(many)) < 40_000


@given(some.lists(some.integers(-50, 50), min_size=1), some.integers(1, 20))
def test_thinning_keeps_the_order_and_the_extremes(values: list[int], most: int) -> None:
    places, kept = thinned(range(len(values)), values, most)
    assert list(places) == sorted(set(places))
    assert [values[place] for place in places] == list(kept)
    assert (min(kept), max(kept)) == (min(values), max(values))
    assert len(kept) <= 2 * most


@given(some.integers(0, 100_000), some.integers(1, 100_000))
def test_whole_axes_have_whole_labels(low: int, more: int) -> None:
    labels = [label for _, label in ticks(low, low + more, 6, whole=True)]
    assert labels
    assert all(re.fullmatch(r"\d+|\d+(\.\d+)?k", label) for label in labels)


@settings(max_examples=20)
@given(
    count=some.integers(0, 150),
    classes=some.integers(2, READABLE),
    stages=some.builds(Stages, calibration_batches=some.integers(0, 3), uncertainty_batches=some.integers(0, 3)),
    sure=some.booleans(),
)
def test_whatever_a_session_showed_can_be_drawn(count: int, classes: int, stages: Stages, sure: bool) -> None:
    result = judged(perfect(count, classes) if sure else rows(count, classes), batch=10, stages=stages)
    for svg in every_drawing(result):
        numbers = " ".join(value for element in drawn(svg).iter() for value in element.attrib.values())
        assert "nan" not in numbers
        assert "inf" not in numbers


def every_drawing(result: Result) -> list[str]:
    matrix = [matrix_svg(result.confusion)] if result.confusion else []
    histogram = histogram_svg(result.histogram, result.overall.confidence)
    return [reliability_svg(result), dashboard_svg(result), histogram, *matrix]


def test_drawings_become_pictures() -> None:
    for svg in every_drawing(a_result(sharpness=1.0)):
        png = ResvgRasteriser().png(svg)
        assert png.startswith(b"\x89PNG")


def test_colours_are_told_apart_without_colour() -> None:
    """In grey, too, and dashes stand beside colour."""

    def light(color: str) -> float:
        red, green, blue = (int(color[at : at + 2], 16) for at in (1, 3, 5))
        return 0.299 * red + 0.587 * green + 0.114 * blue

    assert abs(light(BAR) - light(GAP)) > 60
    assert reliability.DASHED["stroke_dasharray"]
