"""INIT of every function: import and warm-up in a fresh process of Lambda's runtime, above bare Python.

    python -m tests.bench.init_time [--runs 9]

Runs awslambdaric against a Runtime API of our own, with the layers as `sam build` makes them. "open" is the door
without keys; "closed" is as on AWS: the keys are fetched while warming, from a stand-in for Secrets Manager on this
machine. "(empty)" is a function that does nothing: what the runtime itself costs.
"""

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from statistics import median
from threading import Thread
from typing import NamedTuple

from quintet_localstack.environment import Environment, Recipe
from quintet_localstack.layers import merge

from tests.house.bundles import Bundle, build_bundles, here, lambda_python

QUEUE_GOAL, HTTP_GOAL, MODEL_GOAL = 300, 400, 550
LOAD_A_MODEL = {
    "glucose api", "glucose jobs", "handover api", "handover draw", "handover jobs", "training api",
    "training inference", "training jobs",
}  # fmt: skip

MADE_UP = {
    "MAX_CONCURRENT_JOBS": "2",
    "OUTCOMES_ON_UPDATE_QUEUE": "true",
    "ENABLE_TENSORRT": "false",
    "QUINTET_LOCAL": "true",
    "ENABLE_API_KEYS": "false",
    "CORS_ORIGINS": "",
    "REDIS_URL": "",
    "ENABLE_RABBITMQ": "true",
    "RABBITMQ_PORT": "5671",
    "RABBITMQ_SSL": "true",
    "TRAINING_GRANTS": "",
    "LOG_LEVEL": "INFO",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
}
OF_HANDOVER = {"AUTH_USERNAME": "ada", "AUTH_PASSWORD": "made-up"} | {
    name: name.lower() * 4 for name in ("JWT_SECRET", "JWT_REFRESH_SECRET", "METRICS_API_KEY", "MODEL_SIGNING_KEY")
}
CLOSED = {"QUINTET_LOCAL": "false", "ENABLE_API_KEYS": "true"}


class Init(NamedTuple):
    """Median milliseconds above bare Python."""

    label: str
    open: float
    closed: float | None = None
    goal: int | None = None


def measure(bundles: Sequence[Bundle], runs: int) -> Iterator[Init]:
    python = lambda_python()
    with secrets_manager() as endpoint, tempfile.TemporaryDirectory(prefix="quintet-init-") as folder:
        place = Path(folder)
        bare = median(elapsed(lambda: subprocess.run([python, "-c", ""], check=True)) for _ in range(runs))
        yield Init("(empty)", taken(recipe(empty_function(place), python, place), {}, runs) - bare)
        for bundle in bundles:
            made, given = recipe(bundle, python, place), variables(bundle, endpoint)
            freely, closed = taken(made, given, runs), taken(made, given | CLOSED, runs)
            yield Init(bundle.label, freely - bare, closed - bare, goal(bundle))


def goal(bundle: Bundle) -> int:
    """Milliseconds."""
    if bundle.label in LOAD_A_MODEL:
        return MODEL_GOAL
    return HTTP_GOAL if bundle.task.name == "api" else QUEUE_GOAL


def taken(made: Recipe, given: Mapping[str, str], runs: int) -> float:
    """Median milliseconds from the start of the process to its first request for an event; one more run warms up."""
    return median([once(made, given) for _ in range(runs + 1)][1:])


def once(made: Recipe, given: Mapping[str, str]) -> float:
    environment = Environment(made, dict(given))
    try:
        return elapsed(environment.start)
    finally:
        environment.close()


def elapsed(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return (time.perf_counter() - start) * 1000


def recipe(bundle: Bundle, python: Path, place: Path) -> Recipe:
    opt = place / f"opt-{bundle.room}-{bundle.name}"
    merge(bundle.layers, opt)
    return Recipe(str(python), bundle.handler, here(), bundle.task, opt)


def empty_function(place: Path) -> Bundle:
    task = place / "empty"
    task.mkdir()
    (task / "app.py").write_text("def handler(event, context): ...\n")
    return Bundle("no room", "empty", "app.handler", task, (), {})


def variables(bundle: Bundle, endpoint: str) -> dict[str, str]:
    """The function's own settings, names of resources made up, and what Lambda sets."""
    own = {
        name: f"made-up-{name}" if isinstance(value, dict) else str(value) for name, value in bundle.variables.items()
    }
    return own | MADE_UP | {"AWS_LAMBDA_FUNCTION_NAME": bundle.name, "AWS_ENDPOINT_URL": endpoint}


class Secrets(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers["Content-Length"])).decode()
        text = json.dumps(OF_HANDOVER) if "HANDOVER" in asked else "a-key\n"
        body = json.dumps({"ARN": "arn", "Name": "keys", "SecretString": text}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in http.server
        """Nobody wants to read it."""


@contextmanager
def secrets_manager() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Secrets)
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=9)
    runs = parser.parse_args().runs
    print(f"INIT in ms above bare Python, median of {runs} fresh processes\n")
    built = build_bundles()
    print("unzipped: " + ", ".join(f"{bundle.label} {bundle.bytes() / 1e6:.0f} MB" for bundle in built))
    print(f"{'function':<16} {'open':>6} {'closed':>7} {'goal':>6}")
    for row in measure(built, runs):
        closed = f"{row.closed:7.0f} {row.goal:6}" if row.closed else ""
        print(f"{row.label:<16} {row.open:6.0f} {closed}", flush=True)


if __name__ == "__main__":
    main()
