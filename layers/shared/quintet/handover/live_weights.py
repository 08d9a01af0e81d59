"""The weights of an online model that moved on since its version was published, for all environments in one row.

They carry a signature as manifests do, bound to their version and revision: whoever can write to the table but does not
have the key can take them away, not make them up.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from quintet.handover.errors import ModelAltered
from quintet.handover.manifest import WEIGHTS, Keys, is_signed, signature
from quintet.kernel.errors import NotFound
from quintet.kernel.rows import Change, Create, Place, Rows


class Live(NamedTuple):
    """`weights` is the text of a `weights.json`."""

    weights: str
    revision: int


@dataclass(frozen=True)
class LiveWeights:
    rows: Rows
    keys: Callable[[], Keys]
    partition: str

    def read(self, version: str) -> Live | None:
        """Raises ModelAltered."""
        try:
            record = self.rows.read(self._place(version))
        except NotFound:
            return None
        found = Live(record["weights"], record["revision"])
        if not is_signed(WEIGHTS, _statement(version, found), record["signature"], self.keys()):
            raise ModelAltered(f"The live weights of version {version} are not signed with this deployment's key.")
        return found

    def replace(self, version: str, weights: str, expect: int) -> Live:
        """Raises Conflict where they are not at revision `expect`, TooLarge."""
        after = Live(weights, expect + 1)
        record = {**after._asdict(), "signature": signature(WEIGHTS, _statement(version, after), self.keys()[0])}
        place = self._place(version)
        self.rows.write(
            Change(place, record, {"revision": expect}) if expect else Create(place, {"schema": 1, **record})
        )
        return after

    def _place(self, version: str) -> Place:
        return Place(self.partition, f"live#{version}")


def _statement(version: str, live: Live) -> bytes:
    return f"{version}\n{live.revision}\n{live.weights}".encode()
