"""One local cloud: where it lives, what was asked of it, and the tools its parts share."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from infra.local.folder import Folder
from infra.local.ports import Ports
from infra.local.processes import Processes
from infra.local.progress import Progress

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Cloud:
    """`workshop` holds what all clouds of a checkout share: environments and builds."""

    folder: Folder
    ports: Ports
    progress: Progress
    template: Path = ROOT / "template.yaml"
    rooms: Sequence[str] = ()
    servers: Sequence[str] = ()
    workshop: Path = ROOT / ".local"
    processes: Processes = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "processes", Processes(self.folder))
