"""Who asks, as far as a use case cares."""

from dataclasses import dataclass

from quintet.kernel.cancellation import NEVER, Cancellation


@dataclass(frozen=True)
class Asked:
    """`owner` is the caller's id: safe in keys and logs, and nobody sees another's traces. `cancellation` is raised
    when the client goes away; on Lambda nobody can know.
    """

    owner: str
    administrator: bool = False
    cancellation: Cancellation = NEVER
