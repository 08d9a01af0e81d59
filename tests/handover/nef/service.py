"""A service for the command line to speak with: it logs in, limits, promises jobs, and advises the loudest cell."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import MappingProxyType
from typing import Any, NamedTuple

USER, PASSWORD = "admin", "secret"


class Reply(NamedTuple):
    status: int
    content: Any
    headers: Mapping[str, str] = MappingProxyType({})


class Heard(NamedTuple):
    path: str
    content: Any
    headers: dict[str, str]


@dataclass
class AdvisingService:
    """`limit` requests go through, then one is refused; `expires` tokens are refused; `jobs` promises its work."""

    url: str = ""
    heard: list[Heard] = field(default_factory=list)
    limit: int = 10**9
    expires: int = 0
    jobs: bool = False
    fails: str = ""
    uploads: dict[str, bytes] = field(default_factory=dict)
    asked: int = 0
    polls: int = 0

    def reply(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Reply:
        content = json.loads(body) if body and method == "POST" else None
        self.heard.append(Heard(path, content, headers))
        if path == "/api/login":
            right = content == {"username": USER, "password": PASSWORD}
            return Reply(200, {"access_token": "token"}) if right else _problem(401, "Invalid credentials")
        if method == "PUT":
            self.uploads[path.removeprefix("/put/")] = body
            return Reply(200, None)
        if headers.get("authorization") != "Bearer token" or self.expires > 0:
            self.expires -= 1
            return _problem(401, "Invalid token")
        self.asked += 1
        if self.asked % self.limit == 0:
            return _problem(429, "too many", {"Retry-After": "7"})
        return self._routed(path, content, headers)

    def _routed(self, path: str, content: Any, headers: dict[str, str]) -> Reply:
        if path == "/api/predict":
            heard = content["rf_metrics"]
            best = max(heard, key=lambda cell: heard[cell]["rsrp"])
            return Reply(200, {"ue_id": content["ue_id"], "predicted_antenna": best, "confidence": 0.75})
        if path == "/uploads":
            key = f"uploads/{len(self.uploads)}"
            place = {"upload_key": key, "url": f"{self.url}/put/{key}", "headers": {"X-Place": key}}
            return Reply(201, place)
        if path.startswith("/jobs/"):
            return self._job(path)
        if self.jobs:
            return Reply(202, self._told("pending"))
        return self._done(path, content, headers)

    def _done(self, path: str, content: Any, headers: dict[str, str]) -> Reply:
        if path == "/api/collect-data":
            return Reply(
                200, {"samples": 3, "file": "handover/collected/x.json", "notes": ["so it is"], "upload_key": "k"}
            )
        samples = content if content is not None else json.loads(self.uploads.get(headers["x-upload-key"], b"[]"))
        return Reply(
            200, {"status": "success", "metrics": {"samples": len(samples), "feature_importance": {"rsrp": 9.0}}}
        )

    def _job(self, path: str) -> Reply:
        self.polls += 1
        if self.fails:
            return Reply(200, {**self._told("failed"), "error": self.fails})
        if path.endswith("/result"):
            return self._done("/api/collect-data", None, {})
        return Reply(200, self._told("completed" if self.polls > 2 else "running"))

    def _told(self, status: str) -> dict[str, Any]:
        result = "/jobs/j1/result" if status == "completed" else None
        return {"job_id": "j1", "status": status, "url": "/jobs/j1", "result_url": result, "progress": {"looks": 4}}


def _problem(status: int, error: str, headers: dict[str, str] | None = None) -> Reply:
    return Reply(status, {"error": error, "type": "X", "correlation_id": "c"}, headers or {})


@contextmanager
def serving(service: AdvisingService) -> Iterator[AdvisingService]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            names = {name.lower(): value for name, value in self.headers.items()}
            reply = service.reply(self.command, self.path, names, body)
            content = b"" if reply.content is None else json.dumps(reply.content).encode()
            self.send_response(reply.status)
            for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = answer  # noqa: N815 -- the library's names

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        service.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield service
        finally:
            server.shutdown()
            thread.join()
