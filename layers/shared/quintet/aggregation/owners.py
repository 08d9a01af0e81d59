"""The owners of data: whose name each is, and the key by which its messages are known.

A name belongs to the caller who used it first. One that an administrator registered belongs to nobody until its owner
comes. `aggregation#owners`/`<client>` holds name, caller and, once registered, address, certificate and key. It does
not expire: a name that did would be anybody's.
"""

from base64 import b64encode
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from quintet.kernel.clock import Clock
from quintet.kernel.errors import Conflict, NotFound, PermissionDenied, Unavailable
from quintet.kernel.rows import Change, Create, Place, Rows

OWNERS = "aggregation#owners"
PAGE = 200
NOBODY = ""
ATTEMPTS = 5


class Owner(BaseModel):
    """What is known of an owner. `signing_key`: base64 of the 32 bytes of its Ed25519 key, or empty."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    client: str
    caller: str = NOBODY
    registered_at: datetime | None = None
    address: str = ""
    port: int = 0
    crt: str = ""
    signing_key: str = ""
    version: int = 1


@dataclass(frozen=True)
class Owners:
    rows: Rows
    clock: Clock

    def claim(self, client: str, caller: str) -> None:
        """Make `client` the name of `caller`, who uses it first. Raises PermissionDenied where it is another's."""
        known = self.find(client)
        if known is None:
            with suppress(Conflict):  # somebody else was quicker: the next look tells who
                self._enter(Owner(client=client, caller=caller))
            known = self.read(client)
        self._own(known, caller)

    def check(self, client: str, caller: str, *, claiming: bool = True) -> None:
        """Raises PermissionDenied unless `client` is a known name, and the caller's. An unclaimed one becomes it where
        the caller is `claiming`.
        """
        known = self.find(client)
        if known is None:
            raise PermissionDenied(f"the client {client!r} is not known: register it, or report to a job, first")
        self._own(known, caller, claiming=claiming)

    def register(
        self,
        client: str,
        caller: str,
        *,
        port: int,
        crt: str,
        signing_key: bytes | None,
        force: bool,
        address: str = "",
    ) -> None:
        """Enter or, with `force`, replace how `client` is reached and known.

        `caller` is NOBODY for an administrator, who may register anybody, and who with `force` takes the name from
        whoever had it: its next caller has it then. Raises PermissionDenied where the name is another caller's,
        Conflict where `client` is registered already, and Unavailable. Several that say the same at one time are one.
        """
        owner = Owner(
            client=client,
            caller=caller,
            registered_at=self.clock.now(),
            address=address,
            port=port,
            crt=crt,
            signing_key=b64encode(signing_key or b"").decode(),
        )
        for _ in range(ATTEMPTS):
            if self._registered(owner, force):
                return
        raise Unavailable(f"the client {client!r} is registered by several at one time: register it again")

    def read(self, client: str) -> Owner:
        """Raises NotFound."""
        return owner_of(self.rows.read(Place(OWNERS, client)))

    def find(self, client: str) -> Owner | None:
        try:
            return self.read(client)
        except NotFound:
            return None

    def all(self) -> Iterator[Owner]:
        """Those who are registered, in the order of their names."""
        after = ""
        while page := self.rows.list(OWNERS, after=after, limit=PAGE):
            known = (owner_of(record) for _, record in page)
            yield from (owner for owner in known if owner.registered_at)
            after = page[-1][0]

    def connected(self, clients: Iterable[str]) -> dict[str, Owner]:
        """Those of `clients` who can take part: registered with a signing key."""
        known = {client: self.find(client) for client in clients}
        return {client: owner for client, owner in known.items() if owner and owner.signing_key}

    def _own(self, known: Owner, caller: str, *, claiming: bool = True) -> None:
        while known.caller == NOBODY and claiming:
            with suppress(Conflict):
                self._replace(known, known.model_copy(update={"caller": caller}))
            known = self.read(known.client)
        if known.caller != caller:
            raise PermissionDenied(f"the client {known.client!r} belongs to another caller", caller=caller)

    def _enter(self, owner: Owner) -> None:
        self.rows.write(Create(Place(OWNERS, owner.client), record_of(owner)))

    def _registered(self, owner: Owner, force: bool) -> bool:
        """False where the entry was changed at the same time. Raises PermissionDenied, Conflict."""
        before = self.find(owner.client)
        if before is not None and owner.caller != NOBODY:
            self._own(before, owner.caller)
            before = self.read(owner.client)
        if before is not None and before.registered_at and not force:
            raise Conflict(f"Client entry creation (clientId was {owner.client}) failed because of conflict")
        with suppress(Conflict):
            self._put(before, owner, force)
            return True
        return False

    def _put(self, before: Owner | None, owner: Owner, force: bool) -> None:
        if before is None:
            self._enter(owner)
            return
        after = owner.model_copy(update={"caller": owner.caller if force else owner.caller or before.caller})
        if not before.registered_at or said(before) != said(after):
            self._replace(before, after)

    def _replace(self, before: Owner, after: Owner) -> None:
        fields = record_of(after.model_copy(update={"version": before.version + 1}))
        self.rows.write(Change(Place(OWNERS, before.client), fields, {"version": before.version}))


def said(owner: Owner) -> dict[str, Any]:
    """What a registration says: once it stands, saying it again changes nothing."""
    return owner.model_dump(exclude={"registered_at", "version"})


def record_of(owner: Owner) -> dict[str, Any]:
    return {"schema": 1, **owner.model_dump(mode="json")}


def owner_of(record: dict[str, Any]) -> Owner:
    return Owner.model_validate(record)
