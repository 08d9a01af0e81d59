"""The room's gRPC door: each method converts what was sent, calls the use case, and converts what it answers.

An optional `x-glucose-unit` in the metadata, `mg/dL` or `mmol/L`, is the figure's unit; the original has none.
"""

import grpc
from typing_extensions import override

from quintet.entry.grpc import GrpcServer, Service, this_call
from quintet.glucose import wire
from quintet.glucose.asking import Asked
from quintet.glucose.cache_management import manage_cache
from quintet.glucose.conversion import convert
from quintet.glucose.pb import glurpc_pb2 as pb
from quintet.glucose.pb.glurpc_pb2_grpc import GlucosePredictionServicer, add_GlucosePredictionServicer_to_server
from quintet.glucose.plotting import draw_plot
from quintet.glucose.processing import process_unified
from quintet.glucose.quick_plot import quick_plot
from quintet.glucose.settings import GlucoseGrpc
from quintet.glucose.wiring import GlucoseRoom
from quintet.kernel.settings import read

SERVICE = pb.DESCRIPTOR.services_by_name["GlucosePrediction"].full_name
UNIT = "x-glucose-unit"


class GlucoseServicer(GlucosePredictionServicer):
    def __init__(self, room: GlucoseRoom) -> None:
        self._room = room

    @override
    def ConvertToUnified(
        self, request: pb.ConvertToUnifiedRequest, context: grpc.ServicerContext
    ) -> pb.ConvertToUnifiedResponse:
        return wire.converted(convert(request.file_content))

    @override
    def ProcessUnified(
        self, request: pb.ProcessUnifiedRequest, context: grpc.ServicerContext
    ) -> pb.ProcessUnifiedResponse:
        asked = wire.process_request(request, _unit())
        return wire.processed(process_unified(asked, _asked(), self._room.workshop))

    @override
    def DrawPlot(self, request: pb.PlotRequest, context: grpc.ServicerContext) -> pb.PlotResponse:
        asked = wire.draw_request(request, _unit())
        return wire.drawn(draw_plot(asked, _asked(), self._room.workshop))

    @override
    def QuickPlot(self, request: pb.QuickPlotRequest, context: grpc.ServicerContext) -> pb.QuickPlotResponse:
        asked = wire.process_request(request, _unit())
        return wire.plotted(quick_plot(asked, _asked(), self._room.workshop))

    @override
    def ManageCache(
        self, request: pb.CacheManagementRequest, context: grpc.ServicerContext
    ) -> pb.CacheManagementResponse:
        asked = wire.cache_request(request)
        return wire.managed(manage_cache(asked, _asked(), self._room.workshop.cache))

    @override
    def CheckHealth(self, request: pb.HealthRequest, context: grpc.ServicerContext) -> pb.HealthResponse:
        return wire.healthy(self._room.health())


def glucose_server(room: GlucoseRoom) -> GrpcServer:
    """The door, not yet open. Raises Misconfigured where it could never be."""
    service = Service(
        SERVICE,
        add=lambda server: add_GlucosePredictionServicer_to_server(GlucoseServicer(room), server),
        public=frozenset({"ConvertToUnified", "CheckHealth"}),
        quick=frozenset({"CheckHealth"}),
    )
    return GrpcServer(
        [service],
        gate=lambda: room.gate,
        ready=room.models_ready,
        port=read(GlucoseGrpc).port,
        on_answer=room.tally.count_request,
    )


def _asked() -> Asked:
    call = this_call()
    return Asked(call.caller.id, call.caller.administrator, call.cancellation)


def _unit() -> str:
    return this_call().metadata.get(UNIT, "mg/dL")
