"""Both kinds of NEF emulator without a network, and what they were heard to answer, word by word."""

import json
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from infra.local.demo.nef_emulator import Emulator, Kind, headers_of
from quintet.adapters.memory_calls import Call, MemoryCalls
from quintet.handover.nef import NefClient
from quintet.kernel.breaker import Breaker
from quintet.kernel.calls import Answer
from quintet.kernel.clock import SteppedClock
from quintet.kernel.errors import Unavailable

URL = "http://nef.example.org:8888"
USER, PASSWORD = "admin@my-email.com", "pass"

RECORDED_ORIGINAL = b"""{"202010000000001": {"supi": "202010000000001", "name": "UE1", "description": "This is a
 description", "ip_address_v4": "10.0.0.1", "ip_address_v6": "0:0:0:0:0:0:0:1", "mac_address": "22-00-00-00-00-01",
 "dnn": "province1.mnc01.mcc202.gprs", "mcc": 202, "mnc": 1, "external_identifier": "10001@domain.com", "speed": "LOW",
 "latitude": 37.997895, "longitude": 23.818733, "path_id": 1, "Cell_id": 4, "cell_id_hex": "AAAAA1004", "gnb_id_hex":
 "AAAAA1", "owner_id": 1}}""".replace(b"\n", b"")

RECORDED_FORK = b"""{"ue_id": "202010000000001", "latitude": -22.3, "longitude": -53.7, "altitude": 1.5, "speed": 1.4,
 "velocity": 1.4, "acceleration": 0.0, "direction": [0.6, 0.8, 0.0], "heading_change_rate": 0.0, "path_curvature": 0.0,
 "handover_count": 2, "handover_history": [], "time_since_handover": 11.5, "cell_load": 0.25, "connected_to":
 "AAAAA1001", "neighbor_rsrp_dbm": {"AAAAA1001": -71.2, "AAAAA1002": -69.9, "AAAAA1003": -90.0}, "neighbor_sinrs":
 {"AAAAA1001": 8.1, "AAAAA1002": 9.9, "AAAAA1003": null}, "neighbor_rsrqs": {"AAAAA1001": -10.5, "AAAAA1002": -9.1,
 "AAAAA1003": -17.0}, "neighbor_cell_loads": {"AAAAA1001": 0.25, "AAAAA1002": 0.5, "AAAAA1003": 0.0}, "rsrp_stddev":
 0.7, "sinr_stddev": 0.4, "rf_provenance": {"model": "3GPP TR 38.901 RMa"}, "observed_qos": null}""".replace(b"\n", b"")


@dataclass
class Scene:
    """An emulator, whoever speaks with it, and the time. While `away`, nobody answers."""

    kind: Kind = "original"
    clock: SteppedClock = field(default_factory=SteppedClock)
    away: bool = False
    status: int | None = None
    """What is answered whatever was asked."""
    waited: list[float] = field(default_factory=list)
    stop_after: float = float("inf")

    def __post_init__(self) -> None:
        self.emulator = Emulator(self.kind, now=lambda: self.clock.now().timestamp())
        self.calls = MemoryCalls(self._answer)
        self.breaker = Breaker("nef", None, self.clock)
        self.nef = NefClient(self.calls, URL, self.breaker)

    def log_in(self) -> None:
        self.nef.login(USER, PASSWORD)

    def wait(self, seconds: float) -> bool:
        self.waited.append(seconds)
        self.clock.advance(seconds)
        return sum(self.waited) >= self.stop_after

    def asked(self) -> list[str]:
        """Method and path of each call."""
        return [f"{call.method} {urlsplit(call.url).path.removeprefix('/api/v1')}" for call in self.calls.made]

    def _answer(self, call: Call) -> Answer:
        if self.away:
            raise Unavailable("the service does not answer")
        if self.status is not None:
            return Answer(self.status, b"busy")
        return reply_of(self.emulator, call)


def reply_of(emulator: Emulator, call: Call) -> Answer:
    url = urlsplit(call.url)
    names = {name.lower(): value for name, value in call.headers.items()} | {"host": url.netloc}
    reply = emulator.reply(call.method, url.path, names, call.body)
    headers = {name.lower(): value for name, value in {**headers_of(emulator), **reply.headers}.items()}
    return Answer(reply.status, b"" if reply.content is None else json.dumps(reply.content).encode(), headers)
