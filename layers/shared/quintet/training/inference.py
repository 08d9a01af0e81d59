"""Detection as a job: taken, done, told; and the making of an ONNX file that is missing."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import PurePosixPath

from quintet.kernel.clock import Clock
from quintet.kernel.errors import Conflict, ModelUnavailable, NotFound, QuintetError, Unavailable
from quintet.training import jobs, messages
from quintet.training.access import Access, plain
from quintet.training.detection import Detections, detect
from quintet.training.detector_ports import ImageReader, Models
from quintet.training.image_source import ImageSource
from quintet.training.jobs import Job, JobKey
from quintet.training.ledger import Ledger
from quintet.training.manifest import onnx_key
from quintet.training.messages import DetectionOptions, InferenceRequest
from quintet.training.nudges import Nudges
from quintet.training.ports import Objects
from quintet.training.submission import fingerprint, new_job
from quintet.training.waiting import Waiting

TRIED_AGAIN_AFTER = timedelta(minutes=10)
"""A conversion may have failed for want of disk, or by three deaths; whoever asks later has it tried again."""


class BeingConverted(Unavailable):
    """The weights have no ONNX file yet; a conversion that `conversion` names makes it."""

    def __init__(self, conversion: JobKey) -> None:
        super().__init__("The model's ONNX file is being made: try again in a minute.", conversion=str(conversion))
        self.conversion = conversion


@dataclass(frozen=True)
class Detecting:
    """What detection needs."""

    models: Models
    images: ImageReader
    source: ImageSource
    objects: Objects
    access: Access
    ledger: Ledger
    nudges: Nudges
    waiting: Waiting
    clock: Clock
    default_model: str
    models_dir: str

    def perform(self, job: Job) -> None:
        """Do the job, unless it has ended; its outcome is in the outbox then. Raises Unavailable: try again later."""
        if job.ended:
            return
        request = InferenceRequest.model_validate(job.request)
        try:
            found = self.detect_at(job.caller, request.image_path, request.model_path, request.options)
        except BeingConverted as error:
            self.waiting.wait(job, error.conversion)
            return
        except QuintetError as error:
            if error.retry and not isinstance(error, ModelUnavailable):
                raise
            self._end(job, partial(jobs.failed, reason=error.message, now=self.clock.now()))
            return
        body = messages.inference_completed(job.job_id, detections=found.model_dump(mode="json"))
        self._end(job, partial(jobs.completed, body=body, now=self.clock.now()))

    def detect_at(self, caller: str, image: str, model: str | None, options: DetectionOptions) -> Detections:
        return self.detect(caller, self.source.read(image, lambda key: self._may_read(caller, key)), model, options)

    def detect(self, caller: str, image: bytes, model: str | None, options: DetectionOptions) -> Detections:
        """Raises BeingConverted, NotFound, InvalidInput, PermissionDenied, TooLarge, ModelUnavailable."""
        key = self.model_key(caller, model)
        try:
            detector = self.models.get(key)
        except NotFound:
            raise self._missing(caller, key) from None
        return detect(image, detector, self.images, model_path=model or self.default_model, options=options)

    def model_key(self, caller: str, model: str | None) -> str:
        """The key of the model that is meant: the default one lies in MODELS_DIR."""
        if model is None or "/" not in model:
            return plain(f"{self.models_dir.strip('/')}/{model or self.default_model}")
        return self.access.key(caller, model)

    def _missing(self, caller: str, key: str) -> QuintetError:
        """Why there is no such ONNX file: it is being made, or there is nothing to make it of."""
        if PurePosixPath(key).suffix != ".pt":
            return NotFound(f"There is no model {key}.")
        try:
            version = self.objects.etag(key)
        except NotFound:
            return NotFound(f"There is no model {key}: neither the weights nor {onnx_key(key)}.")
        return self._conversion(caller, key, version)

    def _conversion(self, caller: str, key: str, version: str) -> QuintetError:
        """Ask for the conversion, once for these weights; nobody is told of it but who waits."""
        folder = str(PurePosixPath(key).parent)
        wanted = {"model_path": key, "target_format": "onnx", "output_dir": folder}
        content = {"job_id": f"onnx-{fingerprint('convert', {**wanted, 'version': version})[:32]}", **wanted}
        job = jobs.changed(new_job("convert", content, caller, "", self.clock.now()), quiet=True)
        known = self._entered(job)
        if known.status == "failed":
            return NotFound(f"There is no ONNX file of {key}, and it could not be made: {known.error}")
        self.nudges.tend(known.key)
        return BeingConverted(known.key)

    def _entered(self, job: Job) -> Job:
        try:
            return self.ledger.enter(jobs.entered(job))
        except Conflict:
            known = self.ledger.read(job.key)
        if not known.ended or self._just_failed(known):
            return known
        try:  # it was made once and is gone again, was cancelled, or failed a while ago
            return self.ledger.replace(known, jobs.entered(jobs.changed(job, run=known.run + 1, attempt=known.attempt)))
        except Conflict:
            return self.ledger.read(job.key)

    def _just_failed(self, job: Job) -> bool:
        ended = job.ended_at or self.clock.now()
        return job.status == "failed" and self.clock.now() - ended < TRIED_AGAIN_AFTER

    def _end(self, job: Job, happening: Callable[[Job], jobs.Step]) -> None:
        with suppress(Conflict):  # a second delivery was quicker
            self.ledger.amend(job.key, happening)
        self.nudges.publish(job.key)

    def _may_read(self, caller: str, key: str) -> None:
        self.access.key(caller, key)
