"""The CloudFormation types of ECS, Amazon MQ, ElastiCache and the load balancers.

Brokers, caches and machines are not started: the first two report the addresses that the local cloud gives in
QUINTET_AMQP and QUINTET_REDIS (host:port). Services of ECS are processes (ecs/).
"""

import json
import os
from typing import Any

from quintet_localstack.mq.users import add_administrator
from quintet_localstack.resource import Properties, Wanted, resource


def camel(value: Any) -> Any:
    """CloudFormation's PascalCase names as the camelCase that ECS speaks."""
    if isinstance(value, dict):
        return {key[0].lower() + key[1:]: camel(item) for key, item in value.items()}
    return [camel(item) for item in value] if isinstance(value, list) else value


def address(variable: str, default: str) -> tuple[str, str]:
    host, _, port = os.environ.get(variable, default).rpartition(":")
    return host, port


def typed(value: Properties, *names: str) -> Properties:
    """With numbers and truths where a template wrote them as text."""
    return {**value, **{name: json.loads(str(value[name]).lower()) for name in names if name in value}}


@resource(
    "AWS::ECS::Cluster", "ClusterName", lambda it: it.clients.ecs.delete_cluster(cluster=it.properties["ClusterName"])
)
def cluster(it: Wanted) -> Properties:
    name = it.properties.get("ClusterName", it.name)
    strategy = it.properties.get("DefaultCapacityProviderStrategy", [])
    made = it.clients.ecs.create_cluster(
        clusterName=name,
        capacityProviders=it.properties.get("CapacityProviders", []),
        defaultCapacityProviderStrategy=strategies(strategy),
    )["cluster"]
    return {"ClusterName": name, "Arn": made["clusterArn"]}


def strategies(given: list[Properties]) -> list[Properties]:
    return [typed(camel(one), "base", "weight") for one in given]


def associate(it: Wanted) -> Properties:
    it.clients.ecs.put_cluster_capacity_providers(
        cluster=it.properties["Cluster"],
        capacityProviders=it.properties.get("CapacityProviders", []),
        defaultCapacityProviderStrategy=strategies(it.properties.get("DefaultCapacityProviderStrategy", [])),
    )
    return {}


cluster_capacity = resource("AWS::ECS::ClusterCapacityProviderAssociations", "Cluster", renew=True)(associate)


def remove_capacity_provider(it: Wanted) -> None:
    it.clients.ecs.delete_capacity_provider(capacityProvider=it.properties["Name"])


@resource("AWS::ECS::CapacityProvider", "Name", remove_capacity_provider)
def capacity_provider(it: Wanted) -> Properties:
    """Every machine that it would start is this one."""
    name = it.properties.get("Name", it.name)
    group = camel(it.properties["AutoScalingGroupProvider"])
    scaling = typed(group.get("managedScaling", {}), "targetCapacity", "minimumScalingStepSize",
                    "maximumScalingStepSize", "instanceWarmupPeriod")  # fmt: skip
    it.clients.ecs.create_capacity_provider(name=name, autoScalingGroupProvider={**group, "managedScaling": scaling})
    return {"Name": name}


@resource("AWS::AutoScaling::AutoScalingGroup", "AutoScalingGroupName")
def machines(it: Wanted) -> Properties:
    return {"AutoScalingGroupName": it.properties.get("AutoScalingGroupName", it.name)}


def remove_launch_template(it: Wanted) -> None:
    it.clients.ec2.delete_launch_template(LaunchTemplateId=it.properties["LaunchTemplateId"])


@resource("AWS::EC2::LaunchTemplate", "LaunchTemplateId", remove_launch_template)
def launch_template(it: Wanted) -> Properties:
    """Nothing is launched from it, so what it says is not kept."""
    name = it.properties.get("LaunchTemplateName", it.name)
    made = it.clients.ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData={"EbsOptimized": False})
    number = made["LaunchTemplate"]["LaunchTemplateId"]
    return {"LaunchTemplateId": number, "LatestVersionNumber": "1", "DefaultVersionNumber": "1"}


TASK = {"family", "containerDefinitions", "taskRoleArn", "executionRoleArn", "networkMode", "cpu", "memory", "volumes",
        "requiresCompatibilities", "runtimePlatform", "ephemeralStorage", "placementConstraints"}  # fmt: skip


def remove_task_definition(it: Wanted) -> None:
    it.clients.ecs.deregister_task_definition(taskDefinition=it.properties["TaskDefinitionArn"])


@resource("AWS::ECS::TaskDefinition", "TaskDefinitionArn", remove_task_definition, renew=True)
def task_definition(it: Wanted) -> Properties:
    arguments = {key: value for key, value in camel(it.properties).items() if key in TASK}
    arguments["containerDefinitions"] = [container(one) for one in it.properties["ContainerDefinitions"]]
    made = it.clients.ecs.register_task_definition(**{"family": it.name, **arguments})["taskDefinition"]
    return {"TaskDefinitionArn": made["taskDefinitionArn"]}


NUMBERS = ("cpu", "memory", "memoryReservation", "startTimeout", "stopTimeout", "essential", "privileged",
           "readonlyRootFilesystem", "interactive", "pseudoTerminal")  # fmt: skip


def container(given: Properties) -> Properties:
    """The keys of free maps (log options, labels) stay as they are written."""
    made = typed(camel(given), *NUMBERS)
    if "LogConfiguration" in given:
        made["logConfiguration"]["options"] = given["LogConfiguration"].get("Options", {})
    if "DockerLabels" in given:
        made["dockerLabels"] = given["DockerLabels"]
    return made


def remove_service(it: Wanted) -> None:
    """Returns when its tasks have ended, as CloudFormation waits for them."""
    named = {"cluster": it.properties.get("Cluster", "default"), "service": it.properties["Name"]}
    it.clients.ecs.delete_service(**named, force=True)
    it.clients.ecs.get_waiter("services_inactive").wait(
        cluster=named["cluster"], services=[named["service"]], WaiterConfig={"Delay": 1, "MaxAttempts": 180}
    )


SERVICE = {"capacityProviderStrategy", "deploymentConfiguration", "networkConfiguration", "loadBalancers",
           "serviceRegistries", "propagateTags"}  # fmt: skip


def service_settings(it: Wanted) -> Properties:
    known = {key: value for key, value in camel(it.properties).items() if key in SERVICE}
    if "capacityProviderStrategy" in known:
        known["capacityProviderStrategy"] = strategies(it.properties["CapacityProviderStrategy"])
    deployment = known.get("deploymentConfiguration", {})
    if deployment:
        known["deploymentConfiguration"] = typed(deployment, "maximumPercent", "minimumHealthyPercent")
    ports = [typed(one, "containerPort") for one in known.get("loadBalancers", [])]
    return {
        **known,
        **({"loadBalancers": ports} if ports else {}),
        "cluster": it.properties.get("Cluster", "default"),
        "taskDefinition": it.properties["TaskDefinition"],
    }


def change_service(it: Wanted) -> Properties:
    count = {"desiredCount": int(it.properties["DesiredCount"])} if "DesiredCount" in it.properties else {}
    it.clients.ecs.update_service(**service_settings(it), **count, service=it.properties["Name"])
    return {}


@resource("AWS::ECS::Service", "ServiceArn", remove_service, change=change_service)
def service(it: Wanted) -> Properties:
    name = it.properties.get("ServiceName", it.name)
    made = it.clients.ecs.create_service(
        **service_settings(it),
        serviceName=name,
        desiredCount=int(it.properties.get("DesiredCount", 1)),
        **({"launchType": it.properties["LaunchType"]} if "LaunchType" in it.properties else {}),
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
    for user in it.properties["Users"]:
        add_administrator(user["Username"], user["Password"])
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
