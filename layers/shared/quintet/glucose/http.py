"""The room's HTTP door: its routes, the same on Lambda and in a container."""

from typing import Annotated, Any

from fastapi import Depends, File, Query, Request, Response, UploadFile

from quintet.entry.caller import Caller
from quintet.entry.disconnects import cancellation
from quintet.entry.forms import PICTURES, answer
from quintet.entry.http import http_app, known_caller
from quintet.glucose import fan
from quintet.glucose.asking import Asked
from quintet.glucose.cache_management import manage_cache
from quintet.glucose.conversion import convert
from quintet.glucose.messages import (
    CacheAction,
    CacheAnswer,
    CacheRequest,
    ConvertResponse,
    DrawRequest,
    ForecastResponse,
    HealthResponse,
    ProcessRequest,
    ProcessResponse,
    QuickPlotResponse,
)
from quintet.glucose.outlook import forecast
from quintet.glucose.picture import svg
from quintet.glucose.plotting import draw_plot
from quintet.glucose.processing import process_unified
from quintet.glucose.quick_plot import quick_plot
from quintet.glucose.wiring import glucose
from quintet.kernel.cancellation import Cancellation

app = http_app(
    "GluRPC",
    room=glucose,
    version="0.1.0",
    description="Reads exports of continuous glucose sensors and forecasts the next hour.",
    on_answer=lambda status, duration_ms: glucose().tally.count_request(status, duration_ms),  # noqa: PLW0108 - late
)


async def who_asks(
    caller: Annotated[Caller, Depends(known_caller)], gone: Annotated[Cancellation, Depends(cancellation)]
) -> Asked:
    gone.check()
    return Asked(caller.id, caller.administrator, gone)


AskedBy = Annotated[Asked, Depends(who_asks)]


@app.get("/health")
def tell_health() -> HealthResponse:
    """How the server that answers is doing."""
    return glucose().health()


@app.post("/convert_to_unified")
def convert_to_unified(
    file: Annotated[UploadFile, File(description="The export, as the vendor gives it.")],
) -> ConvertResponse:
    """A vendor's export as unified CSV. What can't be read is said in `error`, with status 200."""
    return convert(file.file.read())


@app.post("/process_unified")
def process(request: ProcessRequest, asked: AskedBy) -> ProcessResponse:
    """Analyses an export and keeps the analysis, under a handle, for a while and for this caller alone."""
    return process_unified(request, asked, glucose().workshop)


@app.post("/draw_a_plot", response_model=dict[str, Any], responses=PICTURES)
def draw(request: DrawRequest, asked: AskedBy, http: Request) -> Response:
    """The Plotly figure of one window of a trace; SVG or PNG where `Accept` asks for it."""
    figure = draw_plot(request, asked, glucose().workshop)
    return answer(http, figure, lambda: svg(figure), glucose().rasteriser.png)


@app.post("/quick_plot", response_model=QuickPlotResponse, responses=PICTURES)
def plot_quickly(request: ProcessRequest, asked: AskedBy, http: Request) -> Response:
    """The figure of an export's last hour, and a forecast of the next; the figure alone as SVG or PNG by `Accept`."""
    plotted = quick_plot(request, asked, glucose().workshop)
    drawn = None if plotted.error else lambda: svg(plotted.plot_data)
    return answer(http, plotted, drawn, glucose().rasteriser.png)


@app.post("/forecast", response_model=ForecastResponse, responses=PICTURES)
def foresee(request: ProcessRequest, asked: AskedBy, http: Request) -> Response:
    """The hour after an export's last reading: quantiles, and whether a low is to be expected. No basis for treatment.
    `Accept` may ask for it as SVG or PNG.
    """
    foreseen = forecast(request, asked, glucose().workshop)
    outlook = foreseen.forecast
    drawn = None if outlook is None else lambda: fan.svg(outlook)
    return answer(http, foreseen, drawn, glucose().rasteriser.png)


@app.post("/cache_management")
def manage(
    asked: AskedBy,
    action: Annotated[CacheAction, Query(description="`flush` is for administrators.")],
    handle: Annotated[str | None, Query(min_length=8, max_length=64)] = None,
) -> CacheAnswer:
    """What is kept of the caller's traces: told (info), forgotten (delete), brought to the bucket (save) or from it."""
    return manage_cache(CacheRequest(action=action, handle=handle), asked, glucose().workshop.cache)
