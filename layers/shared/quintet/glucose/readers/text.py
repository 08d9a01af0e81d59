"""Bytes to text: encodings, byte order marks, and what is no text at all."""

import codecs
from typing import Final

from quintet.glucose.errors import UnknownFormat

HEAD: Final = 64 * 1024  # bytes that must be enough to tell the layout

# byte order marks of files that were opened and saved again as something they were not
_GARBLED_MARKS: Final = (
    '"\u00ef\u00bb\u00bf"'.encode(),
    '"\u00c3\u00af\u00c2\u00bb\u00c2\u00bf"'.encode(),
    "\u00ef\u00bb\u00bf".encode(),
    b'"' + codecs.BOM_UTF8 + b'"',
)

_OTHER_FILES: Final = {
    b"PK\x03\x04": "an Excel workbook or another ZIP archive: open it and save the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook: open it and save the sheet as CSV",
    b"%PDF": "a PDF report: export the readings as CSV instead",
    b"\x89PNG": "a PNG picture: export the readings as CSV instead",
    b"\xff\xd8\xff": "a JPEG picture: export the readings as CSV instead",
    b"\x1f\x8b": "gzip-compressed: send it uncompressed",
}


def head(content: bytes) -> str:
    """The beginning of the text, at most `HEAD` bytes of it. Raises UnknownFormat where it is no text."""
    if not content.strip():
        raise UnknownFormat("The file is empty. Send the CSV file that the sensor's app or website exports.")
    for signature, what in _OTHER_FILES.items():
        if content.startswith(signature):
            raise UnknownFormat(f"The file is {what}.")
    start = decode(content[:HEAD])
    if start.lstrip()[:1] == "<":
        raise UnknownFormat("The file is XML or a web page: export the readings as CSV instead.")
    return start


def decode(content: bytes) -> str:
    """The text: UTF-8, UTF-16 behind its mark, else Windows-1252. Raises UnknownFormat at a NUL."""
    text = _decoded(content)
    if "\0" in text:
        raise UnknownFormat(
            "The file holds NUL bytes: it is not text, or was damaged in transfer. Send the CSV as it was exported."
        )
    return text


def _decoded(content: bytes) -> str:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", errors="replace")
    for mark in _GARBLED_MARKS:
        if content.startswith(mark):
            return content[len(mark) :].decode(errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")
