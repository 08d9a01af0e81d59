"""Letters by SMTP over TLS."""

import smtplib
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Protocol

from quintet.kernel.errors import InvalidInput, Unavailable

SECONDS = 15.0
"""How long the server may take for each of its answers."""


class Written(Protocol):
    @property
    def to(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def attachment(self) -> str: ...
    @property
    def pdf(self) -> bytes: ...


@dataclass(frozen=True)
class SmtpPost:
    """`sender` is the address written from, and the user who logs in with `password`."""

    sender: str
    password: str = field(repr=False)
    host: str = "smtp.gmail.com"
    port: int = 465
    trust: ssl.SSLContext = field(default_factory=ssl.create_default_context, repr=False)

    def send(self, letter: Written) -> None:
        """Raises Unavailable, and InvalidInput where the server will never take a letter to that address."""
        message = _message(self.sender, letter)
        try:
            with smtplib.SMTP_SSL(self.host, self.port, context=self.trust, timeout=SECONDS) as server:
                server.login(self.sender, self.password)
                server.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            code, said = next(iter(error.recipients.values()))
            kind = InvalidInput if code >= 500 else Unavailable
            raise kind("the letter is not taken", code=code, reason=_text(said)) from error
        except (smtplib.SMTPException, OSError) as error:
            raise Unavailable("the mail server can't be used now", host=self.host, reason=str(error)) from error


def _message(sender: str, letter: Written) -> EmailMessage:
    message = EmailMessage()
    try:
        message["Subject"], message["From"], message["To"] = letter.subject, sender, letter.to
    except ValueError as error:  # a line's end in an address would begin another header
        raise InvalidInput("this can't be written on a letter", reason=str(error)) from error
    message.set_content(letter.text)
    message.add_attachment(letter.pdf, maintype="application", subtype="pdf", filename=letter.attachment)
    return message


def _text(said: bytes | str) -> str:
    return said.decode(errors="replace") if isinstance(said, bytes) else said
