"""Callers whom API Gateway knows by IAM, from its event to the route."""

from collections.abc import Callable
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI
from starlette.testclient import TestClient

from quintet.entry.caller import Caller, Gate
from quintet.entry.deferral import Deferrals
from quintet.entry.http import as_lambda, http_app, known_caller
from quintet.entry.iam import IamGate, principal, signer_of
from quintet.entry.uploads import Uploads
from quintet.kernel.errors import Misconfigured, Unauthenticated

ACCOUNT = "123456789012"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/hospital-a/i-0abc"
OTHER_SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/hospital-a/somebody@else"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/owners/hospital-a"
USER = f"arn:aws:iam::{ACCOUNT}:user/ana"
NOBODY = [None, "", "ana", "*", f"arn:aws:iam::{ACCOUNT}:", f"arn:aws:s3::{ACCOUNT}:user/ana", f"{USER}\n{USER}"]


class Room:
    gate: Gate = IamGate(f"{ROLE}, arn:aws:iam::{ACCOUNT}:user/staff/boss")
    uploads: Uploads | None = None
    deferrals: Deferrals | None = None

    def warm(self) -> None:
        self.gate.check()


def app() -> FastAPI:
    made = http_app("Room", room=Room, version="1")

    @made.get("/who")
    def who(caller: Annotated[Caller, Depends(known_caller)]) -> dict[str, Any]:
        return {"id": caller.id, "administrator": caller.administrator}

    return made


@pytest.fixture
def handler() -> Callable[[Any, Any], Any]:
    return as_lambda(app())


def event(identity: dict[str, Any] | None, **headers: str) -> dict[str, Any]:
    context = {} if identity is None else {"identity": {"sourceIp": "198.51.100.7", **identity}}
    return {
        "resource": "/{proxy+}",
        "path": "/who",
        "httpMethod": "GET",
        "headers": {"Host": "api", **headers},
        "multiValueHeaders": {name: [value] for name, value in {"Host": "api", **headers}.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "body": None,
        "isBase64Encoded": False,
        "requestContext": {"resourcePath": "/{proxy+}", "httpMethod": "GET", **context},
    }


def test_who_signed_is_the_caller(handler: Callable[[Any, Any], Any]) -> None:
    answer = handler(event({"userArn": USER, "accessKey": "ASIAEXAMPLE"}), None)
    assert answer["statusCode"] == 200
    assert '"id":"iam-' in answer["body"]
    assert '"administrator":false' in answer["body"]
    assert "ana" not in answer["body"]


def test_an_administrator_is_one_in_every_session(handler: Callable[[Any, Any], Any]) -> None:
    answers = [handler(event({"userArn": arn}), None)["body"] for arn in (SESSION, OTHER_SESSION)]
    assert '"administrator":true' in answers[0]
    assert answers[0] == answers[1]


@pytest.mark.parametrize("arn", NOBODY)
def test_nobody_else_is(arn: str | None, handler: Callable[[Any, Any], Any]) -> None:
    answer = handler(event({"userArn": arn, "caller": USER, "user": USER}), None)
    assert answer["statusCode"] == 401
    assert "SigV4" in answer["body"]


@pytest.mark.parametrize("identity", [None, {}])
def test_without_the_gateway_s_word_the_gate_is_shut(
    identity: dict[str, Any] | None, handler: Callable[[Any, Any], Any]
) -> None:
    assert handler(event(identity), None)["statusCode"] == 401


def test_no_header_stands_for_it(handler: Callable[[Any, Any], Any]) -> None:
    pretence = {"X-API-Key": "key", "aws.event": USER, "X-Amzn-Caller-Arn": USER, "Authorization": f"AWS4 {USER}"}
    assert handler(event({"userArn": None}, **pretence), None)["statusCode"] == 401


def test_off_lambda_the_gate_is_shut() -> None:
    assert TestClient(app()).get("/who", headers={"X-API-Key": "key"}).status_code == 401


def test_no_key_opens_it() -> None:
    for key in (None, "", "key", USER):
        with pytest.raises(Unauthenticated):
            IamGate().identify(key)


def test_two_principals_are_two_callers() -> None:
    gate = IamGate()
    arns = [SESSION, USER, f"arn:aws:iam::{ACCOUNT}:user/hospital-a", f"arn:aws:iam::{ACCOUNT}:root",
            f"arn:aws:iam::{ACCOUNT[::-1]}:user/ana", f"arn:aws:sts::{ACCOUNT}:federated-user/ana"]  # fmt: skip
    assert len({gate.recognise(arn).id for arn in arns}) == len(arns)
    assert not any(gate.recognise(arn).administrator for arn in arns)


def test_folders_do_not_count() -> None:
    assert principal(SESSION) == principal(ROLE) == f"arn:aws:iam::{ACCOUNT}:role/hospital-a"


@pytest.mark.parametrize("administrators", ["ana", f"{USER}, *", f"arn:aws:iam::{ACCOUNT}:role/*"])
def test_an_administrator_is_named_in_full(administrators: str) -> None:
    with pytest.raises(Misconfigured, match="is no user or role"):
        IamGate(administrators).check()


def test_what_is_no_text_is_nobody() -> None:
    assert [signer_of({"aws.event": given}) for given in (None, {}, {"requestContext": None})] == ["", "", ""]
