"""A training that takes torch, a collection that takes long, or the room's HTTP door on PORT (5050).

python main.py train RUN | collect RUN | serve
"""

import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

if __name__ == "__main__":  # packages are found from the root, and no file of this folder hides a library's module
    sys.path[0] = str(Path(__file__).parents[2])

from gpu_workers.selector.wiring import SelectorTask
from quintet.entry.serving import Door, serve
from quintet.entry.worker import exit_code, log_failure

USAGE = "usage: python main.py train RUN | collect RUN | serve"


def main(arguments: list[str]) -> int:
    """The exit code: 0 once done, or told to stop; 1 where it could not be; 2 for arguments that there are not."""
    match arguments:
        case ["train", run]:
            return task(partial(SelectorTask.train, run=run))
        case ["collect", run]:
            return task(partial(SelectorTask.collect, run=run))
        case ["serve"]:
            return served(SelectorTask())
    print(USAGE, file=sys.stderr)
    return 2


def task(do: Callable[[SelectorTask], None]) -> int:
    worker = SelectorTask()
    return exit_code(lambda: do(worker), partial(log_failure, worker.log, "the run waits for another try"), worker.log)


def served(worker: SelectorTask) -> int:
    return serve(lambda: doors(worker), end=lambda: None, grace=lambda: worker.GRACE_SECONDS, log=worker.log)


def doors(worker: SelectorTask) -> Mapping[str, Door]:
    """HTTP, in front of a room that is ready. Raises what stands in the way."""
    worker.room.warm()
    return {"http": worker.server()}


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
