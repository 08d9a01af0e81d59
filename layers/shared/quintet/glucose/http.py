"""The room's HTTP door: its routes, the same on Lambda and in a container."""

from typing import Annotated

from fastapi import Depends, File, UploadFile

from quintet.entry.http import http_app, known_caller
from quintet.glucose.conversion import convert
from quintet.glucose.health import health
from quintet.glucose.messages import ConvertResponse, HealthResponse, ProcessRequest, QuickPlotResponse
from quintet.glucose.quick_plot import quick_plot
from quintet.glucose.wiring import glucose

app = http_app(
    "GluRPC",
    room=glucose,
    version="0.1.0",
    description="Reads exports of continuous glucose sensors and forecasts the next hour.",
    on_answer=lambda status, duration_ms: glucose().tally.count_request(status, duration_ms),  # noqa: PLW0108 - late
)


@app.get("/health")
def tell_health() -> HealthResponse:
    """How the server that answers is doing."""
    room = glucose()
    return health(room.tally, models_ready=room.models_ready(), memory_mb=room.memory_mb())


@app.post("/convert_to_unified")
def convert_to_unified(
    file: Annotated[UploadFile, File(description="The export, as the vendor gives it.")],
) -> ConvertResponse:
    """A vendor's export as unified CSV. What can't be read is said in `error`, with status 200."""
    return convert(file.file.read())


@app.post("/quick_plot", dependencies=[Depends(known_caller)])
def plot_quickly(request: ProcessRequest) -> QuickPlotResponse:
    """The figure of an export's last hour, and a forecast of the next. Needs an API key where keys are enabled."""
    room = glucose()
    return quick_plot(request, room.forecaster, room.forecast_settings)
