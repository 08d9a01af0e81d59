"""Starting, stopping and looking at a local cloud; each is safe to repeat."""

import re
import threading
from pathlib import Path

from infra.local import deploy, gates, grpc_doors, localstack, mlflow_server, rabbitmq, redis, stack
from infra.local.cloud import Cloud
from infra.local.deploy import Outputs, Servers
from infra.local.endpoints import Endpoints, RoomEndpoints
from infra.local.rooms import chosen, needed
from infra.local.stack import Aws


def up(cloud: Cloud) -> Endpoints:
    """Start what is missing, deploy what changed; what fails or is interrupted stops what this call had started."""
    with cloud.folder.lock(cloud.progress):
        cloud.processes.stop_strays()
        before = {record.pid for record in cloud.processes.records().values() if record.process()}
        try:
            endpoints = started(cloud)
        except BaseException:
            undo(cloud, before)
            raise
        endpoints.write(cloud.folder)
        return endpoints


def started(cloud: Cloud) -> Endpoints:
    rooms = chosen(cloud.rooms)
    needs = needed(rooms, cloud.servers)
    broker = rabbitmq.start(cloud) if "rabbitmq" in needs else None
    servers = Servers(
        redis=redis.start(cloud) if "redis" in needs else None,
        broker=broker,
        mlflow=mlflow_server.start(cloud) if "mlflow" in needs else None,
        grpc=grpc_doors.ports(cloud, rooms),
    )
    aws, template = renewed(cloud, servers)
    outputs, credentials = deploy.deploy(cloud, aws, servers, template)
    doors = gates.start(cloud, aws, rooms, outputs)
    services = grpc_doors.wait(cloud, rooms, outputs)
    return Endpoints(
        rooms={room.name: RoomEndpoints(doors.get(room.name), services.get(room.name)) for room in rooms},
        aws=aws.endpoint,
        redis=servers.redis,
        rabbitmq=broker.amqp if broker else None,
        rabbitmq_management=broker.management if broker else None,
        mlflow=servers.mlflow,
        bucket=outputs.get("platform", {}).get("Bucket"),
        queues=queues(outputs),
        credentials=credentials,
    )


def queues(outputs: Outputs) -> dict[str, str]:
    """The SQS queues that people put messages on and read them from: {"training train": its URL, …}."""
    return {
        f"{room} {words(output.removesuffix('QueueUrl'))}": url
        for room, known in outputs.items()
        for output, url in known.items()
        if output.endswith("QueueUrl")
    }


def words(name: str) -> str:
    return " ".join(re.findall("[A-Z][a-z]*", name)).lower()


def renewed(cloud: Cloud, servers: Servers) -> tuple[Aws, Path | None]:
    """A LocalStack, and the built template where that is still to be deployed.

    LocalStack updates neither nested stacks nor APIs and aliases, and removing them fails now and then: what changed is
    deployed to a new one. A build that fails leaves the old one alone.
    """
    template = None
    outdated = deploy.outdated(cloud, servers)
    if outdated and cloud.processes.alive(localstack.NAME):
        template = deploy.built(cloud)
        deploy.forget(cloud)
        cloud.processes.stop(localstack.NAME)
    endpoint, fresh = localstack.start(cloud, servers.redis, servers.broker)
    aws = Aws(endpoint)
    if fresh:
        threading.Thread(target=stack.warm, args=(aws,), daemon=True).start()
    if fresh or outdated:
        template = template or deploy.built(cloud)
    return aws, template


def undo(cloud: Cloud, before: set[int]) -> None:
    """What was running stays, but for a LocalStack that was to be replaced."""
    new = [name for name, record in cloud.processes.records().items() if record.pid not in before]
    cloud.processes.stop(*new)
    cloud.processes.stop_strays()


def down(cloud: Cloud) -> None:
    with cloud.folder.lock(cloud.progress):
        rabbitmq.stop(cloud)
        cloud.processes.stop_all()
        cloud.folder.clear()


def status(cloud: Cloud) -> dict[str, bool]:
    """Whether each process of the cloud is alive."""
    return {name: record.process() is not None for name, record in cloud.processes.records().items()}
