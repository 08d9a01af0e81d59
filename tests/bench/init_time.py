"""INIT of every function: import and warm-up in a fresh process of Lambda's runtime, above bare Python.

    python -m tests.bench.init_time [--runs 9]

Runs awslambdaric against a Runtime API of our own, with the layers as `sam build` makes them and the settings that
the function has on AWS; a stand-in for Secrets Manager on this machine answers at once. The row "(empty)" is a
function that does nothing: what the runtime itself costs.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from statistics import median
from threading import Thread
from typing import NamedTuple

from quintet_localstack.environment import Environment, Recipe
from quintet_localstack.layers import merge

from tests.house.bundles import Bundle, build_bundles, here, lambda_python
from tests.house.templates import Template

QUEUE_GOAL, HTTP_GOAL, MODEL_GOAL = 300, 400, 550
LOADS_A_MODEL = {"glucose api", "glucose jobs"}


class Measurement(NamedTuple):
    """Milliseconds above bare Python."""

    label: str
    median: float
    lowest: float
    goal: int | None


def goal(bundle: Bundle) -> int:
    if bundle.label in LOADS_A_MODEL:
        return MODEL_GOAL
    return HTTP_GOAL if bundle.task.name == "api" else QUEUE_GOAL


def measure(bundles: list[Bundle], runs: int) -> list[Measurement]:
    python = lambda_python()
    with secrets_manager() as endpoint, tempfile.TemporaryDirectory(prefix="quintet-init-") as folder:
        place = Path(folder)
        bare = bare_python(python, runs)
        empty = times(recipe(empty_function(place), python, place), {}, runs)
        rows = [Measurement("(empty)", median(empty) - bare, min(empty) - bare, None)]
        for bundle in bundles:
            taken = times(recipe(bundle, python, place), variables(bundle, endpoint), runs)
            rows.append(Measurement(bundle.label, median(taken) - bare, min(taken) - bare, goal(bundle)))
        return rows


def bare_python(python: Path, runs: int) -> float:
    """Median milliseconds of an interpreter that ends at once."""
    return median(elapsed(lambda: subprocess.run([python, "-c", ""], check=True)) for _ in range(runs))


def times(made: Recipe, given: dict[str, str], runs: int) -> list[float]:
    """Milliseconds from the start of the process to its first request for an event; the first run warms the disk."""
    return [once(made, given) for _ in range(runs + 1)][1:]


def once(made: Recipe, given: dict[str, str]) -> float:
    environment = Environment(made, given)
    try:
        return elapsed(environment.start)
    finally:
        environment.close()


def elapsed(action: "object") -> float:
    start = time.perf_counter()
    action()  # type: ignore[operator]
    return (time.perf_counter() - start) * 1000


def recipe(bundle: Bundle, python: Path, place: Path) -> Recipe:
    opt = place / f"opt-{bundle.room}-{bundle.name}"
    opt.mkdir()
    if bundle.layers:
        merge(bundle.layers, opt / "merged")
    return Recipe(str(python), bundle.handler, here(), bundle.task, opt / "merged")


def empty_function(place: Path) -> Bundle:
    task = place / "empty"
    task.mkdir()
    (task / "app.py").write_text("def handler(event, context): ...\n")
    return Bundle("", "empty", "app.handler", task, (), {})


def variables(bundle: Bundle, endpoint: str) -> dict[str, str]:
    """The function's own settings, names of resources made up, and what Lambda sets."""
    own = {name: value if isinstance(value, str) else f"made-up-{name}" for name, value in bundle.variables.items()}
    return {
        **own,
        "QUINTET_LOCAL": "false",
        "ENABLE_API_KEYS": "true",
        "CORS_ORIGINS": "",
        "REDIS_URL": "",
        "LOG_LEVEL": "INFO",
        "AWS_LAMBDA_FUNCTION_NAME": bundle.name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_ENDPOINT_URL": endpoint,
    }
