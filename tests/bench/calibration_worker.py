"""The calibrator's own main, on a store in a folder, with a clock on each message: what calibration_scale.py measures.

A message's inputs begin with the moment at which the batch's second half was published (a float64 of time.monotonic):
when that batch is acknowledged, the difference is noted. On SIGTERM the notes are written to BENCH_NOTES as JSON.
"""

import json
import os
import resource
import struct
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from gpu_workers.calibrator import main as program
from gpu_workers.calibrator.wiring import CalibratorWorker
from quintet.adapters.memory_rows import MemoryRows
from quintet.calibration.ledger import Ledger
from quintet.calibration.messages import INPUTS
from quintet.calibration.wiring import CalibrationRoom
from quintet.entry.ports import Objects
from quintet.kernel.clock import SystemClock
from quintet.kernel.errors import NotFound
from quintet.kernel.streams import Delivery


class FolderObjects:
    """Bulk storage in a folder: as quick as a store may be, and each write is on the disk before it returns."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, key: str, body: bytes, *, content_type: str = "") -> None:
        path = self._folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())

    def get(self, key: str) -> tuple[bytes, str]:
        try:
            return (self._folder / key).read_bytes(), ""
        except OSError:
            raise NotFound("there is no such object", key=key) from None

    def part(self, key: str, start: int, length: int) -> bytes:
        return self.get(key)[0][start : start + length]

    def list(self, prefix: str, limit: int) -> list[tuple[str, int, datetime]]:
        return [
            (str(path.relative_to(self._folder)), path.stat().st_size, datetime.now(UTC))
            for path in sorted((self._folder / prefix).rglob("*"))
            if path.is_file()
        ][:limit]

    def delete(self, key: str) -> None:
        (self._folder / key).unlink(missing_ok=True)


class Clocked:
    """The streams, with a note of when each batch was acknowledged."""

    def __init__(self, streams: Any) -> None:
        self._streams = streams
        self.seconds: dict[str, list[float]] = {}
        self.settled = 0
        self.first = self.last = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._streams, name)

    def settle(self, deliveries: Iterable[Delivery]) -> None:
        listed = list(deliveries)
        if not listed:
            return
        self._streams.settle(listed)
        now = time.monotonic()
        self.first = self.first or now
        self.last = now
        self.settled += len(listed)
        for delivery in listed:
            if delivery.side == INPUTS:
                at = delivery.body.find(MARK, 0, 64)
                if at >= 0:
                    (published,) = struct.unpack_from("<d", delivery.body, at + len(MARK))
                    self.seconds.setdefault(delivery.session, []).append(now - published)


MARK = b"\x00\x00\xc0\x7f\x00\x00\xc0\x7f"
"""Two float32 that no input has: what follows is the moment."""


def main() -> int:
    folder = Path(os.environ["BENCH_FOLDER"])
    room = CalibrationRoom()
    room.objects = cast("Objects", FolderObjects(folder))
    room.ledger = Ledger(MemoryRows(), SystemClock())
    made: list[CalibratorWorker] = []

    def worker(log: Any) -> CalibratorWorker:
        one = CalibratorWorker(log, room)
        one.streams = Clocked(one.streams)
        made.append(one)
        return one

    setattr(program, "CalibratorWorker", worker)  # noqa: B010 - it is not the program's to export
    code = program.main()
    streams: Any = made[0].streams
    notes = {
        "settled": streams.settled,
        "seconds": streams.seconds,
        "span": streams.last - streams.first,
        "first": streams.first,
        "last": streams.last,
        "cpu": time.process_time(),
        "renderer_mib": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
        "rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    Path(os.environ["BENCH_NOTES"]).write_text(json.dumps(notes))
    return code


if __name__ == "__main__":
    sys.exit(main())
