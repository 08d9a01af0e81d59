"""Clients that come by a message on the connections queue: acknowledged once their session is durable."""

from collections.abc import Callable
from dataclasses import dataclass

from quintet.calibration.calibrator import Calibrator
from quintet.calibration.live import End
from quintet.calibration.messages import Registration
from quintet.calibration.notification import notification
from quintet.kernel.errors import Conflict, InvalidInput, Overloaded, Unavailable
from quintet.kernel.ids import new_id
from quintet.kernel.streams import Delivery

ASIDE = "calibration/aside/notifications"


@dataclass(frozen=True)
class Admission:
    """`pause` lets the queue rest: what is not acknowledged then goes to another worker, or comes again."""

    calibrator: Calibrator
    pause: Callable[[], None]

    def admit(self, delivery: Delivery) -> None:
        """Register who is named. What can be no registration is set aside; what can't be done now comes again."""
        try:
            registration = notification(delivery.body)
            if self._settled(registration):
                self.calibrator.streams.settle([delivery])
            else:
                self.pause()
        except InvalidInput as error:
            self._set_aside(delivery, error.message)
        except (Overloaded, Unavailable) as error:
            self.calibrator.on_event("a client has to wait", {"reason": error.message})
            self.pause()

    def _settled(self, registration: Registration) -> bool:
        """Whether the session is durable now, or was already."""
        try:
            self.calibrator.register(registration)
        except Conflict:
            known = self.calibrator.ledger.find(registration.session_id)
            if known is not None and known.client_id == registration.client_id:
                return True
            if known is not None:
                raise InvalidInput(f"session {registration.session_id} is another client's") from None
            self._make_way(registration)
            return False
        return True

    def _make_way(self, registration: Registration) -> None:
        """A client starts no session while another of its own is going on: the one that is open here is left over."""
        current = self.calibrator.ledger.current(registration.client_id)
        live = self.calibrator.live(current.id) if current else None
        if live is not None:
            self.calibrator.end(live, End("FAILED", f"session {registration.session_id} takes its place"))

    def _set_aside(self, delivery: Delivery, why: str) -> None:
        key = f"{ASIDE}/{new_id()}.message"
        try:
            self.calibrator.objects.put(key, delivery.body)
        except Unavailable:
            self.pause()
        else:
            self.calibrator.on_event("a message was set aside", {"key": key, "why": why})
            self.calibrator.streams.settle([delivery])
