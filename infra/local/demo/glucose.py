"""The glucose room: a sensor's exports go in by HTTP and gRPC, figures and forecasts come out."""

import base64
import csv
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import plotille
from rich.console import Console
from rich.table import Table
from rich.text import Text

from infra.local.demo import glucose_grpc, picture
from infra.local.demo.exports import Sample, write_dexcom, write_libre
from infra.local.endpoints import Endpoints
from quintet.glucose.fan import percent

PATIENTS = Path(__file__).parent / "virtual_patients.csv"
SHOWN_TIMES = slice(None, None, 2)


@dataclass(frozen=True)
class Sensor:
    vendor: str
    write: Callable[[list[Sample]], bytes]
    unit: str


SENSORS = (Sensor("Dexcom Clarity", write_dexcom, "mg/dL"), Sensor("FreeStyle Libre", write_libre, "mmol/L"))


def show(endpoints: Endpoints, pictures: Path, console: Console) -> None:
    room, key = endpoints.rooms["glucose"], endpoints.credentials["glucose"]["api_key"]
    exports = [
        (patient, sensor, sensor.write(samples))
        for (patient, samples), sensor in zip(virtual_patients().items(), SENSORS, strict=False)
    ]
    with httpx.Client(base_url=str(room.http), headers={"X-API-Key": key}, timeout=60) as api:
        for patient, sensor, export in exports:
            body = request(api, patient, sensor, export, console)
            tell(forecast(api, body, console), console)
            stem = pictures / f"glucose-{slug(patient)}"
            files = picture.fetch(api, "/forecast", body, stem)
            files += picture.fetch(api, "/quick_plot", body, stem.with_name(f"{stem.name}-last-hour"))
            console.print("as SVG and PNG, by the Accept header:", *(f"[bold]{file}[/]" for file in files), sep="\n  ")
    if room.grpc:
        glucose_grpc.show(room.grpc, key, exports[0][-1], console)


def virtual_patients() -> dict[str, list[Sample]]:
    """The committed traces of simulated patients, by name."""
    patients: dict[str, list[Sample]] = {}
    with PATIENTS.open(newline="") as file:
        for row in csv.DictReader(line for line in file if not line.startswith("#")):
            patients.setdefault(row["patient"], []).append(
                Sample(
                    time=datetime.fromisoformat(row["time"]),
                    glucose=float(row["glucose_mg_dl"]),
                    carbs=float(row["carbs_g"]),
                    insulin=float(row["insulin_u"]),
                )
            )
    return patients


def request(api: httpx.Client, patient: str, sensor: Sensor, export: bytes, console: Console) -> dict[str, str]:
    """What to ask about an export, once it is unified."""
    console.print(
        f"[bold]{patient}[/]: POST {api.base_url}/convert_to_unified with a {sensor.vendor} export, {len(export)} bytes"
    )
    answer = api.post("/convert_to_unified", files={"file": ("export.csv", export, "text/csv")}).raise_for_status()
    text = answer.json()["csv_content"]
    console.print(f"  → unified CSV, {text.count(chr(10)) - 1} rows; POST {api.base_url}/forecast with it")
    return {"csv_base64": base64.b64encode(text.encode()).decode(), "unit": sensor.unit}


def forecast(api: httpx.Client, body: dict[str, str], console: Console) -> dict[str, Any]:
    answer = api.post("/forecast", json=body).raise_for_status()
    told: dict[str, Any] = answer.json()["forecast"]
    low = told["hypoglycaemia"]
    console.print(
        f"  → a forecast of the model {told['model']} in {answer.elapsed.total_seconds() * 1000:.0f} ms; hypoglycaemia "
        f"within the hour: {percent(low['probability'])}, {'[red]alarm[/]' if low['alarm'] else 'no alarm'}"
    )
    return told


def tell(forecast: dict[str, Any], console: Console) -> None:
    places = digits(forecast)
    console.print(f"The hour after {clock(forecast['last_reading'])}, in {forecast['unit']}:")
    table = Table()
    table.add_column("time")
    table.add_column("median", justify="right")
    table.add_column("80 % band", justify="right")
    rows = zip(
        forecast["times"], forecast["median"], forecast["quantiles"]["0.1"], forecast["quantiles"]["0.9"], strict=True
    )
    for time, median, low, high in list(rows)[1:][SHOWN_TIMES]:
        table.add_row(clock(time), f"{median:.{places}f}", f"{low:.{places}f} – {high:.{places}f}")
    console.print(table)
    console.print(Text.from_ansi(terminal_plot(forecast, colors=console.is_terminal)))
    console.print(forecast["notice"], style="italic")


def terminal_plot(forecast: dict[str, Any], *, colors: bool) -> str:
    """The last hours as they were and the next as forecast, minutes from the last reading on the x axis."""
    figure = plotille.Figure()
    figure.width, figure.height = 60, 14
    figure.set_x_limits(-180, 60)
    figure.x_ticks_fkt = lambda minutes, _: f"{minutes:.0f}"
    figure.y_ticks_fkt = lambda glucose, _: f"{glucose:.{digits(forecast)}f}"
    figure.x_label, figure.y_label = "min", forecast["unit"]
    readings = forecast["readings"]
    past = [-5 * before for before in reversed(range(len(readings)))]
    figure.plot(past, readings, label="readings", lc="bright_blue" if colors else None)
    ahead = [5 * step for step in range(len(forecast["times"]) + 1)]
    for level, name, color in [("0.9", "90 %", "yellow"), ("0.5", "median", "bright_red"), ("0.1", "10 %", "yellow")]:
        values = [readings[-1], *forecast["quantiles"][level]]
        figure.plot(ahead, values, label=name, lc=color if colors else None)
    return str(figure.show(legend=True))


def digits(forecast: dict[str, Any]) -> int:
    return 0 if forecast["unit"] == "mg/dL" else 1


def clock(time: str) -> str:
    return datetime.fromisoformat(time).strftime("%H:%M")


def slug(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name)
