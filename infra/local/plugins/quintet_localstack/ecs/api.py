"""The operations of ECS about tasks and services, over a fleet of processes; the others are moto's."""

from collections.abc import Callable, Iterable
from typing import Any

from localstack.aws.api import CommonServiceException, RequestContext
from localstack.services.moto import call_moto
from moto.core.exceptions import RESTError
from moto.ecs.models import ecs_backends

from quintet_localstack.ecs.fleet import Fleet, fleet, launch_type, provider, service_arn
from quintet_localstack.ecs.service import Service
from quintet_localstack.ecs.task import Task, Wish

Request = dict[str, Any]
Answer = dict[str, Any]
Operation = Callable[["Place", Request], Answer]
MOST_TASKS = 10


class Place:
    """Where a request is sent to: moto's half of ECS, and ours."""

    def __init__(self, context: RequestContext) -> None:
        self.context = context
        self.backend = ecs_backends[context.account_id][context.region]
        self.fleet: Fleet = fleet(context.account_id, context.region)

    def cluster(self, request: Request) -> str:
        """The ARN; raises ClusterNotFoundException."""
        name = (request.get("cluster") or "default").rpartition("/")[2]
        if name not in self.backend.clusters:
            raise CommonServiceException("ClusterNotFoundException", "Cluster not found.")
        return str(self.backend.clusters[name].arn)

    def definition(self, name: str) -> dict[str, Any]:
        """The task definition, of the newest revision where none is named; raises ClientException."""
        try:
            found = self.backend.describe_task_definition(name)
        except RESTError as error:
            raise CommonServiceException("ClientException", "TaskDefinition not found.") from error
        return dict(found.response_object["taskDefinition"])

    def placed(self, request: Request) -> Request:
        """With the cluster's strategy where the request says nothing; raises InvalidParameterException."""
        cluster = self.backend.clusters[self.cluster(request).rpartition("/")[2]]
        default = None if request.get("launchType") else cluster.default_capacity_provider_strategy
        strategy = request.get("capacityProviderStrategy") or default or []
        known = {"FARGATE", "FARGATE_SPOT", *self.backend.capacity_providers}
        for one in strategy:
            if one["capacityProvider"] not in known:
                raise invalid(f"The specified capacity provider '{one['capacityProvider']}' was not found.")
        return {**request, "capacityProviderStrategy": strategy}

    def service(self, request: Request) -> Service:
        found = self.fleet.services.get(service_arn(self.cluster(request), request["service"]))
        if found is None or found.status == "INACTIVE":
            raise CommonServiceException("ServiceNotFoundException", "Service not found.")
        return found


def invalid(message: str) -> CommonServiceException:
    return CommonServiceException("InvalidParameterException", message)


def run_task(place: Place, request: Request) -> Answer:
    """A request that is repeated with its clientToken gets the tasks of the first."""
    token = request.get("clientToken")
    with place.fleet.lock:
        if token and token in place.fleet.tokens:
            first, tasks = place.fleet.tokens[token]
            if first != request:
                raise CommonServiceException("ConflictException", "The clientToken was used for another request.")
            return {"tasks": [task.described() for task in tasks], "failures": []}
        tasks = [place.fleet.task(wish(place, request)) for _ in range(count(request))]
        if token:
            place.fleet.tokens[token] = (request, tasks)
    answer = {"tasks": [task.described() for task in tasks], "failures": []}
    for task in tasks:
        task.begin()
    return answer


def count(request: Request) -> int:
    wanted = int(request.get("count") or 1)
    if not 1 <= wanted <= MOST_TASKS:
        raise invalid(f"count should be between 1 and {MOST_TASKS}")
    return wanted


def wish(place: Place, request: Request) -> Wish:
    cluster, definition = place.cluster(request), place.definition(request["taskDefinition"])
    placed = place.placed(request)
    names = {one["name"] for one in definition["containerDefinitions"]}
    overrides = request.get("overrides") or {}
    for one in overrides.get("containerOverrides", []):
        if one.get("name") not in names:
            raise invalid(f"Override for container named {one.get('name')} is not a container in the TaskDefinition.")
    return Wish(
        cluster_arn=cluster,
        definition=definition,
        region=place.fleet.region,
        group=request.get("group") or f"family:{definition['family']}",
        launch_type=launch_type(placed),
        overrides=overrides,
        more={**provider(placed), "startedBy": request.get("startedBy"), "tags": request.get("tags") or []},
    )


def stop_task(place: Place, request: Request) -> Answer:
    found = tasks_named(place, place.cluster(request), [request["task"]])
    if not found:
        raise invalid("The referenced task was not found.")
    found[0].ask_to_stop("UserInitiated", request.get("reason") or "Task stopped by user")
    return {"task": found[0].described()}


def describe_tasks(place: Place, request: Request) -> Answer:
    cluster, names = place.cluster(request), request["tasks"]
    tasks = tasks_named(place, cluster, names)
    found = {name for name in names for task in tasks if task.id == identifier(name)}
    missing = [name if name.startswith("arn:") else task_arn(cluster, name) for name in names if name not in found]
    return {
        "tasks": [task.described() for task in tasks],
        "failures": [{"arn": arn, "reason": "MISSING"} for arn in missing],
    }


def tasks_named(place: Place, cluster: str, names: Iterable[str]) -> list[Task]:
    arns = [task_arn(cluster, name) for name in names]
    return [task for arn in arns if (task := place.fleet.tasks.get(arn))]


def task_arn(cluster: str, name: str) -> str:
    return f"{cluster.replace(':cluster/', ':task/')}/{identifier(name)}"


def identifier(name: str) -> str:
    return name.rpartition("/")[2]


def list_tasks(place: Place, request: Request) -> Answer:
    cluster = place.cluster(request)
    asked = {
        "family": request.get("family"),
        "startedBy": request.get("startedBy"),
        "launchType": request.get("launchType"),
        "service": request.get("serviceName", "").rpartition("/")[2] or None,
        "desiredStatus": request.get("desiredStatus") or "RUNNING",
    }
    wanted = {key: value for key, value in asked.items() if value}
    place.fleet.forget()
    mine = [task for task in list(place.fleet.tasks.values()) if task.wish.cluster_arn == cluster]
    return {"taskArns": [task.arn for task in mine if wanted.items() <= traits(task).items()]}


def traits(task: Task) -> dict[str, Any]:
    return {
        "family": task.wish.definition["family"],
        "startedBy": task.wish.more.get("startedBy"),
        "launchType": task.wish.launch_type,
        "service": task.wish.group.removeprefix("service:"),
        "desiredStatus": task.desired_status,
    }


def create_service(place: Place, request: Request) -> Answer:
    cluster = place.cluster(request)
    arn = service_arn(cluster, request["serviceName"])
    definition = place.definition(request["taskDefinition"])
    placed = place.placed(request)
    with place.fleet.lock:
        known = place.fleet.services.get(arn)
        if known is not None and known.status == "ACTIVE":
            raise invalid("Creation of service was not idempotent.")
        if known is not None and known.status == "DRAINING":
            raise invalid("Unable to Start a service that is still Draining.")
        made = Service(arn, {**placed, "cluster": cluster}, definition, place.fleet.task_of_service)
        place.fleet.services[arn] = made
    made.begin()
    return {"service": made.described()}


def update_service(place: Place, request: Request) -> Answer:
    service = place.service(request)
    named = request.get("taskDefinition") or service.deployments[0].definition["taskDefinitionArn"]
    definition = place.definition(named)
    same = definition["taskDefinitionArn"] == service.deployments[0].definition["taskDefinitionArn"]
    kept = ("cluster", "service", "desiredCount", "taskDefinition", "forceNewDeployment")
    service.request.update({key: value for key, value in request.items() if key not in kept})
    anew = not same or request.get("forceNewDeployment")
    service.change(definition if anew else None, request.get("desiredCount"))
    return {"service": service.described()}


def delete_service(place: Place, request: Request) -> Answer:
    service = place.service(request)
    if service.desired > 0 and not request.get("force"):
        raise invalid("The service cannot be stopped while it is scaled above 0.")
    service.drain()
    return {"service": service.described()}


def describe_services(place: Place, request: Request) -> Answer:
    cluster, names = place.cluster(request), request["services"]
    known = {name: place.fleet.services.get(service_arn(cluster, name)) for name in names}
    return {
        "services": [one.described() for one in known.values() if one is not None],
        "failures": [
            {"arn": service_arn(cluster, name), "reason": "MISSING"} for name, one in known.items() if one is None
        ],
    }


def list_services(place: Place, request: Request) -> Answer:
    cluster = place.cluster(request)
    mine = [one for one in place.fleet.services.values() if one.request["cluster"] == cluster]
    return {"serviceArns": sorted(one.arn for one in mine if one.status != "INACTIVE")}


def describe_clusters(place: Place, request: Request) -> Answer:
    answer = call_moto(place.context)
    for cluster in answer["clusters"]:
        arn = cluster["clusterArn"]
        alive = list(place.fleet.alive(arn))
        running = sum(task.last_status == "RUNNING" for task in alive)
        active = sum(one.request["cluster"] == arn and one.status == "ACTIVE" for one in place.fleet.services.values())
        cluster.update(runningTasksCount=running, pendingTasksCount=len(alive) - running, activeServicesCount=active)
    return dict(answer)


def delete_cluster(place: Place, request: Request) -> Answer:
    place.fleet.close(place.cluster(request))
    return dict(call_moto(place.context))


def handler(operation: Operation) -> Callable[[RequestContext, Request], Answer]:
    return lambda context, request: operation(Place(context), request)


OPERATIONS = {
    name: handler(operation)
    for name, operation in {
        "RunTask": run_task,
        "StopTask": stop_task,
        "DescribeTasks": describe_tasks,
        "ListTasks": list_tasks,
        "CreateService": create_service,
        "UpdateService": update_service,
        "DeleteService": delete_service,
        "DescribeServices": describe_services,
        "ListServices": list_services,
        "DescribeClusters": describe_clusters,
        "DeleteCluster": delete_cluster,
    }.items()
}
