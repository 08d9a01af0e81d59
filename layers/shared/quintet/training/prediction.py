"""Detection for somebody who waits for the answer."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quintet.kernel.clock import stopwatch
from quintet.kernel.errors import QuintetError
from quintet.training.access import Access
from quintet.training.answers import PredictionFailure, Predictions, PredictionSuccess, told_of
from quintet.training.http_requests import AnyPrediction, Picture

if TYPE_CHECKING:
    from quintet.training.inference import Detecting


@dataclass(frozen=True)
class Predicting:
    """Predictions for `caller`. Raises what `Detecting.detect` and `ImageSource.read` raise."""

    detecting: "Detecting"
    access: Access
    caller: str

    def one(self, asked: AnyPrediction) -> Predictions:
        return Predictions(**self._found(asked.pictures[0], asked))

    def each(self, asked: AnyPrediction) -> list[PredictionSuccess | PredictionFailure]:
        return [self._attempted(picture, asked) for picture in asked.pictures]

    def _attempted(self, picture: Picture | bytes, asked: AnyPrediction) -> PredictionSuccess | PredictionFailure:
        """What is not the image's own fault is raised: it would befall the others, too."""
        path = None if isinstance(picture, bytes) else picture.image_path
        try:
            return PredictionSuccess(image_path=path, **self._found(picture, asked))
        except QuintetError as error:
            if error.status >= 500:
                raise
            return PredictionFailure(image_path=path, error=error.message)

    def _found(self, picture: Picture | bytes, asked: AnyPrediction) -> dict[str, Any]:
        began = stopwatch()
        image = picture if isinstance(picture, bytes) else self._content(picture)
        found = self.detecting.detect(self.caller, image, asked.model_path, asked.options)
        return told_of(found, stopwatch() - began)

    def _content(self, picture: Picture) -> bytes:
        if picture.image_base64 is not None:
            return self.detecting.source.inline(picture.image_base64)
        return self.detecting.source.read(picture.image_path or "", self._may_read)

    def _may_read(self, key: str) -> None:
        self.access.key(self.caller, key)
