"""What comes in and goes out, in the originals' names. Fields that a request does not have are refused.

Positions (`latitude`, `longitude`) are degrees, or metres of a local plane, as the sender has them; speeds are m/s,
RSRP dBm, RSRQ and SINR dB, loads shares of 1.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

Kind = Literal["lightgbm", "lstm", "ensemble", "online", "fixed_labels"]
"""`fixed_labels` is the original's: it answers a label of its training, whatever the phone hears."""

ServiceType = Literal["urllc", "embb", "mmtc", "default"]

MOST_CELLS = 256
LONGEST_NAME = 100

Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST_NAME, pattern=r"^[^\x00-\x1f\x7f]+$", strip_whitespace=False),
]
Number = Annotated[float, Field(allow_inf_nan=False, ge=-1e12, le=1e12)]


def _whole(value: Any) -> Any:
    """JSON knows one kind of number: 3.0 is whole, too."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Priority = Annotated[int, BeforeValidator(_whole), Field(ge=1, le=10)]
Version = Annotated[str, StringConstraints(min_length=1, max_length=50, pattern=r"^[a-zA-Z0-9._-]+$")]


class Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Radio(Body):
    """What the phone measures of one cell."""

    rsrp: Number | None = Field(None, description="Reference signal's power, dBm.")
    sinr: Number | None = Field(None, description="Signal to interference and noise, dB.")
    rsrq: Number | None = Field(None, description="Reference signal's quality, dB.")
    cell_load: Number | None = Field(None, description="Share of the cell that is taken.")


class Measurement(Body):
    """A UE at one moment. What is left out is not known."""

    ue_id: Name | None = None
    latitude: Number | None = None
    longitude: Number | None = None
    altitude: Number | None = None
    speed: Number | None = None
    velocity: Number | None = None
    acceleration: Number | None = None
    cell_load: Number | None = None
    handover_count: Annotated[int, BeforeValidator(_whole), Field(ge=0, le=10**9)] | None = None
    signal_trend: Number | None = None
    environment: Number | None = None
    direction: Annotated[list[Number], Field(max_length=3)] | None = None
    connected_to: Name | None = Field(None, description="The cell that serves now.")
    rf_metrics: Annotated[dict[Name, Radio], Field(max_length=MOST_CELLS)] | None = Field(
        None, description="What is heard, by cell: only these can be answered."
    )
    timestamp: Number | str | None = Field(None, description="When, as seconds of 1970 or ISO 8601. Ours.")
    heading_change_rate: Number | None = Field(None, description="rad/s. Ours.")
    path_curvature: Number | None = Field(None, description="1/m. Ours.")
    time_since_handover: Number | None = Field(None, description="Seconds. Ours.")
    rsrp_stddev: Number | None = Field(None, description="dB. Ours.")
    sinr_stddev: Number | None = Field(None, description="dB. Ours.")


class PredictionRequest(Measurement):
    ue_id: Name


class TrainingSample(Measurement):
    optimal_antenna: Name = Field(description="The cell that should have served.")


class FeedbackSample(TrainingSample):
    success: bool = Field(True, description="Whether the handover that was advised went well.")


class LoginRequest(Body):
    username: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    password: Annotated[str, StringConstraints(min_length=1, max_length=1000)]


class CollectDataRequest(Body):
    duration: float = Field(60, ge=1, le=3600, description="Seconds.", allow_inf_nan=False)
    interval: float = Field(1, ge=1, le=60, description="Seconds between two looks.", allow_inf_nan=False)
    username: Annotated[str, StringConstraints(max_length=100)] | None = None
    password: Annotated[str, StringConstraints(max_length=1000)] | None = None


class QosObservation(Body):
    latency_ms: float | None = Field(None, ge=0, allow_inf_nan=False)
    jitter_ms: float | None = Field(None, ge=0, allow_inf_nan=False)
    throughput_mbps: float | None = Field(None, ge=0, allow_inf_nan=False)
    packet_loss_rate: float | None = Field(None, ge=0, le=100, allow_inf_nan=False, description="Percent.")


class PredictionWithQosRequest(PredictionRequest):
    service_type: ServiceType = "default"
    qos_requirements: Annotated[dict[Name, Number], Field(max_length=50)] | None = None
    edge_service_requirements: Annotated[dict[Name, Any], Field(max_length=50)] | None = None
    service_priority: Priority = 5
    observed_qos: QosObservation | None = None


class QosFeedback(Body):
    ue_id: Name
    antenna_id: Name
    service_type: ServiceType = "default"
    service_priority: Priority = 5
    confidence: float = Field(0, ge=0, le=1)
    success: bool = True
    observed_qos: QosObservation | None = None
    qos_requirements: Annotated[dict[Name, Number], Field(max_length=50)] | None = None
    violations: Annotated[list[Annotated[dict[Name, Number], Field(max_length=50)]], Field(max_length=100)] | None = (
        None
    )
    timestamp: Number | None = None


class TrajectoryPoint(Body):
    latitude: Number
    longitude: Number
    connected_to: Name | None = None


class Ranked(Body):
    """One of the cells that are heard, and how sure the model is that it should serve."""

    antenna: str
    confidence: float
    reason: str


class Prediction(Body):
    """The first four fields are the original's answer."""

    ue_id: str
    predicted_antenna: str
    confidence: float
    features_used: tuple[str, ...]
    ranking: tuple[Ranked, ...] = Field(description="All cells that are heard, the likeliest first.")
    reason: str
    model_type: Kind | Literal["a3"]
    model_version: str
    anti_pingpong_applied: bool = False
    suppression_reason: Literal["too_many", "too_recent", "immediate_return"] | None = None
    fallback_reason: str | None = Field(None, description="Why the A3 rule or the serving cell was answered instead.")
    original_prediction: str | None = Field(None, description="What the model would have answered.")
    handover_count_1min: int = 0
    time_since_last_handover: float | None = Field(None, description="Seconds; null where none is known.")


class QosPrediction(Prediction):
    service_type: ServiceType
    service_priority: int
    qos_bias_applied: bool = False
    qos_compliance: dict[str, Any] = Field(description="What is required, what was observed, and whether it is met.")


class TrainMessage(Body):
    """On the queue `train`: a run that waits to be done."""

    run: str


class CollectMessage(Body):
    """On the queue `collect`: a collection that waits to be done."""

    run: str


class WatchMessage(Body):
    """On the queue `watch`, by the minute."""

    about: Literal["watch"] = "watch"
