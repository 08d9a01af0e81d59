"""A job that converts a model: weights in the bucket → another format beside them, compared with its source."""

from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from gpu_workers.trainer import artifacts
from gpu_workers.trainer.attempt import Attempt
from gpu_workers.trainer.conversion import DEFAULTS, Conversion, convert, format_of
from gpu_workers.trainer.detector import BadWeights
from gpu_workers.trainer.reins import Stop
from gpu_workers.trainer.training_job import LARGEST_WEIGHTS
from quintet.entry.worker import foreign
from quintet.kernel.errors import InvalidInput
from quintet.kernel.files import Stored
from quintet.training.jobs import Job
from quintet.training.messages import ConvertRequest


def convert_model(attempt: Attempt) -> None:
    """Leave the job completed. Raises whatever is in its way, and Stopped."""
    job = attempt.work.job()
    request = attempt.has.request(job)
    assert isinstance(request, ConvertRequest)
    source = weights(attempt, attempt.has.access.key(job.caller, request.model_path))
    job = begun(attempt, request)
    local = attempt.folder("source") / PurePosixPath(source.key).name
    attempt.has.files.download(source, local)
    made = converted(attempt, local, request)
    attempt.reins.check()
    completed(attempt, job, request, made)


def weights(attempt: Attempt, key: str) -> Stored:
    """Raises InvalidInput and NotFound."""
    if PurePosixPath(key).suffix != ".pt":
        raise InvalidInput(f"{key} cannot be converted: name a weights file, one ending in .pt.")
    stored = attempt.has.files.find(key)
    if stored.size > LARGEST_WEIGHTS:
        raise BadWeights(f"{key} has {stored.size} bytes; weights have at most {LARGEST_WEIGHTS}.")
    return stored


def begun(attempt: Attempt, request: ConvertRequest) -> Job:
    job = attempt.insist(
        partial(
            attempt.work.start_conversion,
            model_path=request.model_path,
            target_format=request.target_format,
            options=options(request),
        )
    )
    attempt.log.info(f"{request.model_path} is converted to {request.target_format}")
    if job.cancel_requested:
        attempt.reins.pull(Stop.CANCELLED)
    attempt.reins.check()
    return job


def options(request: ConvertRequest) -> dict[str, Any]:
    """Those that the target knows; all of them where there is no such target."""
    given = request.options.model_dump(exclude_none=True)
    known = DEFAULTS.get(request.target_format.lower().replace("trt", "tensorrt"), given)
    return {name: value for name, value in given.items() if name in known}


def converted(attempt: Attempt, source: Path, request: ConvertRequest) -> Conversion:
    format_of(request.target_format)
    with foreign(hidden=f"{attempt.scratch}/"):
        library = attempt.has.library()
        made = convert(library, source, request.target_format, options(request), attempt.folder("converted"))
    attempt.log.info("converted", extra={"model_info": dict(made.model_info), "notes": list(made.notes)})
    return made


def completed(attempt: Attempt, job: Job, request: ConvertRequest, made: Conversion) -> None:
    folder = output_folder(attempt, job, request)
    attempt.work.alive()
    model, *_ = artifacts.upload_all(made.artifacts, folder, attempt.has.files)
    attempt.insist(
        partial(
            attempt.work.complete_conversion,
            output_path=model,
            seconds=round(made.seconds, 3),
            model_info=made.model_info,
        )
    )
    attempt.log.info("completed", extra={"output_path": model})


def output_folder(attempt: Attempt, job: Job, request: ConvertRequest) -> str:
    if request.output_dir:
        return attempt.has.access.key(job.caller, request.output_dir)
    return f"{PurePosixPath(attempt.has.access.key(job.caller, request.model_path)).parent}/converted"
