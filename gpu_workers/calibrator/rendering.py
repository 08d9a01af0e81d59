"""Reports are drawn by a process of their own that yields to all others: a thousand sessions may end together, and the
messages of the rest go first. What goes wrong there, be it in a library's C code, ends that process alone.
"""

import multiprocessing
import os
from collections.abc import Mapping
from concurrent.futures import CancelledError, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import datetime
from threading import Lock, Thread

from gpu_workers.calibrator.report_pdf import report_pdf
from quintet.adapters.svg_image import ResvgRasteriser
from quintet.calibration.evaluation import Result
from quintet.calibration.kept import DIAGRAM_PNG, DIAGRAM_SVG, REPORT_HTML, REPORT_PDF
from quintet.calibration.messages import Session
from quintet.calibration.reliability import reliability_svg
from quintet.calibration.report import Notes, build_report
from quintet.calibration.report_html import report_html
from quintet.calibration.texts_spanish import LANGUAGES
from quintet.kernel.errors import Unavailable

LOWEST_PRIORITY = 19

Files = Mapping[str, tuple[bytes, str]]


def rendered(session: Session, result: Result, notes: Notes, moment: datetime, language: str = "en") -> Files:
    """A session's report and its diagram, in a language of LANGUAGES: content and content type by name."""
    texts = LANGUAGES[language]
    report = build_report(session, result, notes, moment, texts)
    diagram = reliability_svg(result, texts)
    return {
        REPORT_HTML: (report_html(report).encode(), "text/html; charset=utf-8"),
        REPORT_PDF: (report_pdf(report), "application/pdf"),
        DIAGRAM_SVG: (diagram.encode(), "image/svg+xml"),
        DIAGRAM_PNG: (ResvgRasteriser().png(diagram), "image/png"),
    }


def begin() -> None:
    """In the process that draws. It must not outlive the worker, which may be killed at any moment."""
    os.nice(LOWEST_PRIORITY)
    Thread(target=_end_with_the_worker, daemon=True).start()


def _end_with_the_worker() -> None:
    worker = multiprocessing.parent_process()
    if worker is not None:
        worker.join()
        os._exit(1)


class Renderer:
    """One process, started with the first report and again after it died. Threads may share it; they wait in line."""

    def __init__(self, language: str = "en") -> None:
        self._language = language
        self._lock = Lock()
        self._pool: ProcessPoolExecutor | None = None

    def render(self, session: Session, result: Result, notes: Notes, moment: datetime) -> Files:
        """As `rendered`. Raises Unavailable where the process died, and what `rendered` raises."""
        pool = self._running()
        try:
            return pool.submit(rendered, session, result, notes, moment, self._language).result()
        except BrokenProcessPool as error:
            self._forget(pool)
            raise Unavailable("the process that draws reports has died", session=session.id) from error
        except CancelledError as error:
            raise Unavailable("the service is stopping", session=session.id) from error
        except RuntimeError as error:
            if "shutdown" not in str(error):
                raise
            raise Unavailable("the service is stopping", session=session.id) from error

    def stop(self) -> None:
        with self._lock:
            if self._pool is not None:
                self._pool.shutdown(wait=False, cancel_futures=True)

    def _running(self) -> ProcessPoolExecutor:
        with self._lock:
            if self._pool is None:
                # a fork would copy the threads' locks as they happen to be
                context = multiprocessing.get_context("spawn")
                self._pool = ProcessPoolExecutor(1, context, initializer=begin)
            return self._pool

    def _forget(self, pool: ProcessPoolExecutor) -> None:
        with self._lock:
            if self._pool is pool:
                self._pool = None
