"""The command that stands for an image: QUINTET_WORKERS, JSON {"quintet/trainer": ["<python>", "<main.py>"]}."""

import json
import os
import shutil

from quintet_localstack.ecs.errors import CannotStart


def repository(image: str) -> str:
    """The image's name without tag and digest.

    >>> repository("1.dkr.ecr.us-east-1.amazonaws.com/quintet-local/trainer:7")
    '1.dkr.ecr.us-east-1.amazonaws.com/quintet-local/trainer'
    >>> repository("localhost:5000/trainer@sha256:0")
    'localhost:5000/trainer'
    """
    path, slash, last = image.partition("@")[0].rpartition("/")
    return path + slash + last.partition(":")[0]


def last_part(name: str) -> str:
    return name.rpartition("/")[2]


def command_of(image: str) -> list[str]:
    """The whole name decides, else its last part alone; raises CannotStart where neither is known."""
    workers: dict[str, list[str]] = json.loads(os.environ.get("QUINTET_WORKERS") or "{}")
    name = repository(image)
    alike = [known for known in workers if known == name or last_part(known) == last_part(name)]
    if not alike:
        known = ", ".join(workers) or "none"
        raise CannotStart(f"CannotPullContainerError: no worker stands for the image {image!r} here (known: {known})")
    command = workers[name if name in workers else alike[0]]
    if shutil.which(command[0]) is None:
        raise CannotStart(f"CannotStartContainerError: {command[0]} of the image {image!r} is not there")
    return command
