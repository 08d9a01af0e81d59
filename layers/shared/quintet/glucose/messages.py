"""What comes into the glucose room and goes out of it; names and shapes are the original service's.

Glucose is in mg/dL everywhere, times are the sensor's local wall clock in ISO 8601, without a zone.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


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


class Warnings(Message):
    has_warnings: bool = False
    too_short: bool = Field(False, description="Not enough data for a reliable forecast.")
    calibration: bool = Field(False, description="Calibrations in the data.")
    quality: bool = Field(False, description="Readings of low quality.")
    imputation: bool = Field(False, description="Missing readings were filled in.")
    out_of_range: bool = Field(False, description="Readings at or beyond the sensor's limits.")
    time_duplicates: bool = Field(False, description="Several readings for one time.")
    messages: list[str] = []


class Forecast(Message):
    """The hour after the last reading. Not in the original, and no basis for treatment."""

    last_reading: str = Field(description="Time of the last reading on the 5-minute grid.")
    times: list[str] = Field(description="The 12 times forecast, 5 minutes apart.")
    median: list[float] = Field(description="mg/dL, one for each time.")
    quantiles: dict[str, list[float]] = Field(description='mg/dL by level ("0.1", "0.9", …), one for each time.')
    model: str = Field(description="Version of the model.")
    notice: str = "A research forecast: no basis for treatment."


class QuickPlotResponse(Message):
    plot_data: dict[str, Any] = Field(description="A Plotly figure: `data` and `layout`; empty where there is none.")
    warnings: Warnings = Warnings()
    error: str | None = None
    forecast: Forecast | None = Field(None, description="Beside the original's answer: the hour to come.")


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
