"""What comes in and goes out: the requests of a backend, and what it is told, in the original's names and order.

request                    on train_update_q                on train_result_q
───────                    ─────────────────                ─────────────────
train_request_q            training_started, epoch_update   training_completed, _failed, _cancelled
convert_request_q          conversion_started               (convert_result_q) conversion_completed, _failed
inference_request_q        inference_started                (inference_result_q) inference_completed, _failed
"""

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from quintet.kernel.errors import InvalidInput

Kind = Literal["train", "convert", "inference"]
JOB_ID_BYTES = 600
"""Of a job id as it stands in the names of rows and objects: one letter beyond ASCII takes six or more."""

KEY_BYTES = 1000
"""Of a key of the bucket: S3 allows 1024, and what stands beside a file has a longer name."""

DEEPEST = 50
"""Levels that a request may be nested."""


def _nameable(job_id: str) -> str:
    if len(quote(job_id, safe="", errors="replace")) > JOB_ID_BYTES:
        raise ValueError("too long: 200 letters, or 100 where they are not ASCII")
    return job_id


JobId = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$"),
    AfterValidator(_nameable),
]
S3Key = Annotated[str, StringConstraints(min_length=1, max_length=900)]
Body = dict[str, Any]


class Request(BaseModel):
    """Fields that a backend sends besides are let through: the original looked at its own ones only."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Order(BaseModel):
    """A message as it was put on a request queue: nothing is sure but that it is a JSON object with a `job_id`.

    `sender` is the broker's user who sent it, as the broker itself vouches for (AMQP's user-id), else None.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    job_id: JobId
    _attributes: dict[str, str] = PrivateAttr(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def within_reason(cls, value: Any) -> Any:
        """What can be stored: no deeper than DEEPEST, and text that UTF-8 can say."""
        if isinstance(value, Mapping):
            storable(value)
        return value

    @model_validator(mode="after")
    def keep_attributes(self, info: ValidationInfo) -> Self:
        self._attributes.update((info.context or {}).get("attributes", {}))
        return self

    @property
    def content(self) -> Body:
        return {"job_id": self.job_id, **(self.model_extra or {})}

    @property
    def sender(self) -> str | None:
        return self._attributes.get("user_id")

    @property
    def correlation(self) -> str | None:
        return self._attributes.get("correlation_id")


def storable(value: Any, depth: int = 0) -> None:
    """Raises ValueError."""
    if depth > DEEPEST:
        raise ValueError(f"nested deeper than {DEEPEST} levels")
    if isinstance(value, str):
        value.encode()  # UnicodeEncodeError is a ValueError
    elif isinstance(value, Mapping):
        for name, item in value.items():
            storable(name, depth + 1)
            storable(item, depth + 1)
    elif isinstance(value, list | tuple):
        for item in value:
            storable(item, depth + 1)


class Dataset(Request):
    s3_prefix: S3Key
    name: str = ""


class Output(Request):
    prefix: S3Key = "models"
    model_name: str = Field("best.pt", min_length=4, max_length=200, pattern=r"^[^/\\]+\.pt$")


class Hyperparams(BaseModel):
    """`model` names an architecture, or the weights (an S3 key ending in .pt) to begin with."""

    model_config = ConfigDict(frozen=True, extra="allow")

    model: str = Field("yolov8n", min_length=1, max_length=900)
    epochs: int = Field(100, ge=1, le=1000)
    batch: int = Field(16, ge=1, le=512)
    imgsz: int = Field(640, ge=32, le=4096, multiple_of=32)
    seed: int = Field(0, ge=0, le=2**31 - 1)
    pretrained: S3Key | None = Field(None, description="S3 key of weights to begin with; none: from scratch.")

    @field_validator("model")
    @classmethod
    def bare_name(cls, model: str) -> str:
        """`yolov8n.pt` is how its users call the architecture; weights have a folder."""
        return model.removesuffix(".pt") if "/" not in model else model


class TrainRequest(Request):
    job_id: JobId
    dataset: Dataset
    output: Output = Output()
    hyperparams: Hyperparams = Hyperparams()

    @model_validator(mode="after")
    def storable_output(self) -> Self:
        if len(f"{self.output.prefix}/{self.output.model_name}".encode()) > KEY_BYTES:
            raise ValueError(f"output.prefix and output.model_name are together longer than {KEY_BYTES} bytes")
        return self


class ConversionOptions(Request):
    imgsz: int = Field(640, ge=32, le=4096, multiple_of=32)
    batch_size: int = Field(1, ge=1, le=32)
    dynamic: bool = False
    simplify: bool = True
    opset: int = Field(17, ge=11, le=20)
    precision: Literal["fp32", "fp16", "int8"] = "fp16"
    workspace: int = Field(4, ge=1, le=16, description="GB that TensorRT may use.")
    int8_calibration_data: S3Key | None = None


class ConvertRequest(Request):
    """`target_format` is any text here: what can't be made is refused with a sentence that says what can."""

    job_id: JobId
    model_path: S3Key
    target_format: str = Field(min_length=1, max_length=50)
    options: ConversionOptions = ConversionOptions()
    output_dir: S3Key | None = Field(None, description="Default: `converted` in the model's folder.")


class DetectionOptions(Request):
    conf: float = Field(0.25, ge=0, le=1)
    iou: float = Field(0.45, ge=0, le=1)


class InferenceRequest(Request):
    job_id: JobId
    image_path: S3Key
    model_path: S3Key | None = None
    options: DetectionOptions = DetectionOptions()


REQUESTS: Mapping[Kind, type[TrainRequest | ConvertRequest | InferenceRequest]] = {
    "train": TrainRequest,
    "convert": ConvertRequest,
    "inference": InferenceRequest,
}


def request_of(kind: Kind, content: Mapping[str, Any]) -> TrainRequest | ConvertRequest | InferenceRequest:
    """`content` as the request it should be; null is absent. Raises InvalidInput that names each wrong field."""
    try:
        return REQUESTS[kind].model_validate({name: value for name, value in content.items() if value is not None})
    except ValidationError as error:
        raise InvalidInput(explained(error)) from None


def explained(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in problems)


def training_started(job_id: str, total_epochs: int, config: Mapping[str, Any]) -> Body:
    return {
        "type": "training_started",
        "job_id": job_id,
        "status": "running",
        "current_epoch": 0,
        "total_epochs": total_epochs,
        "progress": 0.0,
        "config": dict(config),
    }


def epoch_update(job_id: str, epoch: int, total_epochs: int, metrics: Mapping[str, Any]) -> Body:
    return {
        "type": "epoch_update",
        "job_id": job_id,
        "status": "running",
        "current_epoch": epoch,
        "total_epochs": total_epochs,
        "progress": share(epoch, total_epochs),
        "metrics": {name: metrics.get(name) for name in METRICS},
    }


METRICS = ("train_loss", "mAP50", "box_loss", "cls_loss", "dfl_loss")


def training_completed(
    job_id: str, *, model_path: str, metrics: Mapping[str, Any], epochs: int, seconds: float
) -> Body:
    return {
        "type": "training_completed",
        "job_id": job_id,
        "status": "completed",
        "progress": 100.0,
        "model_path": model_path,
        "final_metrics": {
            "final_mAP50": metrics.get("mAP50"),
            "final_loss": metrics.get("train_loss"),
            "training_epochs": epochs,
        },
        "training_time": seconds,
    }


def training_failed(job_id: str, *, epoch: int, reason: str, metrics: Mapping[str, Any] | None) -> Body:
    return {
        "type": "training_failed",
        "job_id": job_id,
        "status": "failed",
        "current_epoch": epoch,
        "error_message": reason,
        "partial_metrics": {"last_loss": metrics.get("train_loss"), "last_mAP50": metrics.get("mAP50")}
        if metrics
        else {},
    }


def training_cancelled(job_id: str, *, epoch: int) -> Body:
    return {"type": "training_cancelled", "job_id": job_id, "status": "cancelled", "current_epoch": epoch}


def conversion_started(job_id: str, *, model_path: str, target_format: str, options: Mapping[str, Any]) -> Body:
    return {
        "type": "conversion_started",
        "job_id": job_id,
        "model_path": model_path,
        "target_format": target_format,
        "options": dict(options),
    }


def conversion_completed(job_id: str, *, output_path: str, seconds: float, model_info: Mapping[str, Any]) -> Body:
    return {
        "type": "conversion_completed",
        "job_id": job_id,
        "output_path": output_path,
        "conversion_time": seconds,
        "model_info": dict(model_info),
    }


def conversion_failed(job_id: str, *, reason: str) -> Body:
    return {"type": "conversion_failed", "job_id": job_id, "error_message": reason}


def inference_started(job_id: str, *, image_path: str, model_path: str | None, options: Mapping[str, Any]) -> Body:
    return {
        "type": "inference_started",
        "job_id": job_id,
        "image_path": image_path,
        "model_path": model_path,
        "options": dict(options),
    }


def inference_completed(job_id: str, *, detections: Mapping[str, Any]) -> Body:
    return {
        "type": "inference_completed",
        "job_id": job_id,
        "annotations": detections["annotations"],
        "total_detections": detections["total_detections"],
        "model_info": detections["model_info"],
    }


def inference_failed(job_id: str, *, reason: str) -> Body:
    return {"type": "inference_failed", "job_id": job_id, "error_message": reason}


def share(epoch: int, total: int) -> float:
    """Per cent of the epochs.

    >>> share(15, 100)
    15.0
    """
    return round(100 * epoch / total, 2) if total else 0.0


def as_text(body: Body, moment: datetime) -> str:
    """`body` as JSON with its timestamp: naive UTC with microseconds. NaN and infinity become null.

    In ASCII: a character that SQS or UTF-8 refuses would keep it in the outbox for ever.

    >>> as_text({"type": "x", "loss": float("nan")}, datetime(2024, 1, 15, 10, 30, 45, 123456, tzinfo=UTC))
    '{"type": "x", "loss": null, "timestamp": "2024-01-15T10:30:45.123456"}'
    """
    return json.dumps({**finite(body), "timestamp": stamp(moment)}, allow_nan=False)


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


def finite(value: Any) -> Any:
    """`value` with null for every number that JSON can't say."""
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def order_of(content: Mapping[str, Any]) -> Order:
    """Raises InvalidInput without a usable `job_id`."""
    try:
        return Order.model_validate(dict(content))
    except ValidationError as error:
        raise InvalidInput(explained(error)) from None
