"""What a container is started from: its program and its secrets."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from quintet_localstack.ecs.errors import CannotStart
from quintet_localstack.ecs.images import command_of, repository
from quintet_localstack.ecs.secrets import value_of

ARN = "arn:aws:secretsmanager:us-east-1:000000000000:secret:broker-AbCdEf"


class Clients:
    """Secrets Manager and SSM with one value each."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.secretsmanager = self.ssm = self

    def get_secret_value(self, SecretId: str, **version: str) -> dict[str, Any]:  # noqa: N803 - AWS's names
        if SecretId != ARN:
            raise ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "GetSecretValue")
        return {"SecretString": json.dumps(version) if version else self.text}

    def get_parameter(self, Name: str, WithDecryption: bool) -> dict[str, Any]:  # noqa: N803
        return {"Parameter": {"Value": f"{Name} {WithDecryption}"}}


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("quintet/trainer", "quintet/trainer"),
        ("quintet/trainer:local", "quintet/trainer"),
        ("1.dkr.ecr.us-east-1.amazonaws.com/quintet-local/trainer:7",
         "1.dkr.ecr.us-east-1.amazonaws.com/quintet-local/trainer"),
        ("localhost:5000/trainer@sha256:0", "localhost:5000/trainer"),
    ],
)  # fmt: skip
def test_tags_and_digests_are_no_part_of_the_name(image: str, name: str) -> None:
    assert repository(image) == name


def test_the_whole_name_decides_before_its_last_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUINTET_WORKERS", json.dumps({"a/worker": ["true", "a"], "b/worker": ["true", "b"]}))
    assert command_of("b/worker:1") == ["true", "b"]
    assert command_of("registry:5000/c/worker") == ["true", "a"]


@pytest.mark.parametrize(
    ("image", "reason"),
    [("a/other:1", "CannotPullContainerError: .*'a/other:1'"), ("a/worker", "CannotStartContainerError: /nowhere")],
)
def test_what_cannot_run_says_why(monkeypatch: pytest.MonkeyPatch, image: str, reason: str) -> None:
    monkeypatch.setenv("QUINTET_WORKERS", json.dumps({"a/worker": ["/nowhere/python"]}))
    with pytest.raises(CannotStart, match=reason):
        command_of(image)


def test_no_worker_is_known_where_nobody_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QUINTET_WORKERS", raising=False)
    with pytest.raises(CannotStart, match="known: none"):
        command_of("a/worker")


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        (ARN, '{"password": "a:b", "port": 5}'),
        (f"{ARN}:password::", "a:b"),
        (f"{ARN}:port::", "5"),
        (f"{ARN}::AWSPREVIOUS:", '{"VersionStage": "AWSPREVIOUS"}'),
        ("arn:aws:ssm:us-east-1:000000000000:parameter/a/b", "/a/b True"),
        ("name", "name True"),
    ],
)
def test_references_to_secrets_are_read(reference: str, value: str) -> None:
    assert value_of(reference, Clients('{"password": "a:b", "port": 5}')) == value


@pytest.mark.parametrize(
    ("text", "reference"), [("{}", f"{ARN}:key::"), ("no JSON", f"{ARN}:key::"), ("", f"{ARN[:-1]}x"), ("", "arn:x")]
)
def test_a_secret_that_cannot_be_read_says_why(text: str, reference: str) -> None:
    with pytest.raises(CannotStart, match="ResourceInitializationError: unable to pull secrets"):
        value_of(reference, Clients(text))
