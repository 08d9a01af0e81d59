"""A stand-in for the emulators of a network exposure function, of both kinds, with their answers and their oddities.

python -m infra.local.demo.nef_emulator --kind fork --port 8080

`original` is medianetlab's NEF emulator: it says where its UEs are and which cell serves them. `fork` also says how
each cell is heard. Log in as admin@my-email.com with the password `pass`.
"""

import argparse
import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qs

from infra.local.demo.nef_world import CELLS, World

Kind = Literal["original", "fork"]
API = "/api/v1"


class Reply(NamedTuple):
    status: int
    content: Any
    headers: Mapping[str, str] = {}


NOT_FOUND = Reply(404, {"detail": "Not Found"})
NO_LOGIN = Reply(401, {"detail": "Not authenticated"}, {"WWW-Authenticate": "Bearer"})
BAD_TOKEN = Reply(403, {"detail": "Could not validate credentials"})


@dataclass
class Emulator:
    """`movement` is the name that the movement's paths have; `version` is sent as X-API-Version, which neither does."""

    kind: Kind = "original"
    now: Callable[[], float] = time.time
    movement: str = "ue_movement"
    features: str = "ml/state"
    version: str = ""
    username: str = "admin@my-email.com"
    password: str = field(default="pass", repr=False)
    world: World = field(default_factory=World)
    tokens: set[str] = field(default_factory=set)
    logins: int = 0

    def start_all(self) -> None:
        for supi in self.world.ues:
            self.world.start(supi, self.now())

    def expire_tokens(self) -> None:
        self.tokens.clear()

    def reply(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """`headers` by their names in lower case."""
        path = target.partition("?")[0].removeprefix(API)
        if (method, path) == ("POST", "/login/access-token"):
            return self._log_in(body)
        if path == "/paths/":
            return Reply(307, None, {"Location": f"http://{headers.get('host', 'localhost')}{API}/paths"})
        answer = self._routed(method, path, body)
        if answer is None:
            return NOT_FOUND
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme != "Bearer":
            return NO_LOGIN
        return answer() if token in self.tokens else BAD_TOKEN

    def _log_in(self, body: bytes) -> Reply:
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        if (form.get("username"), form.get("password")) != (self.username, self.password):
            return Reply(400, {"detail": "Incorrect email or password"})
        self.logins += 1
        token = secrets.token_hex(16)
        self.tokens.add(token)
        return Reply(200, {"access_token": token, "token_type": "bearer"})

    def _routed(self, method: str, path: str, body: bytes) -> Callable[[], Reply] | None:
        plain: dict[tuple[str, str], Callable[[], Reply]] = {
            ("GET", "/paths"): lambda: Reply(200, [{"id": 1, "description": "round the cells"}]),
            ("GET", "/Cells"): lambda: Reply(200, [_cell(cell) for cell in CELLS]),
            ("GET", f"/{self.movement}/state-ues"): self._states,
            ("POST", f"/{self.movement}/start-loop"): lambda: self._start(body),
            ("POST", f"/{self.movement}/stop-loop"): lambda: self._stop(body),
        }
        folder, _, ue = path.strip("/").rpartition("/")
        if method == "GET" and folder == f"{self.movement}/state-loop":
            return lambda: Reply(200, {"running": any(one.supi == ue for one in self.world.moving())})
        if method == "GET" and folder == self.features and self.kind == "fork":
            return lambda: self._features(ue)
        return plain.get((method, path))

    def _states(self) -> Reply:
        return Reply(200, {ue.supi: self._state(ue.supi) for ue in self.world.moving()})

    def _state(self, supi: str) -> dict[str, Any]:
        state = self.world.plain(self.world.ues[supi], self.now())
        if self.kind == "original":
            return state
        heard = self.world.features(self.world.ues[supi], self.now())
        own = heard["connected_to"]
        return {**state, "rsrp": heard["neighbor_rsrp_dbm"][own], "sinr": heard["neighbor_sinrs"][own]}

    def _features(self, supi: str) -> Reply:
        moving = {ue.supi: ue for ue in self.world.moving()}
        if supi not in moving:
            return Reply(404, {"detail": f"UE {supi} not found"})
        return Reply(200, self.world.features(moving[supi], self.now()))

    def _start(self, body: bytes) -> Reply:
        supi = str(json.loads(body).get("supi"))
        if supi not in self.world.ues:
            return Reply(404, {"detail": "UE not found"})
        self.world.start(supi, self.now())
        return Reply(200, {"msg": "Loop started"})

    def _stop(self, body: bytes) -> Reply:
        ue = self.world.ues.get(str(json.loads(body).get("supi")))
        if ue is None or ue.started_at is None:
            return Reply(409, {"detail": "There is no thread running for this user! Please initiate a new thread"})
        ue.started_at = None
        return Reply(200, {"msg": "Loop ended"})


def _cell(cell: Any) -> dict[str, Any]:
    return {
        "id": cell.number,
        "cell_id": cell.name,
        "name": f"cell{cell.number}",
        "latitude": cell.latitude,
        "longitude": cell.longitude,
        "radius": cell.radius,
        "gNB_id": 1,
    }


@contextmanager
def serving(emulator: Emulator, port: int = 0) -> Iterator[str]:
    """The address at which it answers, until the block ends."""
    with ThreadingHTTPServer(("127.0.0.1", port), _handler(emulator)) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def _handler(emulator: Emulator) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            names = {name.lower(): value for name, value in self.headers.items()}
            reply = emulator.reply(self.command, self.path, names, body)
            content = b"" if reply.content is None else json.dumps(reply.content).encode()
            self.send_response(reply.status)
            for name, value in {**headers_of(emulator), **reply.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = answer  # noqa: N815 -- the library's names

        def log_message(self, *_: Any) -> None: ...

    return Handler


def headers_of(emulator: Emulator) -> dict[str, str]:
    version = {"X-API-Version": emulator.version} if emulator.version else {}
    return {"Content-Type": "application/json", "X-Process-Time": "0.001", **version}


def main() -> None:
    parser = argparse.ArgumentParser("python -m infra.local.demo.nef_emulator", description=__doc__.partition("\n")[0])
    parser.add_argument("--kind", choices=("original", "fork"), default="fork")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--still", action="store_true", help="nobody moves until a loop is started")
    given = parser.parse_args()
    emulator = Emulator(given.kind)
    if not given.still:
        emulator.start_all()
    with serving(emulator, given.port) as url:
        print(f"the {given.kind} emulator answers at {url}; ^C ends it", flush=True)
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
