"""ECS tasks and services as processes of this machine; clusters and task definitions stay moto's."""
