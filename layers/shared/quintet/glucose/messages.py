"""What comes into the glucose room and goes out of it; names and shapes are the original service's.

Glucose is in mg/dL where no unit is named, times are the sensor's local wall clock in ISO 8601, without a zone.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Unit = Literal["mg/dL", "mmol/L"]
CacheAction = Literal["flush", "info", "delete", "save", "load"]


class Message(BaseModel):
    model_config = ConfigDict(frozen=True)


class ConvertResponse(Message):
    csv_content: str | None = Field(None, description="The trace as unified CSV; null where it could not be read.")
    error: str | None = Field(None, description="What was wrong with the file and what to do; null where nothing was.")


class ProcessRequest(Message):
    csv_base64: str = Field(
        min_length=1,
        description="A CSV export, unified or of a vendor, as base64.",
        examples=["c2VxdWVuY2VfaWQsZGF0ZXRpbWUsZ2x1Y29zZQo="],
    )
    force_calculate: bool = Field(False, description="Calculate anew even where an answer is cached.")
    unit: Unit = Field("mg/dL", description="Of figure and forecast. Not in the original.")


class Warnings(Message):
    has_warnings: bool = False
    too_short: bool = Field(False, description="Not enough data for a reliable forecast.")
    calibration: bool = Field(False, description="Calibrations in the data.")
    quality: bool = Field(False, description="Readings of low quality.")
    imputation: bool = Field(False, description="Missing readings were filled in.")
    out_of_range: bool = Field(False, description="Readings at or beyond the sensor's limits.")
    time_duplicates: bool = Field(False, description="Several readings for one time.")
    messages: list[str] = []


class ProcessResponse(Message):
    handle: str | None = Field(None, description="Names the trace in later calls: the SHA-256 of its unified CSV.")
    total_samples: int | None = Field(None, description="Windows that have their 12 true points; indices 0 … 1 - n.")
    warnings: Warnings = Warnings()
    error: str | None = None


class DrawRequest(Message):
    handle: str = Field(min_length=8, max_length=64, description="As process_unified gave it.")
    index: int = Field(0, le=0, description="0: the last window that has its 12 true points; -1: the one before.")
    force_calculate: bool = Field(False, description="Calculate anew even where the figure is cached.")
    unit: Unit = Field("mg/dL", description="Of the figure. Not in the original.")


class CacheRequest(Message):
    action: CacheAction
    handle: str | None = Field(None, min_length=8, max_length=64)


class CacheAnswer(Message):
    """What a cache action did. Counts are of the caller's own traces, `flush`'s of everybody's."""

    success: bool
    message: str
    cache_size: int = Field(ge=0, description="Traces that all servers know; without Redis, this server alone.")
    persisted_count: int = Field(ge=0, description="Traces in the bucket.")
    items_affected: int | None = Field(None, ge=0)


class Hypoglycaemia(Message):
    """Whether a reading below 70 mg/dL is to be expected within the hour. Not in the original."""

    probability: float = Field(ge=0, le=1)
    alarm: bool
    notice: str = "A research estimate: no basis for treatment. A missing alarm means nothing."


class Forecast(Message):
    """The hour after the last reading. Not in the original, and no basis for treatment."""

    last_reading: str = Field(description="Time of the last reading on the 5-minute grid.")
    times: list[str] = Field(description="The 12 times forecast, 5 minutes apart.")
    unit: Unit = "mg/dL"
    readings: list[float] = Field(description="In `unit`: the last 3 hours, 5 minutes apart, up to the last reading.")
    median: list[float] = Field(description="In `unit`, one for each time.")
    quantiles: dict[str, list[float]] = Field(description='In `unit` by level ("0.1", "0.9", …), one for each time.')
    hypoglycaemia: Hypoglycaemia
    model: str = Field(description="Version of the model.")
    notice: str = "A research forecast: no basis for treatment."


class QuickPlotResponse(Message):
    plot_data: dict[str, Any] = Field(description="A Plotly figure: `data` and `layout`; empty where there is none.")
    warnings: Warnings = Warnings()
    error: str | None = None
    forecast: Forecast | None = Field(None, description="Beside the original's answer: the hour to come.")


class ForecastResponse(Message):
    forecast: Forecast | None = None
    warnings: Warnings = Warnings()
    error: str | None = None


class HealthResponse(Message):
    """One server's state; on Lambda that of the execution environment that answered."""

    status: str = Field(description="ok, degraded or error.")
    load_status: str = Field(description="idle, lightly loaded, loaded, heavily loaded, overloaded or full.")
    cache_size: int = Field(ge=0)
    models_initialized: bool
    available_priority_models: int = Field(ge=0)
    available_general_models: int = Field(ge=0)
    avg_fulfillment_time_ms: float = Field(ge=0)
    vmem_usage_mb: float = Field(ge=0)
    device: str
    total_http_requests: int = Field(ge=0)
    total_http_errors: int = Field(ge=0)
    avg_request_time_ms: float = Field(ge=0)
    median_request_time_ms: float = Field(ge=0)
    min_request_time_ms: float = Field(ge=0)
    max_request_time_ms: float = Field(ge=0)
    inference_requests_by_priority: dict[int, int]
    total_inference_errors: int = Field(ge=0)
    total_calc_runs: int = Field(ge=0)
    total_calc_errors: int = Field(ge=0)
    inference_queue_size: int = Field(ge=0)
    inference_queue_capacity: int = Field(ge=0)
    calc_queue_size: int = Field(ge=0)
    calc_queue_capacity: int = Field(ge=0)
    notes: list[str] = Field([], description="What is not as it should be, in words. Not in the original.")
