"""Yesterday's gRPC clients can still read us: names, numbers and types of the original's .proto, and its bytes."""

import struct

from google.protobuf.descriptor import FieldDescriptor

from quintet.glucose.pb import glurpc_pb2 as pb

METHODS = {
    "ConvertToUnified": ("ConvertToUnifiedRequest", "ConvertToUnifiedResponse"),
    "ProcessUnified": ("ProcessUnifiedRequest", "ProcessUnifiedResponse"),
    "DrawPlot": ("PlotRequest", "PlotResponse"),
    "QuickPlot": ("QuickPlotRequest", "QuickPlotResponse"),
    "ManageCache": ("CacheManagementRequest", "CacheManagementResponse"),
    "CheckHealth": ("HealthRequest", "HealthResponse"),
}

FIELDS = {
    "ConvertToUnifiedRequest": "bytes file_content=1",
    "ConvertToUnifiedResponse": "string csv_content=1, string error=2",
    "ProcessUnifiedRequest": "string csv_base64=1, bool force_calculate=2",
    "ProcessUnifiedResponse": "string handle=1, int32 total_samples=2, Warnings warnings=3, string error=4",
    "Warnings": "bool has_warnings=1, bool too_short=2, bool calibration=3, bool quality=4, bool imputation=5, "
    "bool out_of_range=6, bool time_duplicates=7, repeated string messages=8",
    "PlotRequest": "string handle=1, int32 index=2, bool force_calculate=3",
    "PlotResponse": "string plot_json=1, string error=2",
    "QuickPlotRequest": "string csv_base64=1, bool force_calculate=2",
    "QuickPlotResponse": "string plot_json=1, Warnings warnings=2, string error=3",
    "CacheManagementRequest": "string action=1, string handle=2",
    "CacheManagementResponse": "bool success=1, string message=2, int32 cache_size=3, int32 persisted_count=4, "
    "int32 items_affected=5",
    "HealthRequest": "",
    "HealthResponse": "string status=1, string load_status=2, int32 cache_size=3, bool models_initialized=4, "
    "int32 available_priority_models=5, int32 available_general_models=6, double avg_fulfillment_time_ms=7, "
    "double vmem_usage_mb=8, string device=9, int32 total_http_requests=10, int32 total_http_errors=11, "
    "double avg_request_time_ms=12, double median_request_time_ms=13, double min_request_time_ms=14, "
    "double max_request_time_ms=15, repeated InferenceRequestsByPriorityEntry inference_requests_by_priority=16, "
    "int32 total_inference_errors=17, int32 total_calc_runs=18, int32 total_calc_errors=19, "
    "int32 inference_queue_size=20, int32 inference_queue_capacity=21, int32 calc_queue_size=22, "
    "int32 calc_queue_capacity=23",
}

TYPES = {
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_BYTES: "bytes",
    FieldDescriptor.TYPE_DOUBLE: "double",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_STRING: "string",
}


def described(field: FieldDescriptor) -> str:
    kind = field.message_type.name if field.message_type else TYPES[field.type]
    return f"{'repeated ' if field.is_repeated else ''}{kind} {field.name}={field.number}"


def test_the_service_is_the_originals() -> None:
    service = pb.DESCRIPTOR.services_by_name["GlucosePrediction"]
    assert service.full_name == "glurpc.GlucosePrediction"
    methods = {method.name: (method.input_type.name, method.output_type.name) for method in service.methods}
    assert methods == METHODS


def test_the_messages_are_the_originals() -> None:
    messages = pb.DESCRIPTOR.message_types_by_name
    assert {name: ", ".join(map(described, message.fields)) for name, message in messages.items()} == FIELDS


def varint(number: int) -> bytes:
    number %= 1 << 64
    groups = []
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*groups, number])


def whole(field: int, number: int) -> bytes:
    return varint(field << 3) + varint(number)


def real(field: int, number: float) -> bytes:
    return varint(field << 3 | 1) + struct.pack("<d", number)


def text(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(content)) + content


def test_an_old_clients_requests_are_understood() -> None:
    assert pb.ConvertToUnifiedRequest.FromString(text(1, b"\xff\xfe")).file_content == b"\xff\xfe"
    processed = pb.ProcessUnifiedRequest.FromString(text(1, b"YWJj") + whole(2, 1))
    assert (processed.csv_base64, processed.force_calculate) == ("YWJj", True)
    plotted = pb.QuickPlotRequest.FromString(text(1, b"YWJj"))
    assert (plotted.csv_base64, plotted.force_calculate) == ("YWJj", False)
    drawn = pb.PlotRequest.FromString(text(1, b"0123abcd") + whole(2, -3) + whole(3, 1))
    assert (drawn.handle, drawn.index, drawn.force_calculate) == ("0123abcd", -3, True)
    managed = pb.CacheManagementRequest.FromString(text(1, b"delete") + text(2, b"0123abcd"))
    assert (managed.action, managed.handle) == ("delete", "0123abcd")
    assert pb.HealthRequest.FromString(b"") == pb.HealthRequest()


def test_an_old_client_understands_the_answers() -> None:
    warnings = pb.Warnings(has_warnings=True, imputation=True, messages=["IMPUTATION"])
    told = whole(1, 1) + whole(5, 1) + text(8, b"IMPUTATION")
    assert warnings.SerializeToString(deterministic=True) == told
    processed = pb.ProcessUnifiedResponse(handle="ab", total_samples=181, warnings=warnings, error="no")
    expected = text(1, b"ab") + whole(2, 181) + text(3, told) + text(4, b"no")
    assert processed.SerializeToString(deterministic=True) == expected
    plotted = pb.QuickPlotResponse(plot_json="{}", warnings=warnings, error="no")
    assert plotted.SerializeToString(deterministic=True) == text(1, b"{}") + text(2, told) + text(3, b"no")
    health = pb.HealthResponse(
        status="ok", vmem_usage_mb=1.5, inference_requests_by_priority={3: 2}, calc_queue_capacity=8192
    )
    counts = text(16, whole(1, 3) + whole(2, 2))
    expected = text(1, b"ok") + real(8, 1.5) + counts + whole(23, 8192)
    assert health.SerializeToString(deterministic=True) == expected
