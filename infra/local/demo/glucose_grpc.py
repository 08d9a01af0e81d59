"""The glucose room's other door: the same trace, asked about by gRPC."""

import base64
import json
from typing import Any

import grpc
from rich.console import Console

from quintet.glucose.pb import glurpc_pb2 as pb
from quintet.glucose.pb.glurpc_pb2_grpc import GlucosePredictionStub

HALF_AN_HOUR_EARLIER = -6


def show(address: str, key: str, export: bytes, console: Console) -> None:
    """An export goes in, a handle comes back, and figures of the trace by its handle."""
    caller = (("x-api-key", key),)
    with grpc.insecure_channel(address) as channel:
        room = GlucosePredictionStub(channel)
        console.print(f"[bold]gRPC[/]: glurpc.GlucosePrediction/ProcessUnified at {address} with the same export")
        request = pb.ProcessUnifiedRequest(csv_base64=base64.b64encode(export).decode())
        processed = room.ProcessUnified(request, metadata=caller, timeout=60)
        console.print(f"  → handle {processed.handle[:12]}…, {processed.total_samples} windows; DrawPlot with it")
        for index in (0, HALF_AN_HOUR_EARLIER):
            plot = room.DrawPlot(pb.PlotRequest(handle=processed.handle, index=index), metadata=caller, timeout=60)
            console.print(f"  → index {index}: {told(json.loads(plot.plot_json))}")


def told(figure: dict[str, Any]) -> str:
    """How far the median was off after the hour."""
    lines = {trace["name"]: trace for trace in figure["data"] if "name" in trace}
    time, truth = lines["True Values"]["x"][-1], lines["True Values"]["y"][-1]
    return f"at {time[11:16]} the median said {lines['Median Forecast']['y'][-1]:.0f} mg/dL and {truth:.0f} came"
