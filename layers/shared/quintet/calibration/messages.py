"""What comes in and goes out: a client's registration, and its session as the ledger keeps it."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Side = Literal["inputs", "outputs"]
"""The dispatcher's labelled half of a batch, and the client's half: its model's probabilities."""

Via = Literal["grpc", "notification"]
"""How a client was registered: by a call, or by a message on the connections queue."""

State = Literal["OPEN", "COMPLETED", "TIMED_OUT", "FAILED"]

INPUTS: Side = "inputs"
OUTPUTS: Side = "outputs"


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Registration(Frozen):
    """A client that is to be served, whichever generation its message is of."""

    client_id: str
    session_id: str = ""
    """Given by notifications alone; else we make one."""
    inputs_queue: str
    outputs_queue: str
    inputs_format: str = ""
    outputs_format: str = ""
    email: str = ""
    model_type: str = ""
    via: Via


class Stretch(Frozen):
    """The journal's segments that one worker wrote while it served a session, from `first` to `last`, both included.

    `last` is None while it goes on.
    """

    worker: str
    first: int
    last: int | None = None


class Session(Frozen):
    """One client's stream of batches, from its registration to its end.

    `worker` serves it; `fence` grows whenever another takes over, so that one who lost it can change nothing more.
    `tasks` are what is still to be done after the end: "report", "tracking", "callback".
    """

    id: str
    client_id: str
    inputs_queue: str
    outputs_queue: str
    inputs_format: str = ""
    outputs_format: str = ""
    email: str = ""
    model_type: str = ""
    via: Via
    state: State = "OPEN"
    reason: str = ""
    registered_at: datetime
    ended_at: datetime | None = None
    worker: str
    fence: int = 1
    lineage: tuple[Stretch, ...]
    summary: dict[str, Any] | None = None
    tasks: tuple[str, ...] = ()
    version: int = 1

    @property
    def ended(self) -> bool:
        return self.state != "OPEN"
