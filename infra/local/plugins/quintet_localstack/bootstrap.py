"""Runs first in a function's or a container's process, and becomes it.

`python bootstrap.py HANDLER` is `python -m awslambdaric HANDLER`, `python bootstrap.py -- COMMAND…` is COMMAND.
The kernel is asked to end this process together with LocalStack's, so that a LocalStack killed with
SIGKILL leaves no function and no worker behind.
"""

import ctypes
import os
import runpy
import signal
import sys

PARENT = "QUINTET_PARENT"
PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


if __name__ == "__main__":
    die_with(int(os.environ.pop(PARENT)))
    if sys.argv[1] == "--":
        os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - no shell is wanted
    sys.path[0] = os.environ["LAMBDA_TASK_ROOT"]
    runpy.run_module("awslambdaric", run_name="__main__", alter_sys=True)
