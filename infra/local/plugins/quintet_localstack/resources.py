"""The CloudFormation types of ECS, Amazon MQ, ElastiCache and the load balancers.

Nothing is started: brokers and caches report the addresses that the local cloud gives in QUINTET_AMQP and
QUINTET_REDIS (host:port).
"""

import os
from typing import Any

from quintet_localstack.resource import Properties, Wanted, resource


def camel(value: Any) -> Any:
    """CloudFormation's PascalCase names as the camelCase that ECS speaks."""
    if isinstance(value, dict):
        return {key[0].lower() + key[1:]: camel(item) for key, item in value.items()}
    return [camel(item) for item in value] if isinstance(value, list) else value


def address(variable: str, default: str) -> tuple[str, str]:
    host, _, port = os.environ.get(variable, default).rpartition(":")
    return host, port


@resource(
    "AWS::ECS::Cluster", "ClusterName", lambda it: it.clients.ecs.delete_cluster(cluster=it.properties["ClusterName"])
)
def cluster(it: Wanted) -> Properties:
    name = it.properties.get("ClusterName", it.name)
    made = it.clients.ecs.create_cluster(clusterName=name)["cluster"]
    return {"ClusterName": name, "Arn": made["clusterArn"]}


@resource("AWS::ECS::ClusterCapacityProviderAssociations", "Cluster")
def cluster_capacity(it: Wanted) -> Properties:
    return {}


TASK = {"family", "containerDefinitions", "taskRoleArn", "executionRoleArn", "networkMode", "cpu", "memory",
        "requiresCompatibilities", "volumes"}  # fmt: skip


@resource("AWS::ECS::TaskDefinition", "TaskDefinitionArn", renew=True)
def task_definition(it: Wanted) -> Properties:
    arguments = {key: value for key, value in camel(it.properties).items() if key in TASK}
    made = it.clients.ecs.register_task_definition(**{"family": it.name, **arguments})["taskDefinition"]
    return {"TaskDefinitionArn": made["taskDefinitionArn"]}


def remove_service(it: Wanted) -> None:
    it.clients.ecs.delete_service(
        cluster=it.properties.get("Cluster", "default"), service=it.properties["Name"], force=True
    )


@resource("AWS::ECS::Service", "ServiceArn", remove_service)
def service(it: Wanted) -> Properties:
    name = it.properties.get("ServiceName", it.name)
    made = it.clients.ecs.create_service(
        cluster=it.properties.get("Cluster", "default"),
        serviceName=name,
        taskDefinition=it.properties["TaskDefinition"],
        desiredCount=int(it.properties.get("DesiredCount", 1)),
    )["service"]
    return {"ServiceArn": made["serviceArn"], "Name": name}


@resource("AWS::AmazonMQ::Broker", "Id", lambda it: it.clients.mq.delete_broker(BrokerId=it.properties["Id"]))
def broker(it: Wanted) -> Properties:
    host, port = address("QUINTET_AMQP", "127.0.0.1:5672")
    made = it.clients.mq.create_broker(
        **it.only("BrokerName", "DeploymentMode", "EngineType", "HostInstanceType"),
        EngineVersion=it.properties.get("EngineVersion", "3.13"),
        AutoMinorVersionUpgrade=True,
        PubliclyAccessible=False,
        Users=[{"Username": user["Username"], "Password": user["Password"]} for user in it.properties["Users"]],
    )
    return {"Id": made["BrokerId"], "Arn": made["BrokerArn"], "AmqpEndpoints": [f"amqp://{host}:{port}"]}


@resource("AWS::AmazonMQ::Configuration", "Id")
def broker_configuration(it: Wanted) -> Properties:
    made = it.clients.mq.create_configuration(**it.only("Name", "EngineType", "EngineVersion"))
    return {"Id": made["Id"], "Arn": made["Arn"], "Revision": "1"}


def remove_replication_group(it: Wanted) -> None:
    it.clients.elasticache.delete_replication_group(ReplicationGroupId=it.properties["ReplicationGroupId"])


@resource("AWS::ElastiCache::ReplicationGroup", "ReplicationGroupId", remove_replication_group)
def replication_group(it: Wanted) -> Properties:
    host, port = address("QUINTET_REDIS", "127.0.0.1:6379")
    name = it.properties.get("ReplicationGroupId", it.name.lower()[:40])
    it.clients.elasticache.create_replication_group(
        ReplicationGroupId=name,
        Engine=it.properties.get("Engine", "redis"),
        ReplicationGroupDescription=it.properties["ReplicationGroupDescription"],
    )
    return {
        "ReplicationGroupId": name,
        "PrimaryEndPoint": {"Address": host, "Port": port},
        "ReaderEndPoint": {"Address": host, "Port": port},
    }


@resource("AWS::ElastiCache::SubnetGroup", "CacheSubnetGroupName")
def cache_subnets(it: Wanted) -> Properties:
    return {"CacheSubnetGroupName": it.properties.get("CacheSubnetGroupName", it.name.lower())}


@resource("AWS::ElastiCache::ParameterGroup", "CacheParameterGroupName")
def cache_parameters(it: Wanted) -> Properties:
    return {"CacheParameterGroupName": it.properties.get("CacheParameterGroupName", it.name.lower())}


def remove_load_balancer(it: Wanted) -> None:
    it.clients.elbv2.delete_load_balancer(LoadBalancerArn=it.properties["LoadBalancerArn"])


@resource("AWS::ElasticLoadBalancingV2::LoadBalancer", "LoadBalancerArn", remove_load_balancer)
def load_balancer(it: Wanted) -> Properties:
    name = it.properties.get("Name", it.name[:32])
    known = it.only("Subnets", "SubnetMappings", "SecurityGroups", "Scheme", "Type", "IpAddressType")
    made = it.clients.elbv2.create_load_balancer(Name=name, **known)["LoadBalancers"][0]
    return {"LoadBalancerArn": made["LoadBalancerArn"], "LoadBalancerName": name, "DNSName": "127.0.0.1"}


def remove_target_group(it: Wanted) -> None:
    it.clients.elbv2.delete_target_group(TargetGroupArn=it.properties["TargetGroupArn"])


@resource("AWS::ElasticLoadBalancingV2::TargetGroup", "TargetGroupArn", remove_target_group)
def target_group(it: Wanted) -> Properties:
    known = it.only("Protocol", "Port", "VpcId", "TargetType", "HealthCheckProtocol", "HealthCheckPort")
    made = it.clients.elbv2.create_target_group(Name=it.properties.get("Name", it.name[:32]), **known)["TargetGroups"][
        0
    ]
    return {"TargetGroupArn": made["TargetGroupArn"], "TargetGroupName": made["TargetGroupName"]}


@resource("AWS::ElasticLoadBalancingV2::Listener", "ListenerArn")
def listener(it: Wanted) -> Properties:
    known = it.only("LoadBalancerArn", "Protocol", "Port", "DefaultActions")
    made = it.clients.elbv2.create_listener(**known)["Listeners"][0]
    return {"ListenerArn": made["ListenerArn"]}
