"""Letters by SMTP over TLS, to a server of the test's own that speaks as much of it as is needed."""

import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import default
from socketserver import StreamRequestHandler, TCPServer
from threading import Thread
from typing import Any

import pytest
import trustme

from quintet.adapters.smtp_post import SmtpPost
from quintet.calibration.mail import Letter
from quintet.kernel.errors import InvalidInput, Unavailable

pytestmark = pytest.mark.enable_socket

LETTER = Letter("ana@example.org", "A report", "Hello ü", "Evaluacion_INTI_ana.pdf", b"%PDF\x00\xff" * 1000)


@dataclass
class Postmaster:
    """Answers a command with what stands in `answers`, else kindly."""

    port: int = 0
    answers: dict[str, str] = field(default_factory=dict)
    heard: list[str] = field(default_factory=list)
    letters: list[bytes] = field(default_factory=list)

    @property
    def takes_letters(self) -> bool:
        return "DATA" not in self.answers

    def hear(self, line: str) -> str:
        word = line.split(" ", maxsplit=1)[0].upper()
        self.heard.append(line)
        kind = {"EHLO": "250-test\r\n250 AUTH PLAIN", "AUTH": "235 ok", "DATA": "354 go on", "QUIT": "221 bye"}
        return self.answers.get(word, kind.get(word, "250 ok"))


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def master(authority: trustme.CA) -> Iterator[Postmaster]:
    master = Postmaster()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    class Conversation(StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 test\r\n")
            while line := self.rfile.readline().decode().strip():
                self.wfile.write(master.hear(line).encode() + b"\r\n")
                if line.upper() == "DATA" and master.takes_letters:
                    master.letters.append(b"".join(iter(self.rfile.readline, b".\r\n")))
                    self.wfile.write(b"250 taken\r\n")

    class Secured(TCPServer):
        def get_request(self) -> tuple[Any, Any]:
            taken, whence = super().get_request()
            taken.settimeout(10)
            try:
                return context.wrap_socket(taken, server_side=True), whence
            except OSError:
                taken.close()
                raise

        def handle_error(self, *_: Any) -> None:
            """Of a client that hung up."""

    with Secured(("127.0.0.1", 0), Conversation) as server:
        master.port = server.server_address[1]
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield master
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def post(authority: trustme.CA, master: Postmaster) -> SmtpPost:
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    return SmtpPost("quintet@example.org", "secret", "127.0.0.1", master.port, trust)


def test_a_letter_arrives_whole(post: SmtpPost, master: Postmaster) -> None:
    post.send(LETTER)
    (content,) = master.letters
    letter = message_from_bytes(content, policy=default)
    assert (letter["To"], letter["From"], letter["Subject"]) == ("ana@example.org", "quintet@example.org", "A report")
    body = letter.get_body()
    assert body is not None
    assert body.get_content().strip() == "Hello ü"
    (attached,) = letter.iter_attachments()
    assert attached.get_filename() == LETTER.attachment
    assert attached.get_content() == LETTER.pdf
    assert any(line.startswith("AUTH PLAIN") for line in master.heard)


@pytest.mark.parametrize(
    ("word", "answer", "error"),
    [
        ("RCPT", "550 no such user", InvalidInput),
        ("RCPT", "450 come again", Unavailable),
        ("AUTH", "535 no", Unavailable),
        ("MAIL", "421 too busy", Unavailable),
        ("DATA", "554 no", Unavailable),
    ],
)
def test_refusals(post: SmtpPost, master: Postmaster, word: str, answer: str, error: type[Exception]) -> None:
    master.answers[word] = answer
    with pytest.raises(error):
        post.send(LETTER)
    assert master.letters == []


def test_a_server_that_nobody_vouches_for_gets_no_password(master: Postmaster) -> None:
    with pytest.raises(Unavailable):
        SmtpPost("quintet@example.org", "secret", "127.0.0.1", master.port).send(LETTER)
    assert master.heard == []


def test_a_server_that_is_away_or_silent_is_unavailable(post: SmtpPost, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unavailable):
        SmtpPost("a@b", "secret", "127.0.0.1", 9).send(LETTER)
    monkeypatch.setattr("quintet.adapters.smtp_post.SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(Unavailable):
        SmtpPost("a@b", "secret", "127.0.0.1", silent.getsockname()[1]).send(LETTER)


def test_no_address_writes_headers(post: SmtpPost, master: Postmaster) -> None:
    with pytest.raises(InvalidInput):
        post.send(Letter("a@b\nBcc: eve@example.org", "x", "y", "z.pdf", b""))
    assert master.heard == []


def test_the_password_is_in_no_representation() -> None:
    assert "secret" not in repr(SmtpPost("a@b", "secret"))
