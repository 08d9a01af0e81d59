"""The container's program, which at its end tells what its cache has done: the last line of its output."""

import json
import sys

from gpu_workers.forecaster import main
from quintet.glucose.wiring import glucose

if __name__ == "__main__":
    code = main.main(sys.argv[1:])
    sys.stdout.write(json.dumps(glucose().workshop.cache.counts) + "\n")
    raise SystemExit(code)
