"""Reports go by mail to whom the session was announced with, and nowhere else."""

from dataclasses import dataclass, field

import pytest

from quintet.calibration.mail import Letter, attachment_name, is_wanted, send_report
from quintet.calibration.messages import Session, State, Via
from quintet.kernel.errors import InvalidInput, Unavailable
from tests.calibration.tracked_sessions import a_session


@dataclass
class Letterbox:
    refusal: Exception | None = None
    letters: list[Letter] = field(default_factory=list)

    def send(self, letter: Letter) -> None:
        if self.refusal:
            raise self.refusal
        self.letters.append(letter)


def announced(email: str = "ana@example.org") -> Session:
    return a_session(via="notification", state="COMPLETED", email=email)


@pytest.mark.parametrize(
    ("via", "state", "email", "wanted"),
    [
        ("notification", "COMPLETED", "ana@example.org", True),
        ("notification", "COMPLETED", "", False),
        ("notification", "TIMED_OUT", "ana@example.org", False),
        ("notification", "FAILED", "ana@example.org", False),
        ("grpc", "COMPLETED", "ana@example.org", False),
    ],
)
def test_who_gets_a_letter(via: Via, state: State, email: str, wanted: bool) -> None:
    assert is_wanted(a_session(via=via, state=state, email=email)) is wanted


def test_the_report_is_attached_under_the_originals_name() -> None:
    box = Letterbox()
    assert send_report(box, announced(), b"%PDF") == "sent"
    (letter,) = box.letters
    assert (letter.to, letter.attachment, letter.pdf) == ("ana@example.org", "Evaluacion_INTI_client_1.pdf", b"%PDF")


@pytest.mark.parametrize(
    "email", ["", "ana", "a@b\nBcc: eve@example.org", "a@b, eve@example.org", "Ana <a@b>", "a@b;c@d", " a@b"]
)
def test_what_is_no_address_gets_nothing(email: str) -> None:
    box = Letterbox()
    assert send_report(box, announced(email), b"%PDF") == "no address"
    assert box.letters == []


def test_a_refused_letter_is_not_sent_again_and_an_absent_server_is_asked_later() -> None:
    assert send_report(Letterbox(InvalidInput("no such user")), announced(), b"") == "refused"
    with pytest.raises(Unavailable):
        send_report(Letterbox(Unavailable("away")), announced(), b"")


def test_no_client_leads_the_attachments_name_astray() -> None:
    assert attachment_name('../a"\r\nb') == "Evaluacion_INTI_.._a___b.pdf"
