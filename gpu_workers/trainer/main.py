"""A job of the ledger → a trained or a converted model in the bucket, told of as it goes.

QUINTET_JOB_KEY=broker#abc12345 QUINTET_JOB_ATTEMPT=1 python main.py train
"""

import sys
from pathlib import Path

if __name__ == "__main__":  # packages are found from the root, and no file of this folder hides a library's module
    sys.path[0] = str(Path(__file__).parents[2])

from gpu_workers.trainer.conversion_job import convert_model
from gpu_workers.trainer.training_job import train
from gpu_workers.trainer.wiring import TrainerTask

VERBS = {"train": train, "convert": convert_model}


def main(arguments: list[str]) -> int:
    """The exit code of one attempt; 2 for a verb that there is not."""
    if len(arguments) != 1 or arguments[0] not in VERBS:
        print(f"usage: python main.py {'|'.join(VERBS)}", file=sys.stderr)
        return 2
    return TrainerTask().attempt().run(VERBS[arguments[0]])


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
