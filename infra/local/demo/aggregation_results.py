"""Where the aggregation room posts its results in the demonstration: a small server of its own."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

VARIABLE = "RESULTS_API_URL"
PAUSE = 0.2  # seconds


@dataclass
class Posted:
    """`url` is empty while nothing listens; `bodies` are what came, by job."""

    url: str = ""
    bodies: dict[str, dict[str, Any]] = field(default_factory=dict)

    def of(self, job: str, patience: float) -> dict[str, Any] | None:
        deadline = time.monotonic() + patience
        while job not in self.bodies and time.monotonic() < deadline:
            time.sleep(PAUSE)
        return self.bodies.get(job)


POSTED = Posted()


@contextmanager
def listening() -> Iterator[None]:
    """A collection that is started meanwhile posts there, unless the shell says another place."""
    if os.environ.get(VARIABLE):
        yield
        return
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    POSTED.url = os.environ[VARIABLE] = f"http://127.0.0.1:{server.server_address[1]}/api/results"
    try:
        yield
    finally:
        del os.environ[VARIABLE]
        POSTED.url = ""
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        POSTED.bodies[body["jobId"]] = body
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the class says it
        """The screen is the demonstration's."""
