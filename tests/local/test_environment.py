"""Lambda's execution environment as a process: what a function sees, and how it ends."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from quintet_localstack.environment import Environment, InitError, Recipe
from quintet_localstack.layers import merged
from quintet_localstack.runtime_api import Event

FUNCTION = """
import os, sys, tempfile, time
import in_a_layer

def handler(event, context):
    print("got", event.get("do"))
    if event.get("do") == "sleep":
        time.sleep(60)
    if event.get("do") == "crash":
        os._exit(3)
    if event.get("do") == "raise":
        raise ValueError("on purpose")
    return {"tmp": tempfile.gettempdir(), "task": os.environ["LAMBDA_TASK_ROOT"], "pid": os.getpid(),
            "word": in_a_layer.WORD, "left": context.get_remaining_time_in_millis(), "id": context.aws_request_id,
            "home": os.environ["HOME"], "body": event.get("body"), "first": sys.path[0]}
"""

Make = Callable[[str], Environment]


def event(timeout: float = 5.0, **content: object) -> Event:
    return Event("id-1", "arn:aws:lambda:us-east-1:0:function:f", "Root=1-a-b", json.dumps(content).encode(), timeout)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    opened: list[Environment] = []

    def environment(code: str) -> Environment:
        (tmp_path / "task").mkdir(exist_ok=True)
        (tmp_path / "task/app.py").write_text(code)
        (tmp_path / "opt/python").mkdir(parents=True, exist_ok=True)
        (tmp_path / "opt/python/in_a_layer.py").write_text("WORD = 'layer'\n")
        recipe = Recipe(sys.executable, "app.handler", "python3.11", tmp_path / "task", tmp_path / "opt")
        opened.append(Environment(recipe, {"AWS_REGION": "us-east-1"}))
        return opened[-1]

    yield environment
    for made in opened:
        made.close()


def test_a_function_sees_its_task_its_layers_and_a_temp_folder_of_its_own(make: Make) -> None:
    one, two = make(FUNCTION), make(FUNCTION)
    first, second = (json.loads(made.invoke(event(body="x" * 100_000)).payload) for made in (one, two))
    assert first["word"] == "layer"
    assert first["first"] == first["task"] == str(one.recipe.task)
    assert first["body"] == "x" * 100_000
    assert 4000 < first["left"] <= 5000
    assert first["id"] == "id-1"
    assert first["tmp"] != second["tmp"]
    assert first["home"] == first["tmp"]


def test_a_warm_environment_keeps_its_process_and_tells_its_output_once(make: Make) -> None:
    environment = make(FUNCTION)
    first, second = environment.invoke(event(do="one")), environment.invoke(event(do="two"))
    assert json.loads(first.payload)["pid"] == json.loads(second.payload)["pid"]
    assert (first.output, second.output) == ("got one\n", "got two\n")
    assert first.memory > 5


def test_an_exception_is_the_functions_error(make: Make) -> None:
    outcome = make(FUNCTION).invoke(event(do="raise"))
    assert outcome.failed
    assert json.loads(outcome.payload)["errorType"] == "ValueError"


def test_a_time_out_costs_the_process(make: Make) -> None:
    environment = make(FUNCTION)
    before = json.loads(environment.invoke(event()).payload)["pid"]
    outcome = environment.invoke(event(timeout=0.3, do="sleep"))
    assert outcome.failed
    assert "Task timed out after 0.30 seconds" in json.loads(outcome.payload)["errorMessage"]
    assert json.loads(environment.invoke(event()).payload)["pid"] != before


def test_a_crash_is_told_and_the_next_event_finds_a_new_process(make: Make) -> None:
    environment = make(FUNCTION)
    outcome = environment.invoke(event(do="crash"))
    assert json.loads(outcome.payload)["errorType"] == "Runtime.ExitError"
    assert "exit status 3" in json.loads(outcome.payload)["errorMessage"]
    assert not environment.invoke(event()).failed


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("import no_such_module", "Runtime.ImportModuleError"),
        ("handler", "NameError"),
        ("import os; os._exit(7)", "Runtime.ExitError"),
    ],
)
def test_a_function_that_does_not_start_says_why(make: Make, code: str, kind: str) -> None:
    with pytest.raises(InitError) as caught:
        make(code).start()
    assert json.loads(caught.value.payload)["errorType"] == kind


HOST_PROGRAM = """
import sys, time
sys.path.insert(0, {plugins!r})
from pathlib import Path
from quintet_localstack.environment import Environment, Recipe
from quintet_localstack.runtime_api import Event
environment = Environment(Recipe(sys.executable, "app.handler", "python3.11", Path({task!r}), Path({opt!r})), {{}})
environment.start()
print(environment.process.popen.pid, flush=True)
environment.invoke(Event("id", "arn", "trace", b'{{"do": "sleep"}}', 60.0))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_no_function_outlives_a_host_that_is_killed(make: Make, tmp_path: Path) -> None:
    recipe = make(FUNCTION).recipe
    plugins = str(Path(__file__).parents[2] / "infra/local/plugins")
    program = HOST_PROGRAM.format(plugins=plugins, task=str(recipe.task), opt=str(recipe.layers))
    variables = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, env=variables) as host:
        assert host.stdout is not None
        function = int(host.stdout.readline())
        time.sleep(0.3)
        assert psutil.pid_exists(function)
        os.kill(host.pid, signal.SIGKILL)
        host.wait()
    deadline = time.monotonic() + 5
    while psutil.pid_exists(function) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not psutil.pid_exists(function)


def test_later_layers_lie_over_earlier_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for name, word in (("one", "old"), ("two", "new")):
        (tmp_path / name / "python").mkdir(parents=True)
        (tmp_path / name / "python/both.py").write_text(word)
        (tmp_path / name / f"python/{name}.py").write_text(word)
    opt = merged([tmp_path / "one", tmp_path / "two"])
    assert sorted(path.name for path in (opt / "python").iterdir()) == ["both.py", "one.py", "two.py"]
    assert (opt / "python/both.py").read_text() == "new"
    assert (tmp_path / "one/python/both.py").read_text() == "old"
    assert merged([tmp_path / "one", tmp_path / "two"]) == opt
