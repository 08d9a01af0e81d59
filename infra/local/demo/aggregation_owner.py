"""A hospital's process: `python -m infra.local.demo.aggregation_owner --client hospital-01 … JOB`.

It gives its records' vector to a job by the SDK. With `--silent-after ROUND` it says so once its message of that round
is sent, and then nothing any more: it waits to be killed.
"""

import argparse
import sys
import time
from pathlib import Path

from quintet.kernel.errors import QuintetError
from quintet.sdk import Owner, Progress, Wishes
from quintet.sdk.vector_files import read_schema, vector_of_records
from quintet.sdk.waiting import Pace

SILENT = "silent"


def main() -> int:
    given = parser().parse_args()
    folder = Path(given.folder)
    schema = read_schema(folder / "schema.json")
    vector = vector_of_records(folder / f"{given.client}.csv", schema, owners=given.clients)
    owner = Owner(
        given.client,
        identity=folder / f"{given.client}.key",
        roster=folder / "roster.json",
        url=given.url,
        api_key=sys.stdin.readline().strip(),
        pace=lambda: Pace(longest=4),
    )
    wishes = Wishes(minimum=given.minimum, round_seconds=given.round_seconds)

    def fall_silent(progress: Progress) -> None:
        if progress.sent and progress.stage == given.silent_after:
            print(SILENT, flush=True)
            time.sleep(3600)

    try:
        owner.contribute(
            given.job, vector, total_clients=given.clients, schema=schema, wishes=wishes, progress=fall_silent
        )
    except QuintetError as error:
        print(f"{given.client}: {error.message}", file=sys.stderr)
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser("python -m infra.local.demo.aggregation_owner", description=__doc__)
    made.add_argument("job", metavar="JOB")
    made.add_argument("--client", required=True)
    made.add_argument("--folder", required=True, help="of its key, the roster, the schema and its records")
    made.add_argument("--url", required=True)
    made.add_argument("--clients", type=int, required=True)
    made.add_argument("--minimum", type=int)
    made.add_argument("--round-seconds", type=float)
    made.add_argument("--silent-after", metavar="ROUND", default="")
    return made


if __name__ == "__main__":
    sys.exit(main())
