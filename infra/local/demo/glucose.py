"""The glucose room: a sensor's exports go in over HTTP, figures and forecasts come out."""

import base64
import csv
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import plotille
from rich.console import Console
from rich.table import Table
from rich.text import Text

from infra.local.demo import picture
from infra.local.demo.exports import Sample, write_dexcom, write_libre
from infra.local.endpoints import Endpoints

PATIENTS = Path(__file__).parent / "virtual_patients.csv"
EXPORTS = {"Dexcom Clarity": write_dexcom, "FreeStyle Libre": write_libre}
SHOWN_TIMES = slice(None, None, 2)


@dataclass(frozen=True)
class Shown:
    """One export and what came back."""

    patient: str
    vendor: str
    unified_csv: str
    answer: dict[str, Any]


def show(endpoints: Endpoints, pictures: Path, console: Console) -> None:
    key = endpoints.credentials["glucose"]["api_key"]
    patients = virtual_patients()
    with httpx.Client(base_url=str(endpoints.rooms["glucose"].http), headers={"X-API-Key": key}, timeout=60) as api:
        for (patient, samples), (vendor, write) in zip(patients.items(), EXPORTS.items(), strict=False):
            shown = forecast(api, patient, vendor, write(samples), console)
            tell(shown, console)
            files = picture.write(shown.answer, f"{patient}, {vendor} export", pictures / f"glucose-{slug(patient)}")
            console.print("figure:", *(f"[bold]{file}[/]" for file in files), sep="\n  ")


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


def forecast(api: httpx.Client, patient: str, vendor: str, export: bytes, console: Console) -> Shown:
    console.print(
        f"[bold]{patient}[/]: POST {api.base_url}/convert_to_unified with a {vendor} export ({len(export)} bytes)"
    )
    unified = (
        api.post("/convert_to_unified", files={"file": ("export.csv", export, "text/csv")}).raise_for_status().json()
    )
    text = unified["csv_content"]
    console.print(f"  → unified CSV, {text.count(chr(10)) - 1} rows; POST {api.base_url}/quick_plot with it")
    body = {"csv_base64": base64.b64encode(text.encode()).decode()}
    answer = api.post("/quick_plot", json=body).raise_for_status()
    milliseconds = answer.elapsed.total_seconds() * 1000
    console.print(
        f"  → a figure of {len(answer.json()['plot_data']['data'])} traces and a forecast, in {milliseconds:.0f} ms"
    )
    return Shown(patient, vendor, text, answer.json())


def tell(shown: Shown, console: Console) -> None:
    forecast = shown.answer["forecast"]
    console.print(f"The hour after {clock(forecast['last_reading'])}, in mg/dL:")
    table = Table()
    table.add_column("time")
    table.add_column("median", justify="right")
    table.add_column("80 % band", justify="right")
    rows = zip(
        forecast["times"], forecast["median"], forecast["quantiles"]["0.1"], forecast["quantiles"]["0.9"], strict=True
    )
    for time, median, low, high in list(rows)[1:][SHOWN_TIMES]:
        table.add_row(clock(time), f"{median:.0f}", f"{low:.0f} – {high:.0f}")
    console.print(table)
    console.print(Text.from_ansi(terminal_plot(shown.answer, colors=console.is_terminal)))
    console.print(forecast["notice"], style="italic")


def terminal_plot(answer: dict[str, Any], *, colors: bool) -> str:
    """The last hour as it was and the next as forecast, minutes from the last reading on the x axis."""
    known = next(trace for trace in answer["plot_data"]["data"] if trace.get("name") == "True Values")
    forecast = answer["forecast"]
    last = datetime.fromisoformat(forecast["last_reading"])

    def minutes(times: list[str]) -> list[float]:
        return [(datetime.fromisoformat(time) - last).total_seconds() / 60 for time in times]

    figure = plotille.Figure()
    figure.width, figure.height = 60, 14
    figure.set_x_limits(-60, 60)
    figure.register_label_formatter(float, lambda value, chars, **_: f"{value:.0f}".rjust(chars))
    figure.x_label, figure.y_label = "min", "mg/dL"
    anchor = known["y"][-1]
    figure.plot(minutes(known["x"]), known["y"], label="readings", lc="bright_blue" if colors else None)
    for level, name, color in [("0.9", "90 %", "yellow"), ("0.5", "median", "bright_red"), ("0.1", "10 %", "yellow")]:
        values = [anchor, *forecast["quantiles"][level]]
        figure.plot([0, *minutes(forecast["times"])], values, label=name, lc=color if colors else None)
    return str(figure.show(legend=True))


def clock(time: str) -> str:
    return datetime.fromisoformat(time).strftime("%H:%M")


def slug(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name)
