"""What the demo does with the glucose room's answers."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.local.demo import picture
from infra.local.demo.glucose import terminal_plot
from infra.local.demo.glucose_grpc import told

LAST = datetime(2026, 3, 1, 8, 2)
TIMES = [(LAST + step * timedelta(minutes=5)).isoformat() for step in range(13)]


def room(request: httpx.Request) -> httpx.Response:
    form = request.headers["Accept"]
    if request.url.path == "/forecast":
        return httpx.Response(200, content=form.encode(), headers={"Content-Type": form})
    return httpx.Response(200, json={"error": "too short"})


@pytest.fixture
def api() -> httpx.Client:
    return httpx.Client(base_url="http://room", transport=httpx.MockTransport(room))


def test_each_form_is_asked_for_and_written(api: httpx.Client, tmp_path: Path) -> None:
    files = picture.fetch(api, "/forecast", {"csv_base64": "eA=="}, tmp_path / "fan")
    assert {file.name: file.read_text() for file in files} == {"fan.svg": "image/svg+xml", "fan.png": "image/png"}


def test_an_answer_without_a_picture_is_said(api: httpx.Client, tmp_path: Path) -> None:
    with pytest.raises(httpx.HTTPError, match="too short"):
        picture.fetch(api, "/quick_plot", {"csv_base64": "eA=="}, tmp_path / "figure")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("unit", "value", "label"), [("mg/dL", 120.0, " 120 |"), ("mmol/L", 6.7, " 6.7 |")])
def test_the_terminal_shows_either_unit(unit: str, value: float, label: str) -> None:
    rising = [value + step * value / 100 for step in range(-12, 1)]
    forecast: dict[str, Any] = {
        "unit": unit,
        "readings": [*rising, value],
        "times": TIMES[1:],
        "quantiles": {level: [value] * 12 for level in ("0.1", "0.5", "0.9")},
    }
    shown = terminal_plot(forecast, colors=False)
    assert f"({unit})" in shown
    assert label in shown


def test_a_figure_is_told_by_where_the_hour_ended() -> None:
    lines = [{"name": "True Values", "x": TIMES, "y": [120.4]}, {"name": "Median Forecast", "x": TIMES, "y": [99.6]}]
    assert told({"data": [{"fill": "tonexty"}, *lines]}) == "at 09:02 the median said 100 mg/dL and 120 came"
