"""A room's queues on RabbitMQ: CloudFormation → the broker's management API → CloudFormation."""

from quintet.adapters.rabbitmq_admin import Credentials, RabbitMqAdmin, Topology
from quintet.adapters.secrets import secret_text
from quintet.entry.custom_resource import on_custom_resource


@on_custom_resource(Topology)
def handler(wanted: Topology) -> None:
    users = {user.secret_arn: Credentials.of_secret(secret_text(user.secret_arn)) for user in wanted.users}
    RabbitMqAdmin(wanted.management, Credentials.of_secret(secret_text(wanted.secret_arn))).make(wanted, users)
