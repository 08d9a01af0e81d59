"""A task whose worker's environment is made when one first starts: `python worker_at_need.py selector train RUN`."""

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[2])
    from infra.local.workers import WORKERS, command, made

    worker = WORKERS[sys.argv[1]]
    program = [*command(made(worker), worker), *sys.argv[2:]]
    os.execv(program[0], program)  # noqa: S606 - no shell is wanted
