"""REST on REST_PORT (8000) and gRPC on GRPC_PORT (7003) → the room's use cases, behind queues → figures and forecasts.

python main.py [--rest-only | --grpc-only]
"""

import argparse
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

if __name__ == "__main__":  # packages are found from the root, and no file of this folder hides a library's module
    sys.path[0] = str(Path(__file__).parents[2])

from quintet.entry.serving import Door, serve
from quintet.entry.worker import beside, log_failure
from quintet.glucose.settings import GlucoseService
from quintet.glucose.wiring import GlucoseRoom, glucose
from quintet.kernel.log import logger
from quintet.kernel.settings import read


def main(arguments: list[str]) -> int:
    """The exit code: 0 once told to stop, 1 where it can't serve, 2 for arguments that there are not."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    alone = asked.add_mutually_exclusive_group()
    alone.add_argument("--rest-only", action="store_true", help="no gRPC")
    alone.add_argument("--grpc-only", action="store_true", help="no REST")
    given = asked.parse_args(arguments)
    room, log = glucose(), logger("glucose-forecaster")
    beside(room.sweep_memory, name="sweep", on_failure=partial(log_failure, log, "memory is swept no more"))
    return serve(
        lambda: doors(room, rest=not given.grpc_only, grpc=not given.rest_only),
        end=room.close_queues,
        grace=lambda: read(GlucoseService).grace_seconds,
        log=log,
    )


def doors(room: GlucoseRoom, *, rest: bool, grpc: bool) -> Mapping[str, Door]:
    """Those asked for, in front of a room that is ready. Raises what stands in the way."""
    room.warm()
    room.serve_queues()
    assert room.workshop  # made now, by one thread
    chosen: dict[str, Door] = {}
    if rest:
        from quintet.entry.http_server import HttpServer
        from quintet.glucose.http import app

        chosen["rest"] = HttpServer(app, port=read(GlucoseService).rest_port)
    if grpc:
        from quintet.glucose.grpc import glucose_server

        chosen["grpc"] = glucose_server(room)
    return chosen


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
