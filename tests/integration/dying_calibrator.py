"""The calibrator's own main, in a process that kills itself at its DIES_AT-th step.

A step is the moment before or after a write: of an object, of rows, of acknowledgements. Beats and live statuses come
by the clock and are no steps.
"""

import os
import signal
from collections.abc import Callable
from typing import Any

from gpu_workers.calibrator import main as program
from quintet.adapters.dynamodb_rows import DynamoRows
from quintet.adapters.rabbitmq_streams import RabbitMqStreams
from quintet.adapters.s3 import S3Objects
from quintet.calibration.ledger import WORKERS


def mortal(kind: type, name: str, counts: Callable[[Any], bool], step: Callable[[], None]) -> None:
    """Let that method of the class be two steps, where its first argument counts."""
    whole = getattr(kind, name)

    def write(self: Any, first: Any, *rest: Any, **named: Any) -> Any:
        if not counts(first):
            return whole(self, first, *rest, **named)
        step()
        answer = whole(self, first, *rest, **named)
        step()
        return answer

    setattr(kind, name, write)


def main() -> int:
    steps = iter(range(1, int(os.environ["DIES_AT"])))

    def step() -> None:
        """Threads may come here together: to die once is enough."""
        if next(steps, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    mortal(S3Objects, "put", lambda key: not key.startswith("calibration/live/"), step)
    mortal(DynamoRows, "write", lambda first: first.place.partition != WORKERS, step)
    mortal(RabbitMqStreams, "settle", lambda deliveries: True, step)
    return program.main()


if __name__ == "__main__":
    raise SystemExit(main())
