"""Who plays which part in the calibration room. What only its worker needs is wired in gpu_workers/calibrator."""

from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import TYPE_CHECKING

from quintet.adapters.dynamodb_rows import DynamoRows
from quintet.adapters.s3 import S3Objects
from quintet.adapters.secrets import renewed_secret_text, secret_text
from quintet.calibration import settings
from quintet.calibration.access import Access
from quintet.calibration.ledger import Ledger
from quintet.entry.caller import ApiKeyGate, Gate
from quintet.entry.ports import Objects
from quintet.kernel.clock import Clock, SystemClock
from quintet.kernel.settings import PlaceSettings, read

if TYPE_CHECKING:  # the worker has no HTTP door, and none of its libraries
    from quintet.entry.deferral import Deferrals
    from quintet.entry.uploads import Uploads


@dataclass
class CalibrationRoom:
    """Everything the room's doors need, made when first asked for."""

    clock: Clock = field(default_factory=SystemClock)
    uploads: "Uploads | None" = None
    deferrals: "Deferrals | None" = None

    @cached_property
    def place(self) -> PlaceSettings:
        return read(PlaceSettings)

    @cached_property
    def gate(self) -> Gate:
        keys = read(settings.Keys)
        return ApiKeyGate(
            keys_text=lambda: secret_text(keys.secret_arn) if keys.secret_arn else "",
            required=keys.enabled or not self.place.local,
            renewed_keys_text=lambda: renewed_secret_text(keys.secret_arn) if keys.secret_arn else "",
        )

    @cached_property
    def access(self) -> Access:
        return Access(read(settings.CalibrationService).backend)

    @cached_property
    def objects(self) -> Objects:
        return S3Objects(self.place.bucket)

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(DynamoRows(self.place.table), self.clock)

    def warm(self) -> None:
        """Raises what is wrong before a request does."""
        self.gate.check()
        _ = self.objects, self.ledger


@cache
def calibration() -> CalibrationRoom:
    return CalibrationRoom()
