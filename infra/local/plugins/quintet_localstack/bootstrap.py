"""Runs inside a function's interpreter: `python bootstrap.py HANDLER` is `python -m awslambdaric HANDLER`.

The kernel is asked to end this process together with LocalStack's, so that a LocalStack killed with
SIGKILL leaves no function behind.
"""

import ctypes
import os
import runpy
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


if __name__ == "__main__":
    die_with(int(os.environ.pop("QUINTET_LAMBDA_PARENT")))
    sys.path[0] = os.environ["LAMBDA_TASK_ROOT"]
    runpy.run_module("awslambdaric", run_name="__main__", alter_sys=True)
