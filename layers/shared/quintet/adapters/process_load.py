"""What this process takes of its machine."""

import os
import resource
import time
from dataclasses import dataclass, field
from pathlib import Path

_STATM = Path("/proc/self/statm")


@dataclass
class ProcessLoad:
    """Each look tells of the time since the look before; the first one since this was made."""

    _cpu: float = field(default_factory=time.process_time)
    _at: float = field(default_factory=time.monotonic)

    def __call__(self) -> tuple[float, int]:
        """CPU in percent of one core, and resident memory in bytes."""
        cpu, at = time.process_time(), time.monotonic()
        percent = 100 * (cpu - self._cpu) / max(at - self._at, 1e-3)
        self._cpu, self._at = cpu, at
        return percent, resident()


def resident() -> int:
    """Bytes; where the system does not tell what is resident now, the most that ever was."""
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
