"""LocalStack's runtime executor `process`: every execution environment is a process on this machine.

Versions, aliases, concurrency, retries, dead letters, event source mappings and CloudWatch logs stay LocalStack's.
QUINTET_LAMBDA_PYTHON names the interpreter that has awslambdaric and boto3, as the managed runtime has.
"""

import atexit
import os
from pathlib import Path
from weakref import WeakSet

from localstack import config
from localstack.services.lambda_.invocation.executor_endpoint import StatusErrorException
from localstack.services.lambda_.invocation.lambda_models import FunctionVersion, InvocationResult
from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin
from localstack.services.lambda_.invocation.runtime_executor import RuntimeExecutor

from quintet_localstack.environment import Environment, InitError, Outcome, Recipe
from quintet_localstack.layers import merged
from quintet_localstack.runtime_api import HOST, Event

OPEN: WeakSet[Environment] = WeakSet()


@atexit.register
def close_all() -> None:
    for environment in list(OPEN):
        environment.close()


class ProcessExecutorPlugin(RuntimeExecutorPlugin):
    name = "process"

    def load(self, *args: object, **kwargs: object) -> type[RuntimeExecutor]:
        return ProcessExecutor


class ProcessExecutor(RuntimeExecutor):
    environment: Environment | None = None

    @classmethod
    def prepare_version(cls, function_version: FunctionVersion) -> None:
        settings = function_version.config
        if not settings.code or not (settings.runtime or "").startswith("python"):
            raise NotImplementedError("Only Python functions from a zip run as processes.")
        for code in (settings.code, *(layer.code for layer in settings.layers)):
            code.prepare_for_execution()

    @classmethod
    def cleanup_version(cls, function_version: FunctionVersion) -> None:
        """Unpacked code stays: other versions may share it, and the state folder is removed as a whole."""

    def start(self, env_vars: dict[str, str]) -> None:
        given = {name: str(value) for name, value in env_vars.items()}
        self.environment = Environment(recipe(self.function_version), given)
        OPEN.add(self.environment)
        try:
            self.environment.start()
        except InitError as failure:
            raise StatusErrorException("The function failed to start", payload=failure.payload) from failure

    def invoke(self, payload: dict[str, str]) -> InvocationResult:
        assert self.environment is not None
        try:
            outcome = self.environment.invoke(event(payload, self.function_version))
        except InitError as failure:
            raise StatusErrorException("The function failed to start", payload=failure.payload) from failure
        request_id = payload["invoke-id"]
        logs = report(outcome, request_id, self.function_version)
        return InvocationResult(request_id, outcome.payload, is_error=outcome.failed, logs=logs)

    def stop(self) -> None:
        if self.environment is not None:
            self.environment.close()

    def get_logs(self) -> str:
        log = self.environment.log if self.environment is not None else None
        return log.read_text(errors="replace") if log is not None and log.exists() else ""

    def get_address(self) -> str:
        return HOST

    def get_endpoint_from_executor(self) -> str:
        return HOST

    def get_runtime_endpoint(self) -> str:
        return f"http://{HOST}:{config.GATEWAY_LISTEN[0].port}/_localstack_lambda/{self.id}"


def recipe(version: FunctionVersion) -> Recipe:
    settings = version.config
    return Recipe(
        python=os.environ["QUINTET_LAMBDA_PYTHON"],
        handler=settings.handler,
        runtime=settings.runtime,
        task=Path(settings.code.get_unzipped_code_location()),
        layers=merged([Path(layer.code.get_unzipped_code_location()) for layer in settings.layers]),
    )


def event(payload: dict[str, str], version: FunctionVersion) -> Event:
    return Event(
        request_id=payload["invoke-id"],
        function_arn=payload["invoked-function-arn"],
        trace_id=payload["trace-id"],
        payload=payload["payload"].encode(),
        timeout=version.config.timeout,
    )


def report(outcome: Outcome, request_id: str, version: FunctionVersion) -> str:
    """The lines that Lambda writes around a function's own."""
    return (
        f"START RequestId: {request_id} Version: {version.id.qualifier}\n"
        f"{outcome.output}END RequestId: {request_id}\n"
        f"REPORT RequestId: {request_id}\tDuration: {outcome.duration:.2f} ms\t"
        f"Billed Duration: {int(outcome.duration) + 1} ms\tMemory Size: {version.config.memory_size} MB\t"
        f"Max Memory Used: {outcome.memory} MB\n"
    )
