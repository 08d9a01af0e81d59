"""The report as a letter to whom a session was begun for."""

import re
from dataclasses import dataclass
from typing import Literal, Protocol

from quintet.calibration.experiment import path_part
from quintet.calibration.messages import Session
from quintet.kernel.errors import InvalidInput

SUBJECT = "Uncertainty evaluation report"
TEXT = """Hello,

attached is the report of the evaluation of your model: its figures, how well its probabilities are calibrated, and how
far its predictions can be trusted.

This letter was written by a program; nobody reads answers to it.
"""

ADDRESS = re.compile(r"[^\s@<>,;:\"()\[\]]+@[A-Za-z0-9.-]+")

Outcome = Literal["sent", "refused", "no address"]


@dataclass(frozen=True)
class Letter:
    to: str
    subject: str
    text: str
    attachment: str
    pdf: bytes


class Post(Protocol):
    def send(self, letter: Letter) -> None:
        """Raises Unavailable, and InvalidInput where the letter can't be delivered to that address."""


def is_wanted(session: Session) -> bool:
    """The original wrote where a session was announced with an address, and came to its end."""
    return session.via == "notification" and session.state == "COMPLETED" and bool(session.email)


def send_report(post: Post, session: Session, pdf: bytes) -> Outcome:
    """Raises Unavailable: to be sent later. A letter that was sent may be sent once more after a worker's death."""
    if not ADDRESS.fullmatch(session.email):
        return "no address"
    try:
        post.send(Letter(session.email, SUBJECT, TEXT, attachment_name(session.client_id), pdf))
    except InvalidInput:
        return "refused"
    return "sent"


def attachment_name(client: str) -> str:
    """As the original called it.

    >>> attachment_name("ana")
    'Evaluacion_INTI_ana.pdf'
    """
    return f"Evaluacion_INTI_{path_part(client)}.pdf"
