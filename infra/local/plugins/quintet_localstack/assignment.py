"""Which environment an invocation gets: one that is free, else a new one, of which few start at one time.

LocalStack starts one at once for every invocation that finds none free. Lambda has the machines for that. On a few
cores twenty requests at once to a cold function would be twenty interpreters that import the same libraries, none of
them ready before all are; so what waits is served by the first that are.
"""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

from localstack.runtime import hooks
from localstack.services.lambda_.invocation import execution_environment
from localstack.services.lambda_.invocation.assignment import AssignmentService
from localstack.services.lambda_.invocation.execution_environment import ExecutionEnvironment, InvalidStatusException
from localstack.services.lambda_.invocation.lambda_models import FunctionVersion

from quintet_localstack.starts import Starts

LOG = logging.getLogger(__name__)
PATIENCE = 60  # seconds for a start on a machine that does much else; LocalStack's own are 20
STARTS = Starts(most=os.cpu_count() or 1)

Assign = Callable[..., AbstractContextManager[ExecutionEnvironment]]


@hooks.on_infra_start()
def start_few_at_once() -> None:
    execution_environment.STARTUP_TIMEOUT_SEC = PATIENCE
    AssignmentService.get_environment = assigning(AssignmentService.get_environment)


def assigning(assign: Assign) -> Assign:
    """`assign`, but for environments on demand, which are shared out here."""

    @contextmanager
    def get_environment(
        service: AssignmentService, manager: str, version: FunctionVersion, provisioning: Any
    ) -> Iterator[ExecutionEnvironment]:
        if provisioning != "on-demand":
            with assign(service, manager, version, provisioning) as environment:
                yield environment
            return
        environment = STARTS.first(lambda: reserved(service, manager), lambda: started(service, manager, version))
        try:
            yield environment
        except Exception as error:
            LOG.error("Failed invocation <%s>: %s", type(error), error)
            service.stop_environment(environment)
            raise
        with suppress(InvalidStatusException):  # it was stopped meanwhile
            environment.release()
        STARTS.look_again()

    return get_environment


def reserved(service: AssignmentService, manager: str) -> ExecutionEnvironment | None:
    """One of the version's environments, if any is free."""
    for environment in list(service.environments[manager].values()):
        if environment.initialization_type == "on-demand":
            with suppress(InvalidStatusException):
                environment.reserve()
                return environment
    return None


def started(service: AssignmentService, manager: str, version: FunctionVersion) -> ExecutionEnvironment:
    """A new one, reserved before any other invocation can see it."""
    environment = service.start_environment(manager, version)
    environment.reserve()
    service.environments[manager][environment.id] = environment
    return environment
