"""What HTTP answers of jobs: the original's fields first, ours after them."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from quintet.training.jobs import Job, Status
from quintet.training.messages import Kind, share

if TYPE_CHECKING:
    from quintet.training.detection import Detections

Shown = Literal[Status, "cancelling"]


class Answer(BaseModel):
    model_config = ConfigDict(frozen=True, protected_namespaces=())


class JobTimes(Answer):
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None


class TrainingState(JobTimes):
    job_id: str
    status: Shown = Field(description="`cancelling`: asked to stop, which it does within an epoch.")
    progress: float = Field(description="Per cent of the epochs.")
    current_epoch: int
    total_epochs: int
    current_loss: float | None = Field(description="Of the last epoch; 0 before the first, null where it is no number.")
    current_map50: float | None
    metrics: dict[str, Any] = Field(description="Of the last epoch.")
    error: str | None = None
    model_path: str | None = Field(None, description="S3 key of the best weights, once completed.")
    outcome: dict[str, Any] | None = Field(None, description="What train_result_q was told.")
    attempt: int = Field(description="How often a task has been started for it.")


class TrainingAnswer(TrainingState):
    message: str


class TrainingHistory(TrainingState):
    history: list[dict[str, Any]] | None = Field(None, description="Metrics of each finished epoch, if asked for.")


class ConversionState(JobTimes):
    job_id: str
    status: Shown
    success: bool | None = Field(description="null as long as it has not ended.")
    message: str
    output_path: str | None = None
    conversion_time: float | None = Field(None, description="Seconds.")
    model_info: dict[str, Any] | None = None
    error: str | None = None
    model_path: str | None = None
    target_format: str | None = None


class ConversionRefused(Answer):
    model_path: str
    success: Literal[False] = False
    error: str


class BatchSummary(Answer):
    total: int
    successful: int = Field(description="Jobs that were taken.")
    failed: int = Field(description="Models that were refused.")


class ConversionBatchAnswer(Answer):
    success: bool = Field(description="Whether at least one job was taken.")
    message: str
    results: list[ConversionState | ConversionRefused]
    summary: BatchSummary


class JobState(JobTimes):
    job_id: str
    kind: Kind
    status: Shown
    progress: float
    error: str | None = None
    outcome: dict[str, Any] | None = Field(None, description="What the result queue was told.")
    automatic: bool = Field(description="Begun by the room itself: an ONNX file that a prediction needs.")
    attempt: int


class Jobs(Answer):
    jobs: list[JobState]


class Normalised(Answer):
    """A box relative to the image's width and height, from 0 to 1."""

    x_center: float
    y_center: float
    width: float
    height: float


class Prediction(Answer):
    class_id: int
    class_name: str
    confidence: float
    bbox: Normalised
    bbox_xyxy: list[float] = Field(description="x1, y1, x2, y2 in pixels of the image.")


class FlatBox(Normalised):
    """The same box, as the queues tell of it."""

    class_id: int
    class_name: str
    confidence: float


class UsedModel(Answer):
    model_path: str
    confidence_threshold: float
    iou_threshold: float


class Predictions(Answer):
    predictions: list[Prediction] = Field(description="Best first.")
    count: int
    inference_time: float = Field(description="Seconds.")
    annotations: list[FlatBox]
    total_detections: int
    model_info: UsedModel
    image_size: list[int] = Field(description="Width and height in pixels.")


class PredictionSuccess(Predictions):
    image_path: str | None = Field(description="As it was given; null for an image that came with the request.")
    success: Literal[True] = True


class PredictionFailure(Answer):
    image_path: str | None
    success: Literal[False] = False
    error: str


class BatchPredictions(Answer):
    results: list[PredictionSuccess | PredictionFailure] = Field(description="One an image, in the order given.")


class ManifestSummary(Answer):
    model: str
    family: str
    classes: int
    imgsz: int | list[int]
    metrics: dict[str, Any]
    trained_at: str | None


class ModelLine(Answer):
    name: str
    path: str = Field(description="S3 key.")
    size_mb: float
    size_bytes: int
    modified: datetime
    onnx_path: str | None = Field(description="S3 key of the ONNX file of the same model, if there is one.")
    manifest: ManifestSummary | None


class Models(Answer):
    models: list[ModelLine] = Field(description="Newest first.")


class ModelDescription(Answer):
    model_path: str
    model_size_mb: float
    classes: int | None = Field(description="null as long as the model has no ONNX file whose manifest tells.")
    class_names: list[str]
    supported_formats: list[str]
    supported_precisions: list[str]
    recommended_settings: dict[str, dict[str, Any]]
    name: str
    size_bytes: int
    modified: datetime
    onnx_path: str | None
    imgsz: int | list[int] | None
    metrics: dict[str, Any]
    manifest: dict[str, Any] | None


class ConversionFormats(Answer):
    supported_formats: list[str]
    supported_precisions: list[str]
    format_options: dict[str, dict[str, Any]] = Field(description="Options, defaults and limits by format.")
    not_offered: list[str]


class BrokerHealth(Answer):
    status: Literal["disabled", "not configured", "configured", "reachable", "unreachable"]
    reason: str | None = Field(None, description="Why it is not used, or what is wrong with it.")


class Health(Answer):
    status: Literal["healthy", "degraded"]
    timestamp: datetime
    cuda_available: bool = Field(False, description="Of the server that answers, which trains nothing itself.")
    device_count: int = 0
    device_name: str = "CPU"
    broker: BrokerHealth
    active_jobs: int | None = Field(description="Jobs that have not ended; null where the ledger is away.")
    version: str


def shown(job: Job) -> Shown:
    return "cancelling" if job.cancel_requested and not job.ended else job.status


def training_state(job: Job) -> dict[str, Any]:
    metrics, outcome = job.metrics or {}, job.outcome or {}
    return {
        **_times(job),
        "job_id": job.job_id,
        "status": shown(job),
        "progress": progress(job),
        "current_epoch": job.current_epoch,
        "total_epochs": job.total_epochs,
        "current_loss": metrics.get("train_loss", 0.0),
        "current_map50": metrics.get("mAP50", 0.0),
        "metrics": metrics,
        "error": job.error,
        "model_path": outcome.get("model_path"),
        "outcome": job.outcome,
        "attempt": job.attempt,
    }


def conversion_state(job: Job) -> ConversionState:
    outcome: Mapping[str, Any] = job.outcome or {}
    return ConversionState(
        **_times(job),
        job_id=job.job_id,
        status=shown(job),
        success=job.status == "completed" if job.ended else None,
        message=CONVERSION_MESSAGES[job.status],
        output_path=outcome.get("output_path"),
        conversion_time=outcome.get("conversion_time"),
        model_info=outcome.get("model_info"),
        error=outcome.get("error_message"),
        model_path=job.request.get("model_path"),
        target_format=job.request.get("target_format"),
    )


def batch_answer(results: list[ConversionState | ConversionRefused]) -> ConversionBatchAnswer:
    taken, total = sum(isinstance(one, ConversionState) for one in results), len(results)
    return ConversionBatchAnswer(
        success=taken > 0,
        message=f"Batch conversion taken: {taken}/{total}",
        results=results,
        summary=BatchSummary(total=total, successful=taken, failed=total - taken),
    )


CONVERSION_MESSAGES: Mapping[Status, str] = {
    "pending": "Conversion is waiting",
    "running": "Conversion is running",
    "completed": "Model successfully converted",
    "failed": "Conversion failed",
    "cancelled": "Conversion cancelled",
}


def job_state(job: Job) -> JobState:
    return JobState(
        **_times(job),
        job_id=job.job_id,
        kind=job.kind,
        status=shown(job),
        progress=progress(job),
        error=job.error,
        outcome=job.outcome,
        automatic=job.quiet,
        attempt=job.attempt,
    )


def told_of(found: "Detections", seconds: float) -> dict[str, Any]:
    """What was found, in the words of the original's HTTP and in those of the queues."""
    boxes = [one.model_dump() for one in found.annotations]
    return {
        "predictions": [prediction(box, found.image_size) for box in boxes],
        "count": found.total_detections,
        "inference_time": seconds,
        "annotations": boxes,
        "total_detections": found.total_detections,
        "model_info": found.model_info.model_dump(),
        "image_size": list(found.image_size),
    }


def prediction(box: Mapping[str, Any], image_size: tuple[int, int]) -> dict[str, Any]:
    """
    >>> box = {"class_id": 0, "x_center": 0.5, "y_center": 0.5, "width": 0.5, "height": 0.25}
    >>> prediction(box, (64, 32))["bbox_xyxy"]
    [16.0, 12.0, 48.0, 20.0]
    """
    across, down = image_size
    x, y, width, height = (box[name] for name in Normalised.model_fields)
    corners = [(x - width / 2) * across, (y - height / 2) * down, (x + width / 2) * across, (y + height / 2) * down]
    named = {name: value for name, value in box.items() if name not in Normalised.model_fields}
    return {**named, "bbox": {name: box[name] for name in Normalised.model_fields}, "bbox_xyxy": corners}


def progress(job: Job) -> float:
    return 100.0 if job.status == "completed" else share(job.current_epoch, job.total_epochs)


def _times(job: Job) -> dict[str, Any]:
    return {"created_at": job.accepted_at, "started_at": job.started_at, "ended_at": job.ended_at}
