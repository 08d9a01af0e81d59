"""AWS's runtime client with the import path that a managed Python runtime has: function, layers, runtime."""

import os
import sys

RUNTIME = "/var/runtime"
LAYERS = ("/opt/python", f"/opt/python/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages")


def main() -> None:
    task = os.environ.get("LAMBDA_TASK_ROOT", "/var/task")
    sys.path[:] = [task, *LAYERS, RUNTIME, *(folder for folder in sys.path if folder != RUNTIME)]
    from awslambdaric.__main__ import main as serve

    serve(["awslambdaric", os.environ["_HANDLER"]])


if __name__ == "__main__":
    main()
