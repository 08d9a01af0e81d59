"""How a worker is doing, in the words of the original's health check."""

from dataclasses import dataclass

TOLD = 5
"""Troubles that are told in words; of the others, how many there are."""


@dataclass(frozen=True)
class Condition:
    """`troubles`: a sentence each, such as "ana waits for a queue that does not exist: ana_inputs_cal_queue"."""

    serving: bool
    clients: int
    troubles: tuple[str, ...] = ()

    @property
    def status(self) -> str:
        return "SERVING" if self.serving else "NOT_SERVING"


def message(condition: Condition, *, outspoken: bool) -> str:
    """One sentence, or two. Troubles name clients and their queues: they are told only to whom that concerns.

    >>> message(Condition(serving=True, clients=3), outspoken=True)
    'Service is healthy. Active clients: 3'
    >>> message(Condition(serving=True, clients=1, troubles=("ana waits",)), outspoken=False)
    'Service is up. Active clients: 1. Troubles: 1'
    """
    troubles = condition.troubles
    well = "Service is up" if troubles else "Service is healthy"
    said = well if condition.serving else "Health check failed"
    words = f": {told(troubles)}" if outspoken and troubles else ""
    return f"{said}. Active clients: {condition.clients}" + (f". Troubles: {len(troubles)}{words}" if troubles else "")


def told(troubles: tuple[str, ...]) -> str:
    """
    >>> told(("a", "b", "c", "d", "e", "f", "g"))
    'a; b; c; d; e; and 2 more'
    """
    rest = len(troubles) - TOLD
    return "; ".join([*troubles[:TOLD], *([f"and {rest} more"] if rest > 0 else [])])
