"""Who plays which part in the calibration room. What only its worker needs is wired in gpu_workers/calibrator."""

from dataclasses import dataclass
from functools import cache, cached_property

from quintet.calibration import settings
from quintet.calibration.access import Access
from quintet.calibration.ledger import Ledger
from quintet.entry.caller import Gate
from quintet.house import Housed
from quintet.kernel.settings import read


@dataclass
class CalibrationRoom(Housed):
    """Everything the room's doors need, made when first asked for."""

    room = "calibration"

    @cached_property
    def uploads(self) -> None:
        """No request of this room has a large body, and none takes long."""
        return None

    @cached_property
    def deferrals(self) -> None:
        return None

    @cached_property
    def gate(self) -> Gate:
        keys = read(settings.Keys)
        return self.api_key_gate(enabled=keys.enabled, secret_arn=keys.secret_arn)

    @cached_property
    def access(self) -> Access:
        return Access(read(settings.CalibrationService).backend)

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(self.rows, self.clock)

    def warm(self) -> None:
        """Raises what is wrong before a request does."""
        self.gate.check()
        _ = self.objects, self.ledger


@cache
def calibration() -> CalibrationRoom:
    return CalibrationRoom()
