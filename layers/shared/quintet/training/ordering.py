"""Jobs that people order and cancel over HTTP: what is wrong with an order is said at once."""

from dataclasses import dataclass
from functools import partial
from typing import Protocol

from quintet.kernel.errors import InvalidInput, NotFound, QuintetError
from quintet.kernel.ids import new_id
from quintet.training import jobs
from quintet.training.answers import ConversionRefused, ConversionState, conversion_state
from quintet.training.formats import offered
from quintet.training.http_requests import ConversionBatch, ConversionOrder, TrainingMessage, TrainingOrder
from quintet.training.jobs import Job, JobKey
from quintet.training.messages import Body, Kind
from quintet.training.submission import Submissions


class Sizes(Protocol):
    def size(self, key: str) -> int: ...


@dataclass(frozen=True)
class Ordering:
    """Orders of `caller`. All raise InvalidInput, PermissionDenied, and Conflict while a job of the same id runs."""

    submissions: Submissions
    objects: Sizes
    caller: str
    correlation: str = ""

    def train(self, order: TrainingOrder | TrainingMessage) -> Job:
        access, defaults = self.submissions.access, self.submissions.defaults
        return self._take("train", order.content(self.caller, access, defaults.models_dir))

    def convert(self, order: ConversionOrder) -> Job:
        """Raises NotFound for a model that is not there, too."""
        offered(order.target_format, tensorrt=self.submissions.defaults.tensorrt)
        content = order.content(order.job_id or new_id())
        self.submissions.refuse("convert", content, self.caller)
        try:
            self.objects.size(self.submissions.access.key(self.caller, order.model_path))
        except NotFound:
            raise NotFound(f"Model not found: {order.model_path}") from None
        return self._take("convert", content)

    def convert_each(self, batch: ConversionBatch) -> list[ConversionState | ConversionRefused]:
        """A job for each model, or what is wrong with it. Raises InvalidInput for what no model can become."""
        if batch.target_format is None:
            raise InvalidInput("target_format is missing: onnx, or tensorrt where a GPU is")
        offered(batch.target_format, tensorrt=self.submissions.defaults.tensorrt)
        return [self._convert_or_say(order) for order in batch.orders]

    def cancel(self, key: JobKey) -> Job:
        """Raises NotFound, and Conflict where the job has ended."""
        clock, nudges = self.submissions.clock, self.submissions.nudges
        job = self.submissions.ledger.amend(key, partial(jobs.cancel_asked, now=clock.now()))
        if job.ended:
            nudges.publish(key)
        nudges.tend(key)
        return job

    def _convert_or_say(self, order: ConversionOrder) -> ConversionState | ConversionRefused:
        try:
            return conversion_state(self.convert(order))
        except QuintetError as error:
            if error.status >= 500:
                raise
            return ConversionRefused(model_path=order.model_path, error=error.message)

    def _take(self, kind: Kind, content: Body) -> Job:
        self.submissions.refuse(kind, content, self.caller)
        return self.submissions.take(kind, content, self.caller, correlation=self.correlation, anew=True)
