"""Who may register a client, and who may see its sessions.

A client that calls for itself is known by its API key: its id is `key-…`, and so must the client's be that it
registers. The backend (CALIBRATION_BACKEND) registers and sees every client, and so do administrators.
"""

from dataclasses import dataclass

from quintet.calibration.messages import Registration
from quintet.kernel.errors import PermissionDenied


@dataclass(frozen=True)
class Access:
    """`backend`: id of the caller that acts for all clients; empty: there is none."""

    backend: str = ""

    def is_for_all(self, caller: str, *, administrator: bool) -> bool:
        return administrator or bool(self.backend and caller == self.backend)

    def admits(self, caller: str, client_id: str, *, administrator: bool = False) -> bool:
        """Whether the client's sessions are this caller's to see.

        >>> Access("key-b").admits("key-b", "ana"), Access("key-b").admits("key-a", "ana")
        (True, False)
        """
        return caller == client_id or self.is_for_all(caller, administrator=administrator)

    def check(self, registration: Registration, caller: str, *, administrator: bool = False) -> None:
        """Raises PermissionDenied where the caller may not register this client, or names queues of somebody else.

        A queue is a client's own where its name holds the client's id.
        """
        if self.is_for_all(caller, administrator=administrator):
            return
        if caller != registration.client_id:
            raise PermissionDenied(f"This API key registers the client {caller!r} alone: give that as client_id")
        for queue in (registration.inputs_queue, registration.outputs_queue):
            if caller not in queue:
                raise PermissionDenied(f"The queue {queue!r} is not this client's: its name must hold {caller!r}")
