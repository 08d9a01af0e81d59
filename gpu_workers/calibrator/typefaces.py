"""The typefaces of a report on paper: Open Sans, within the document, so that it looks the same everywhere."""

from functools import cache
from importlib.resources import files

from reportlab import rl_config
from reportlab.pdfbase.pdfmetrics import getFont, registerFont, registerFontFamily
from reportlab.pdfbase.ttfonts import TTFont

REGULAR, BOLD = "OpenSans", "OpenSans-SemiBold"
_FILES = {REGULAR: "OpenSans-Regular.ttf", BOLD: "OpenSans-SemiBold.ttf"}


@cache
def register() -> None:
    """Once a process; reading them takes a moment. What is in a document need not be letters, as by mail of old."""
    rl_config.useA85 = 0
    faces = files("ttf_opensans") / "ttf"
    for name, file in _FILES.items():
        registerFont(TTFont(name, str(faces / file)))
    registerFontFamily(REGULAR, normal=REGULAR, bold=BOLD, italic=REGULAR, boldItalic=BOLD)


@cache
def _letters() -> frozenset[str]:
    register()
    held = set.intersection(*(set(getFont(name).face.charToGlyph) for name in _FILES))
    return frozenset(map(chr, held)) | {"\n"}


def settable(words: str) -> str:
    """The words, with a replacement for each letter that the typefaces don't have."""
    letters = _letters()
    if letters.issuperset(words):
        return words
    return "".join(letter if letter in letters else "\N{REPLACEMENT CHARACTER}" for letter in words)
