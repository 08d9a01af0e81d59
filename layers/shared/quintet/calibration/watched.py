"""A live session as the tracker sees it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from quintet.calibration.evaluation import BatchMetrics
from quintet.calibration.journal import Journal
from quintet.calibration.kept import DIAGRAM_PNG, DIAGRAM_SVG, REPORT_HTML, REPORT_PDF, RESULT, kept_as
from quintet.calibration.live import Live
from quintet.calibration.messages import Session
from quintet.calibration.ports import Objects
from quintet.calibration.tracked import Contents, Ending
from quintet.kernel.errors import NotFound

REPORT = "report"
FILES = (RESULT, REPORT_HTML, REPORT_PDF, DIAGRAM_SVG, DIAGRAM_PNG)


@dataclass(frozen=True)
class Watched:
    live: Live
    objects: Objects
    journal: Journal
    settings: Mapping[str, object]

    @property
    def session(self) -> Session:
        return self.live.session

    def params(self) -> Mapping[str, object]:
        session = self.session
        names = {"client_id": session.client_id, "session_id": session.id}
        formats = {"inputs_format": session.inputs_format, "outputs_format": session.outputs_format}
        return {**names, **self.settings, **formats, "model_type": session.model_type, "registered_by": session.via}

    def batches(self, after: int) -> Sequence[BatchMetrics]:
        return self.live.history(after)

    def contents(self, index: int) -> Contents | None:
        try:
            return self.live.contents(index, self.journal)
        except NotFound:
            return None

    def ending(self) -> Ending | None:
        session = self.session
        if not session.ended or REPORT in session.tasks:
            return None
        return Ending(session.state, session.reason, session.summary or {}, self._files())

    def _files(self) -> Mapping[str, Callable[[], bytes]]:
        return {name: partial(self._file, kept_as(self.session, name)) for name in FILES}

    def _file(self, key: str) -> bytes:
        return self.objects.get(key)[0]
