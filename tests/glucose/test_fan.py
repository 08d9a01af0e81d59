"""The fan chart shows the hour to come, in the forecast's unit, and says what it is not good for."""

import re
from datetime import datetime, timedelta
from xml.etree import ElementTree

import numpy as np
import pytest

from quintet.glucose import fan
from quintet.glucose.messages import Forecast, Hypoglycaemia, Unit
from quintet.glucose.units import in_unit
from quintet.kernel.scale import Scale

SVG = "{http://www.w3.org/2000/svg}"
LAST = datetime(2026, 3, 1, 23, 42, 30)
SPREADS = {"0.05": -30.0, "0.1": -20.0, "0.3": -8.0, "0.5": 0.0, "0.7": 9.0, "0.9": 26.0, "0.95": 40.0}


def forecast(unit: Unit = "mg/dL", risk: float = 0.12, model: str = "1.0.0", level: float = 120) -> Forecast:
    middle = np.linspace(level, level - 20, 12)
    widening = np.linspace(0.1, 1, 12)
    quantiles = {name: in_unit(middle + spread * widening, unit).round(2).tolist() for name, spread in SPREADS.items()}
    return Forecast(
        last_reading=LAST.isoformat(),
        times=[(LAST + step * timedelta(minutes=5)).isoformat() for step in range(1, 13)],
        unit=unit,
        readings=in_unit(np.linspace(level + 40, level, 36), unit).round(2).tolist(),
        median=quantiles["0.5"],
        quantiles=quantiles,
        hypoglycaemia=Hypoglycaemia(probability=risk, alarm=risk > 0.3),
        model=model,
    )


def drawn(forecast: Forecast) -> ElementTree.Element:
    return ElementTree.fromstring(fan.svg(forecast))  # noqa: S314 - our own


def words(drawing: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in drawing.iter(f"{SVG}text")]


def paths(drawing: ElementTree.Element, **attributes: str) -> list[list[tuple[float, float]]]:
    found = [path for path in drawing.iter(f"{SVG}path") if attributes.items() <= path.attrib.items()]
    numbers = [[float(number) for number in re.findall(r"[-\d.]+", path.attrib["d"])] for path in found]
    return [list(zip(one[::2], one[1::2], strict=True)) for one in numbers]


def scale_of(drawing: ElementTree.Element) -> Scale[float]:
    """The value axis, as it is labelled."""
    labels = [one for one in drawing.iter(f"{SVG}text") if one.get("x") == "72"]
    (low, start), *_, (high, end) = [(float(one.text or ""), float(one.attrib["y"]) - 4.2) for one in labels]
    return Scale(low, high, start, end)


@pytest.mark.parametrize("unit", ["mg/dL", "mmol/L"])
def test_every_value_is_where_the_axis_says(unit: Unit) -> None:
    told = forecast(unit)
    drawing = drawn(told)
    y = scale_of(drawing)
    readings, _ = paths(drawing, stroke=fan.BLUE)
    assert [up for _, up in readings] == pytest.approx([y(value) for value in told.readings], abs=0.02)
    (median,) = paths(drawing, stroke=fan.VERMILLION)
    assert [up for _, up in median] == pytest.approx([y(v) for v in (told.readings[-1], *told.median)], abs=0.02)
    for (low, high), band in zip(fan.bands(told), paths(drawing, fill=fan.VERMILLION), strict=True):
        below, above = ([told.readings[-1], *told.quantiles[level]] for level in (low, high))
        assert [up for _, up in band] == pytest.approx([y(value) for value in (*below, *above[::-1])], abs=0.02)


def test_the_forecast_begins_where_the_readings_end() -> None:
    drawing = drawn(forecast())
    readings, _ = paths(drawing, stroke=fan.BLUE)
    (median,) = paths(drawing, stroke=fan.VERMILLION)
    assert median[0] == readings[-1]
    step = (readings[-1][0] - readings[0][0]) / 35
    assert median[-1][0] - median[0][0] == pytest.approx(12 * step, abs=0.02)


def test_bands_are_pairs_around_the_median() -> None:
    assert fan.bands(forecast()) == [("0.05", "0.95"), ("0.1", "0.9"), ("0.3", "0.7")]
    assert {"90 %", "80 %", "40 %"} <= set(words(drawn(forecast())))


def test_target_and_hypoglycaemia_are_shown_in_the_unit() -> None:
    assert {"target", "70 – 180", "hypoglycaemia", "below 70", "Glucose (mg/dL)"} <= set(words(drawn(forecast())))
    assert {"3.9 – 10.0", "below 3.9", "Glucose (mmol/L)"} <= set(words(drawn(forecast("mmol/L"))))


@pytest.mark.parametrize("unit", ["mg/dL", "mmol/L"])
@pytest.mark.parametrize("level", [60, 120, 400])
def test_the_target_is_always_in_sight(unit: Unit, level: float) -> None:
    drawing = drawn(forecast(unit, level=level))
    y = scale_of(drawing)
    (target,) = (box for box in drawing.iter(f"{SVG}rect") if box.get("fill") == fan.TARGET)
    top, height = float(target.attrib["y"]), float(target.attrib["height"])
    assert fan.TOP < top < top + height < fan.BOTTOM
    assert [top, top + height] == pytest.approx([y(in_unit(180.0, unit)), y(in_unit(70.0, unit))], abs=0.02)


def test_it_is_labelled_as_no_basis_for_treatment() -> None:
    for risk in (0.0, 0.9):
        said = words(drawn(forecast(risk=risk)))
        assert "A research forecast: no basis for treatment." in said
        assert "A research estimate: no basis for treatment. A missing alarm means nothing." in said


def test_the_alarm_is_said_in_words() -> None:
    assert "Hypoglycaemia: 12 % within the hour" in words(drawn(forecast(risk=0.12)))
    assert "Hypoglycaemia alarm: 45 % within the hour" in words(drawn(forecast(risk=0.45)))


def test_the_heading_says_when_and_how_much() -> None:
    said = words(drawn(forecast("mmol/L")))
    assert said[0] == "Glucose forecast, 23:42 – 00:42"
    assert said[1] == "1 March 2026, last reading 6.7 mmol/L, median 5.5 mmol/L at 00:42"
    assert {"01 Mar", "02 Mar", "last reading"} <= set(said)


def test_a_hostile_version_stays_a_word() -> None:
    assert "model </svg><script>&" in words(drawn(forecast(model="</svg><script>&")))


def test_one_reading_is_enough() -> None:
    one = forecast().model_copy(update={"readings": [120.0]})
    assert len(paths(drawn(one), stroke=fan.BLUE)[0]) == 1


def test_the_same_forecast_is_the_same_drawing() -> None:
    assert fan.svg(forecast()) == fan.svg(forecast())
    assert not re.search(r"href|url\(|@import|<style|<script", fan.svg(forecast()))
