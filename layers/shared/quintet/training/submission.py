"""Taking requests: each becomes one job, however often it is delivered."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from quintet.kernel.clock import Clock
from quintet.kernel.errors import Conflict, InvalidInput, NotFound, PermissionDenied
from quintet.training import jobs, messages
from quintet.training.access import Access
from quintet.training.formats import offered
from quintet.training.jobs import Job, Step, Telling
from quintet.training.ledger import Ledger
from quintet.training.messages import ConvertRequest, InferenceRequest, Kind, TrainRequest, request_of
from quintet.training.nudges import Nudges
from quintet.training.settings import Defaults


@dataclass(frozen=True)
class Submissions:
    """What taking a request needs."""

    ledger: Ledger
    access: Access
    defaults: Defaults
    nudges: Nudges
    clock: Clock

    def take(self, kind: Kind, content: Mapping[str, Any], caller: str, *, correlation: str, anew: bool = False) -> Job:
        """The job that `content` asks for.

        A request that can't be done becomes a failed job, so that its backend is told. One that is delivered again is
        the same job; when that has ended, its outcome is told again, or with `anew` it is run again. Raises
        InvalidInput without a usable `job_id`, and Conflict where the job id is in use for something else.
        """
        step = self._step(kind, content, caller, correlation)
        try:
            job = self.ledger.enter(step)
        except Conflict:
            job = self._again(step, anew=anew)
        self._pass_on(job)
        return job

    def refuse(self, kind: Kind, content: Mapping[str, Any], caller: str) -> None:
        """Raises what is wrong with a request; for callers who wait for an answer."""
        self.checked(kind, content, caller)

    def _step(self, kind: Kind, content: Mapping[str, Any], caller: str, correlation: str) -> Step:
        now = self.clock.now()
        try:
            wanted = self.checked(kind, content, caller)
        except (InvalidInput, PermissionDenied, NotFound) as error:
            job = new_job(kind, content, caller, correlation, now)
            return jobs.failed(job, reason=error.message, now=now)
        return accepted(new_job(kind, content, caller, correlation, now), wanted, now)

    def checked(
        self, kind: Kind, content: Mapping[str, Any], caller: str
    ) -> TrainRequest | ConvertRequest | InferenceRequest:
        """The request with our defaults. Raises InvalidInput, and PermissionDenied where a key is another's."""
        request = request_of(kind, self._with_defaults(kind, content))
        if isinstance(request, TrainRequest):
            self.access.folder(caller, request.dataset.s3_prefix)
        if isinstance(request, ConvertRequest):
            offered(request.target_format, tensorrt=self.defaults.tensorrt)
        for key in keys_of(request):
            self.access.key(caller, key)
        return request

    def _with_defaults(self, kind: Kind, content: Mapping[str, Any]) -> Mapping[str, Any]:
        asked = content.get("hyperparams") or {}
        if kind != "train" or not isinstance(asked, Mapping):
            return content
        ours = {"epochs": self.defaults.epochs, "batch": self.defaults.batch, "imgsz": self.defaults.imgsz}
        place = {"prefix": f"{self.defaults.models_dir}/job_{quote(str(content.get('job_id')), safe='')}"}
        return {**content, "hyperparams": {**ours, **asked}, "output": content.get("output") or place}

    def _again(self, step: Step, *, anew: bool) -> Job:
        job = step.job
        known = self.ledger.read(job.key)
        same = known.fingerprint == job.fingerprint
        if known.ended and (anew or not same):
            return self._replaced(known, step, anew=anew)
        if not same or anew:
            raise Conflict(f"job {job.job_id!r} is {known.status}: give another request a job_id of its own")
        if known.ended:
            self.ledger.tell_again(known)
        return known

    def _replaced(self, known: Job, step: Step, *, anew: bool) -> Job:
        try:
            return self.ledger.replace(known, run_again(known, step))
        except Conflict:
            if self.ledger.read(known.key).version == known.version:
                raise
            return self._again(step, anew=anew)  # another delivery was quicker

    def _pass_on(self, job: Job) -> None:
        if job.told:
            self.nudges.publish(job.key)
        if not job.ended and job.kind != "inference":
            self.nudges.tend(job.key)


def new_job(kind: Kind, content: Mapping[str, Any], caller: str, correlation: str, now: datetime) -> Job:
    """Raises InvalidInput without a usable `job_id`."""
    order = messages.order_of(content)
    request = messages.finite(order.content)
    return Job(
        caller=caller,
        job_id=order.job_id,
        kind=kind,
        request=request,
        fingerprint=fingerprint(kind, request),
        correlation=correlation,
        accepted_at=now,
    )


def accepted(job: Job, request: TrainRequest | ConvertRequest | InferenceRequest, now: datetime) -> Step:
    if isinstance(request, TrainRequest):
        return Step(jobs.changed(job, total_epochs=request.hyperparams.epochs))
    if isinstance(request, ConvertRequest):
        return Step(job)
    body = messages.inference_started(
        job.job_id,
        image_path=request.image_path,
        model_path=request.model_path,
        options=request.options.model_dump(),
    )
    return Step(jobs.changed(job, status="running", started_at=now), (Telling("update", body),))


def run_again(known: Job, step: Step) -> Step:
    """`step` as the next run of the job that has ended: its messages have names of their own."""
    job = jobs.changed(step.job, run=known.run + 1, version=known.version, attempt=known.attempt)
    return Step(job, step.tellings)


def keys_of(request: TrainRequest | ConvertRequest | InferenceRequest) -> list[str]:
    """The bucket's keys that a request names. Of a detection, the image is looked for in several places when it is
    read, and a model without a folder is one of the house's.
    """
    if isinstance(request, TrainRequest):
        weights = [request.hyperparams.pretrained or ""]
        if request.hyperparams.model.endswith(".pt"):
            weights.append(request.hyperparams.model)
        named = [request.output.prefix, *weights]
    elif isinstance(request, ConvertRequest):
        named = [request.model_path, request.output_dir or "", request.options.int8_calibration_data or ""]
    else:
        named = [request.model_path or ""] if "/" in (request.model_path or "") else []
    return [key for key in named if key]


def fingerprint(kind: Kind, request: Mapping[str, Any]) -> str:
    text = json.dumps([kind, request], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
