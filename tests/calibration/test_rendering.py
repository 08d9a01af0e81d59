"""The process that draws reports, and what becomes of what it did not draw."""

from concurrent.futures import Future
from typing import Any

import pytest

pytest.importorskip("reportlab")

from gpu_workers.calibrator.rendering import Renderer
from quintet.kernel.clock import SystemClock
from quintet.kernel.errors import Unavailable
from tests.calibration.test_live import session


class StoppedPool:
    """What it was given waits, and is sent away when it stops."""

    def submit(self, *_: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.cancel()
        return future


def test_a_report_that_waits_when_the_service_stops_is_drawn_later(monkeypatch: pytest.MonkeyPatch) -> None:
    renderer = Renderer()
    monkeypatch.setattr(renderer, "_pool", StoppedPool())
    with pytest.raises(Unavailable, match="stopping"):
        renderer.render(session(), None, None, SystemClock().now())  # type: ignore[arg-type]
