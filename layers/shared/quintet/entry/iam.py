"""Callers whom AWS's IAM knows: API Gateway has checked a request's signature (SigV4) before its function runs."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from quintet.entry.caller import Caller
from quintet.kernel.errors import Misconfigured, Unauthenticated
from quintet.kernel.ids import fingerprint

_ARN = re.compile(
    r"arn:(?P<partition>[\w-]+):(iam|sts)::(?P<account>[0-9]{12}):"
    r"(?P<kind>user|role|assumed-role|federated-user|root)(/(?P<name>[\w+=,.@/-]+))?"
)


@dataclass(frozen=True)
class IamGate:
    """Callers known by the user or role that signed; all sessions of a role are one caller.

    `administrators` are ARNs of users and roles, with commas between. A request that API Gateway did not vouch for is
    refused, on one's own machine as anywhere: there this gate is shut.
    """

    administrators: str = ""

    def identify(self, key: str | None) -> Caller:
        """Raises Unauthenticated: no key opens this gate."""
        del key
        raise Unauthenticated("Requests to this API are signed with AWS credentials (SigV4)")

    def recognise(self, signer: str) -> Caller:
        """The caller whose ARN API Gateway gives, empty where it knows none. Raises Unauthenticated."""
        if not _ARN.fullmatch(signer):
            return self.identify(None)
        known = principal(signer)
        return Caller(f"iam-{fingerprint(known)}", administrator=known in self.principals())

    def check(self) -> None:
        self.principals()

    def principals(self) -> frozenset[str]:
        """The administrators. Raises Misconfigured for one that is no user or role."""
        given = [arn.strip() for arn in self.administrators.split(",") if arn.strip()]
        for arn in given:
            if not _ARN.fullmatch(arn):
                raise Misconfigured(f"{arn!r} is no user or role: write arn:aws:iam::123456789012:role/name")
        return frozenset(map(principal, given))


def signer_of(scope: Mapping[str, Any]) -> str:
    """The ARN by which API Gateway knows who signed; empty where it says none, or did not hand the request over.

    Mangum alone writes `aws.event`, from the event that Lambda was called with: no header reaches it.
    """
    event = scope.get("aws.event") or {}
    identity = (event.get("requestContext") or {}).get("identity") or {}
    return str(identity.get("userArn") or "")


def principal(arn: str) -> str:
    """The user or role behind a session, without the folders that IAM files it in: names are unique in an account.

    >>> principal("arn:aws:sts::123456789012:assumed-role/hospital-a/i-0abc")
    'arn:aws:iam::123456789012:role/hospital-a'
    >>> principal("arn:aws:iam::123456789012:role/owners/hospital-a")
    'arn:aws:iam::123456789012:role/hospital-a'
    """
    found = _ARN.fullmatch(arn)
    assert found
    kind, name = found["kind"], found["name"] or ""
    if kind == "assumed-role":
        kind, name = "role", name.split("/")[0]
    where = "sts" if kind == "federated-user" else "iam"
    return f"arn:{found['partition']}:{where}::{found['account']}:{kind}/{name.rpartition('/')[2]}".rstrip("/")
