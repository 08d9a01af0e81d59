"""Telling results: at least once, each channel by itself, under the same key and with the same bytes however often.

A delivery that can't succeed, or was tried DELIVERY_ATTEMPTS times, is given up: its row says why, and an `Errand` to
revive it goes to the dead letters with the reason. Once the cause is mended, move the dead letters to the queue of
errands (SQS's redrive with that queue as its custom destination): each is tried anew with a fresh count. A refusal (4xx
but for those that pass) is for good.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from quintet.aggregation.outbox import Channel, Delivery, Errand, Outbox
from quintet.aggregation.ports import Queue
from quintet.aggregation.results_handler import Say
from quintet.kernel.errors import Misconfigured, QuintetError
from quintet.kernel.text import printable

Tell = Callable[[Delivery], str]
"""One attempt of a channel; what to say of it. An error that says `retry`, and Misconfigured, may pass."""

CUT_OFF = "every attempt was cut off"


@dataclass(frozen=True)
class Deliverer:
    outbox: Outbox
    channels: Mapping[Channel, Tell]
    dead_letters: Queue
    say: Say
    attempts: int = 10

    def deliver(self, errand: Errand) -> None:
        """Raises Unavailable where the outbox or the dead letters are away; a channel's trouble stays its own."""
        for delivery in self._wanted(errand):
            self.attempt(delivery)

    def attempt(self, delivery: Delivery) -> None:
        if delivery.attempts >= self.attempts:
            self._give_up(delivery, delivery.reason or CUT_OFF, "DeadlineExceeded")
            return
        claimed = self.outbox.claim(delivery)
        if claimed is None:
            return
        try:
            said = self.channels[claimed.channel](claimed)
        except QuintetError as error:
            self._failed(claimed, error)
        else:
            self.outbox.done(claimed)
            self.say("info", f"[ResultsHandler] Job {claimed.job}: {said}")

    def _wanted(self, errand: Errand) -> Iterator[Delivery]:
        if errand.about == "sweep":
            yield from self.outbox.due()
        elif errand.about == "job":
            yield from filter(self.outbox.is_due, self.outbox.of(errand.job))
        elif revived := self.outbox.revive(errand.job, errand.channel):
            yield revived

    def _failed(self, delivery: Delivery, error: QuintetError) -> None:
        may_pass = error.retry or isinstance(error, Misconfigured)
        details = "".join(f", {name}: {value}" for name, value in error.details.items())
        self.say(
            "warning" if may_pass else "error",
            f"[ResultsHandler] Job {delivery.job}: {delivery.channel} failed, attempt {delivery.attempts} of "
            f"{self.attempts}: {printable(error.message + details)}",
        )
        if may_pass and delivery.attempts < self.attempts:
            self.outbox.failed(delivery, error.message)
        else:
            self._give_up(delivery, error.message, type(error).__name__)

    def _give_up(self, delivery: Delivery, reason: str, kind: str) -> None:
        """The letter first: a row that is dead without one would be forgotten."""
        errand = Errand(about="revive", job=delivery.job, channel=delivery.channel)
        attributes = {"error": kind, "reason": printable(reason), "correlation_id": delivery.correlation}
        self.dead_letters.send(errand.model_dump_json(), attributes)
        self.outbox.give_up(delivery, reason)
        self.say("error", f"[ResultsHandler] Job {delivery.job}: {delivery.channel} is given up: {printable(reason)}")
