"""The figure as a drawing shows each number where it belongs, in either unit."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from hypothesis.extra.numpy import arrays

from quintet.glucose import picture
from quintet.glucose.figure import Figure, Floats, draw
from quintet.glucose.messages import Unit
from quintet.kernel.drawing import document, text
from quintet.kernel.scale import Scale, round_ticks

SVG = "{http://www.w3.org/2000/svg}"
START = datetime(2026, 3, 1, 23, 2, 30)
TIMES = [START + timedelta(minutes=5 * step) for step in range(24)]
TRUTH = np.linspace(100, 146, 24)
MEDIAN = np.linspace(125, 150, 12)
SAMPLES = MEDIAN + np.linspace(-20, 20, 10)[:, None] * np.linspace(0.3, 1, 12)


def figure(unit: Unit = "mg/dL") -> Figure:
    return draw(TIMES, TRUTH, MEDIAN, SAMPLES, unit)


def drawn(figure: Figure) -> ElementTree.Element:
    return parsed(picture.svg(figure))


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg.encode())  # noqa: S314 - our own


def densities(drawing: ElementTree.Element) -> list[ElementTree.Element]:
    return [path for path in drawing.findall(f"{SVG}path") if path.get("fill") == "rgb(53, 138, 217)"]


def lines(drawing: ElementTree.Element, color: str) -> list[ElementTree.Element]:
    """The line itself, then its sample in the legend."""
    return [group for group in drawing.findall(f"{SVG}g") if group.get("fill") == color]


def corners(path: ElementTree.Element) -> list[tuple[float, float]]:
    numbers = [float(number) for number in re.findall(r"[-\d.]+", path.attrib["d"])]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def centres(group: ElementTree.Element) -> list[tuple[float, float]]:
    return [(float(dot.attrib["cx"]), float(dot.attrib["cy"])) for dot in group.findall(f"{SVG}circle")]


def texts(drawing: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in drawing.iter(f"{SVG}text")]


def scale_of(drawing: ElementTree.Element) -> Scale[float]:
    """The value axis, as it is labelled."""
    labels = [one for one in drawing.iter(f"{SVG}text") if one.get("text-anchor") == "end"]
    (low, start), *_, (high, end) = [(float(one.text or ""), float(one.attrib["y"]) - 4.2) for one in labels]
    return Scale(low, high, start, end)


@pytest.mark.parametrize("unit", ["mg/dL", "mmol/L"])
def test_every_value_is_where_the_axis_says(unit: Unit) -> None:
    drawing, traces = drawn(figure(unit)), figure(unit)["data"]
    y = scale_of(drawing)
    for path, trace in zip(densities(drawing), traces[:12], strict=True):
        mapped, places = (np.array(ups) for ups in ([y(v) for v in trace["y"]], [up for _, up in corners(path)]))
        assert places[[0, 1, -1]] == pytest.approx(mapped[[0, 199, -1]], abs=0.02)
        assert np.abs(places[:, None] - mapped[None, :]).min(axis=1).max() < 0.02
    for color, trace in zip(("blue", "red"), traces[12:], strict=True):
        line = lines(drawing, color)[0]
        dots = centres(line)
        assert [up for _, up in dots] == pytest.approx([y(value) for value in trace["y"]], abs=0.02)
        assert corners(line[0]) == pytest.approx(np.array(dots), abs=0.01)


def test_every_time_is_where_the_axis_says() -> None:
    drawing = drawn(figure())
    truth, median = (centres(lines(drawing, color)[0]) for color in ("blue", "red"))
    step = (truth[-1][0] - truth[0][0]) / 23
    assert [across for across, _ in truth] == pytest.approx([truth[0][0] + step * k for k in range(24)], abs=0.02)
    assert [across for across, _ in median] == pytest.approx([across for across, _ in truth[11:]], abs=0.01)
    ticks = [float(rule.attrib["x1"]) for rule in drawing.findall(f"{SVG}line") if rule.get("stroke") == "lightgray"]
    assert np.diff(ticks) == pytest.approx(2 * step, abs=0.02)
    assert any(tick == pytest.approx(truth[11][0], abs=0.01) for tick in ticks)


def test_a_density_bulges_back_from_its_time_by_nine_tenths_of_a_step() -> None:
    drawing = drawn(figure())
    times = [across for across, _ in centres(lines(drawing, "blue")[0])]
    for path, time in zip(densities(drawing), times[12:], strict=True):
        across = [x for x, _ in corners(path)]
        assert across[:2] == pytest.approx([time, time], abs=0.01)
        assert time - min(across) == pytest.approx(0.9 * (times[1] - times[0]), abs=0.02)


def test_densities_grow_more_opaque() -> None:
    opacities = [float(path.attrib["fill-opacity"]) for path in densities(drawn(figure()))]
    assert opacities == sorted(opacities)
    assert opacities[0] == pytest.approx(1 - 11 / 12 * 10 / 12, abs=0.01)
    assert opacities[-1] == 1.0


def test_labels_are_plotlys() -> None:
    drawing = drawn(figure("mmol/L"))
    assert (drawing.get("width"), drawing.get("height"), drawing.get("viewBox")) == ("1000", "600", "0 0 1000 600")
    words = texts(drawing)
    assert {"Gluformer Prediction", "Time", "Glucose (mmol/L)", "Median Forecast", "True Values"} <= set(words)
    assert [word for word in words if re.fullmatch(r"\d\d:\d\d|\w{3} \d\d", word)] == [
        *("22:57", "Mar 01", "23:07", "23:17", "23:27", "23:37", "23:47", "23:57"),
        *("00:07", "Mar 02", "00:17", "00:27", "00:37", "00:47", "00:57"),
    ]


def test_the_drawing_stands_alone_and_is_the_same_each_time() -> None:
    svg = picture.svg(figure())
    assert svg == picture.svg(figure())
    assert not re.search(r"href|url\(|@import|<style|<script", svg)
    assert len(svg) < 60_000


def test_without_the_future_the_truth_ends_with_the_past() -> None:
    drawing = drawn(draw(TIMES, TRUTH[:12], MEDIAN, SAMPLES))
    assert len(centres(lines(drawing, "blue")[0])) == 12
    assert len(centres(lines(drawing, "red")[0])) == 13


def test_a_flat_and_certain_line_is_drawn() -> None:
    drawing = drawn(draw(TIMES, np.full(24, 100.0), np.full(12, 100.0), np.full((10, 12), 100.0)))
    assert densities(drawing) == []
    assert {y for _, y in centres(lines(drawing, "blue")[0])} == {310.0}


@settings(max_examples=20)
@given(
    arrays(np.float64, 24, elements=some.floats(39, 501)), arrays(np.float64, (10, 12), elements=some.floats(39, 501))
)
def test_whatever_is_drawn_stays_inside(truth: Floats, samples: Floats) -> None:
    drawing = drawn(draw(TIMES, truth, np.median(samples, axis=0), samples))
    for x, y in places(drawing):
        assert 80 <= x <= 829
        assert 100 <= y <= 520


def places(drawing: ElementTree.Element) -> Iterator[tuple[float, float]]:
    for path in densities(drawing):
        yield from corners(path)
    for color in ("blue", "red"):
        yield from centres(lines(drawing, color)[0])


HOSTILE = ['<script>alert("1")</script>', "\"'&<>]]>", "a\x00b\x1fc\ufffe", "\ud800", "–Ä\U0001f36d"]


@pytest.mark.parametrize("words", HOSTILE)
def test_words_are_words(words: str) -> None:
    svg = document(100, 50, words, text(words, 10, 20, id=words))
    written = parsed(svg).findall(f"{SVG}text")[0]
    assert written.text == re.sub("[\x00\x1f\ufffe\ud800]", "\ufffd", words)
    assert written.get("id") == written.text


@pytest.mark.parametrize("words", HOSTILE)
def test_a_figure_from_elsewhere_cannot_break_out_of_the_drawing(words: str) -> None:
    hostile: dict[str, Any] = figure()
    hostile["layout"]["title"]["text"] = hostile["data"][12]["name"] = hostile["data"][12]["line"]["color"] = words
    drawing = parsed(picture.svg(hostile))
    assert {element.tag.removeprefix(SVG) for element in drawing.iter()} == {
        "svg", "title", "rect", "text", "line", "path", "g", "circle",
    }  # fmt: skip


@given(some.floats(0, 500), some.floats(0.01, 600))
def test_ticks_are_round_few_and_inside(low: float, span: float) -> None:
    ticks = list(round_ticks(low, low + span))
    assert 2 <= len(ticks) <= 11
    assert all(low - 1e-9 <= value <= low + span + 1e-9 for value, _ in ticks)
    assert all(float(label) == pytest.approx(value, abs=1e-9) for value, label in ticks)
