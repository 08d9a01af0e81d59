"""An owner's process that kills itself with one of its requests.

python -m tests.sdk.dying_owner URL PLACE NAME WHEN END

WHEN is `before` or `after`, END how the request's path ends; an empty one lets it live.
"""

import json
import os
import signal
import sys
from decimal import Decimal
from pathlib import Path

import httpx

from quintet.sdk import Owner
from tests.sdk.hall import quick

VECTORS = {"o0": ["1", "2.5"], "o1": ["7", "-3"], "o2": ["10", "10"]}


def main(url: str, place: str, name: str, when: str, end: str) -> None:
    def die(about: httpx.Request | httpx.Response) -> None:
        request = about if isinstance(about, httpx.Request) else about.request
        if end and request.method == "POST" and request.url.path.endswith(end):
            os.kill(os.getpid(), signal.SIGKILL)

    def connect() -> httpx.Client:
        return httpx.Client(event_hooks={"request" if when == "before" else "response": [die]})

    folder = Path(place)
    owner = Owner(
        name,
        identity=folder / f"{name}.key",
        roster=folder / "roster.json",
        url=url,
        pace=quick,
        connect=connect,
    )
    result = owner.contribute("job", [Decimal(text) for text in VECTORS[name]], total_clients=3)
    print(json.dumps(result["result"]))  # noqa: T201 - it is a program


if __name__ == "__main__":
    main(*sys.argv[1:])
