"""The room's HTTP door: its routes, the same on Lambda and in a container."""

from functools import partial
from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request
from starlette.concurrency import run_in_threadpool

from quintet.entry.bodies import WRONG_BODY, checked, form_sent, is_form, json_or_form, json_sent
from quintet.entry.caller import Caller
from quintet.entry.http import http_app, known_caller
from quintet.kernel.errors import NotFound, QuintetError
from quintet.training.answers import (
    BatchPredictions,
    ConversionBatchAnswer,
    ConversionFormats,
    ConversionState,
    Health,
    Jobs,
    JobState,
    ModelDescription,
    Models,
    Predictions,
    TrainingAnswer,
    TrainingHistory,
    batch_answer,
    conversion_state,
    job_state,
    training_state,
)
from quintet.training.broker import broker_health, takes_connections
from quintet.training.catalog import Catalog
from quintet.training.formats import formats
from quintet.training.http_requests import (
    BATCH_LIMIT,
    AnyTraining,
    ConversionBatch,
    ConversionOrder,
    PredictionBatch,
    PredictionFile,
    PredictionFiles,
    PredictionOrder,
    TargetFormat,
)
from quintet.training.jobs import Job, JobKey, Status
from quintet.training.messages import JobId, Kind, S3Key
from quintet.training.ordering import Ordering
from quintet.training.prediction import Predicting
from quintet.training.progress import LONGEST, awaited
from quintet.training.wiring import TrainingRoom, training

VERSION = "0.1.0"
FILTERED_AMONG = 200

app = http_app(
    "AI Training & Inference Service",
    room=training,
    version=VERSION,
    description="Trains detectors, converts them and finds objects in images.",
)


def order_desk(request: Request, caller: Annotated[Caller, Depends(known_caller)]) -> Ordering:
    room = training()
    return Ordering(room.submissions, room.objects, caller.id, request.scope["quintet.correlation_id"])


def detectors(caller: Annotated[Caller, Depends(known_caller)]) -> Predicting:
    return Predicting(training().detecting, training().access, caller.id)


def model_shelf() -> Catalog:
    room = training()
    return Catalog(room.objects, room.access, room.defaults.models_dir, tensorrt=room.defaults.tensorrt)


async def one_image(request: Request) -> PredictionOrder | PredictionFile:
    if is_form(request):
        return checked(PredictionFile, await form_sent(request, files=1, field="file"))
    return checked(PredictionOrder, await json_sent(request))


async def many_images(
    request: Request,
    model_path: Annotated[S3Key | None, Query(description="Where the body does not name it.")] = None,
    conf: Annotated[float, Query(ge=0, le=1, allow_inf_nan=False)] = 0.25,
    iou: Annotated[float, Query(ge=0, le=1, allow_inf_nan=False)] = 0.45,
) -> PredictionBatch | PredictionFiles:
    around = {"model_path": model_path, "conf": conf, "iou": iou}
    if is_form(request):
        return checked(PredictionFiles, around | await form_sent(request, files=BATCH_LIMIT, field="files"))
    body = await json_sent(request)
    given = {"images": body} if isinstance(body, list) else body
    return checked(PredictionBatch, around | given if isinstance(given, dict) else given)


TheCaller = Annotated[Caller, Depends(known_caller)]
Desk = Annotated[Ordering, Depends(order_desk)]
Detectors = Annotated[Predicting, Depends(detectors)]
Shelf = Annotated[Catalog, Depends(model_shelf)]
NamedJob = Annotated[JobId, Path(description="The job's id, of this caller.")]
NamedModel = Annotated[S3Key, Path(description="S3 key of a model, or its file's name.")]
Wait = Annotated[
    float, Query(ge=0, le=LONGEST, allow_inf_nan=False, description="Seconds to wait for news; 0: answer at once.")
]
After = Annotated[int | None, Query(ge=0, description="The last epoch that is known: a later one is news.")]

Responses = dict[int | str, dict[str, Any]]
UNUSABLE: Responses = {400: {"description": "Something in the request can't be used; the answer says what."}}
NO_JOB: Responses = {404: {"description": "This caller has no such job."}}
NOT_THERE: Responses = {404: {"description": "There is no such image or model."}}
IN_THE_WAY: Responses = {409: {"description": "The job's state stands against it."}}


@app.get("/health")
def tell_health() -> Health:
    """How the room is doing, and whether RabbitMQ is used. Never needs a key."""
    room = training()
    on_aws = bool(room.place.function) and not room.place.local
    active = active_jobs(room)
    return Health(
        status="degraded" if active is None else "healthy",
        timestamp=room.clock.now(),
        broker=broker_health(room.broker, None if on_aws else takes_connections),
        active_jobs=active,
        version=VERSION,
    )


def active_jobs(room: TrainingRoom) -> int | None:
    try:
        return sum(1 for _ in room.ledger.active())
    except QuintetError:
        return None


@app.post("/api/v1/train", responses=UNUSABLE | IN_THE_WAY)
def start_training(order: AnyTraining, desk: Desk) -> TrainingAnswer:
    """Start a training. One that has ended may be started again under its job id."""
    return TrainingAnswer(**training_state(desk.train(order)), message="Training job started")


@app.get("/api/v1/train/{job_id:path}", responses=NO_JOB)
async def training_status(
    job_id: NamedJob,
    caller: TheCaller,
    wait: Wait = 0,
    after: After = None,
    history: Annotated[bool, Query(description="Tell the metrics of all epochs, too.")] = False,
) -> TrainingHistory:
    """How far the training is: at once, or with `wait` as soon as there is news."""
    job = await look(JobKey(caller.id, job_id), "train", wait=wait, after=after)
    epochs = await run_in_threadpool(training().ledger.epochs, job) if history else None
    return TrainingHistory(**training_state(job), history=epochs)


@app.delete("/api/v1/train/{job_id:path}", responses=NO_JOB | IN_THE_WAY)
def cancel_training(job_id: NamedJob, caller: TheCaller, desk: Desk) -> TrainingAnswer:
    """Cancel a training: at once where it waits, within an epoch where it runs."""
    job = desk.cancel(read(JobKey(caller.id, job_id), "train").key)
    said = "cancelled" if job.ended else "is being cancelled: it stops within an epoch"
    return TrainingAnswer(**training_state(job), message=f"Job {job_id} {said}")


@app.post(
    "/api/v1/predict",
    responses=UNUSABLE | NOT_THERE | WRONG_BODY,
    openapi_extra=json_or_form(PredictionOrder, PredictionFile),
)
def predict(
    asked: Annotated[PredictionOrder | PredictionFile, Depends(one_image)], detectors: Detectors
) -> Predictions:
    """Find objects in an image. Weights without an ONNX file are converted first: 503 until that is done."""
    return detectors.one(asked)


@app.post(
    "/api/v1/predict/batch",
    responses=UNUSABLE | WRONG_BODY,
    openapi_extra=json_or_form(PredictionBatch, PredictionFiles),
)
def predict_batch(
    asked: Annotated[PredictionBatch | PredictionFiles, Depends(many_images)], detectors: Detectors
) -> BatchPredictions:
    """Find objects in up to 32 images; each has its own result or error. A bare list of keys is a body, too."""
    return BatchPredictions(results=detectors.each(asked))


@app.get("/api/v1/models")
def list_models(caller: TheCaller, shelf: Shelf, limit: Annotated[int, Query(ge=1, le=200)] = 50) -> Models:
    """The caller's model files, newest first."""
    return Models.model_validate({"models": shelf.models(caller.id, limit=limit)})


@app.get("/api/v1/models/{name:path}/info", responses=UNUSABLE | NOT_THERE)
def model_info(name: NamedModel, caller: TheCaller, shelf: Shelf) -> ModelDescription:
    """What is known of a model: classes, metrics, and how it may be converted."""
    return ModelDescription.model_validate(shelf.info(caller.id, name))


@app.post("/api/v1/convert", status_code=202, responses=UNUSABLE | NOT_THERE | IN_THE_WAY)
def convert_model(order: ConversionOrder, desk: Desk) -> ConversionState:
    """Convert a model: the job that does it. Ask for its state at `/api/v1/convert/{job_id}`."""
    return conversion_state(desk.convert(order))


@app.post("/api/v1/convert/batch", status_code=202, responses=UNUSABLE)
def convert_batch(
    batch: ConversionBatch,
    desk: Desk,
    target_format: Annotated[TargetFormat | None, Query()] = None,
    output_dir: Annotated[S3Key | None, Query()] = None,
) -> ConversionBatchAnswer:
    """Convert up to 32 models: a job for each, or what is wrong with it."""
    elsewhere = {"target_format": batch.target_format or target_format, "output_dir": batch.output_dir or output_dir}
    return batch_answer(desk.convert_each(batch.model_copy(update=elsewhere)))


@app.get("/api/v1/convert/formats", dependencies=[Depends(known_caller)])
def conversion_formats() -> ConversionFormats:
    """What models can be converted into: options, defaults and limits."""
    return ConversionFormats.model_validate(formats(tensorrt=training().defaults.tensorrt))


@app.get("/api/v1/convert/{job_id:path}", responses=NO_JOB)
async def conversion_status(job_id: NamedJob, caller: TheCaller, wait: Wait = 0) -> ConversionState:
    """How the conversion is doing; with `wait` as soon as there is news of it."""
    return conversion_state(await look(JobKey(caller.id, job_id), "convert", wait=wait))


@app.get("/api/v1/jobs")
def list_jobs(
    caller: TheCaller,
    kind: Annotated[Kind | None, Query()] = None,
    status: Annotated[Status | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Jobs:
    """The caller's jobs, newest first; with a filter those among the newest 200."""
    known = training().ledger.jobs_of(caller.id, limit=FILTERED_AMONG if kind or status else limit)
    once = {job.job_id: job for job in known}.values()
    wanted = [job for job in once if kind in (None, job.kind) and status in (None, job.status)]
    return Jobs(jobs=[job_state(job) for job in wanted[:limit]])


@app.get("/api/v1/jobs/{job_id:path}", responses=NO_JOB)
async def tell_job(job_id: NamedJob, caller: TheCaller, wait: Wait = 0, after: After = None) -> JobState:
    """A job of any kind; with `wait` as soon as there is news of it."""
    return job_state(await look(JobKey(caller.id, job_id), wait=wait, after=after))


async def look(key: JobKey, kind: Kind | None = None, *, wait: float, after: int | None = None) -> Job:
    """No thread is held while nothing happens: many may wait at once. Raises NotFound."""
    return await awaited(partial(run_in_threadpool, read, key, kind), training().clock, wait=wait, after=after)


def read(key: JobKey, kind: Kind | None = None) -> Job:
    job = training().ledger.find(key)
    if job is None or kind not in (None, job.kind):
        raise NotFound(f"Job {key.job_id} not found")
    return job
