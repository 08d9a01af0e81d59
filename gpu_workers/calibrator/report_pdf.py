"""A report as PDF, on A4. The same report makes the same bytes: the only time in it is the report's own."""

from collections.abc import Iterator
from io import BytesIO
from threading import Lock
from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib.colors import HexColor
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import CondPageBreak, Flowable, KeepTogether, Paragraph, SimpleDocTemplate, Spacer, TableStyle
from reportlab.platypus import Table as Grid

from gpu_workers.calibrator.drawing_pdf import Drawing
from gpu_workers.calibrator.typefaces import BOLD, REGULAR, register, settable
from quintet.calibration.report import Report, Ruling, at
from quintet.calibration.sections import Picture, Section, Table

MARGIN = 18 * mm
COLUMN = A4[0] - 2 * MARGIN
PADDING = 6.0
"""Of the frame that reportlab puts the story in."""

INK, FAINT, RULE, ACCENT = (HexColor(color) for color in ("#1f2d44", "#55637a", "#d5dce6", "#0b4f86"))
GOOD, REVIEW = HexColor("#005c48"), HexColor("#8f3900")

_ALONE = Lock()
"""reportlab's typefaces and parsers are the same for all documents."""

BODY = ParagraphStyle("body", fontName=REGULAR, fontSize=9.5, leading=13.5, textColor=INK, spaceAfter=5)
SMALL = ParagraphStyle("small", BODY, fontSize=9, leading=12, spaceAfter=0)
QUIET = ParagraphStyle("quiet", SMALL, textColor=FAINT)
RIGHT = ParagraphStyle("right", SMALL, alignment=TA_RIGHT)
NAMES = ParagraphStyle("names", SMALL, fontName=BOLD, textColor=FAINT)
NAMES_RIGHT = ParagraphStyle("names right", NAMES, alignment=TA_RIGHT)
STRONG = ParagraphStyle("strong", SMALL, fontName=BOLD)
TITLE = ParagraphStyle("title", BODY, fontName=BOLD, fontSize=19, leading=24, spaceAfter=2)
HEADING = ParagraphStyle("heading", BODY, fontName=BOLD, fontSize=12.5, leading=17, textColor=ACCENT, spaceBefore=12)
_RULED = [
    ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ("LINEBELOW", (0, 0), (-1, -1), 0.5, RULE),
    ("LEFTPADDING", (0, 0), (0, -1), 0),
]


def report_pdf(report: Report) -> bytes:
    """For letters that the typefaces don't have stands U+FFFD. Threads wait for one another."""
    with _ALONE:
        return _document(report)


def _document(report: Report) -> bytes:
    register()
    target = BytesIO()
    document = SimpleDocTemplate(
        target,
        pagesize=A4,
        leftMargin=MARGIN - PADDING,
        rightMargin=MARGIN - PADDING,
        topMargin=MARGIN - PADDING,
        bottomMargin=MARGIN + 3 * mm,
        title=f"{report.title} {report.code}",
        author="Quintet",
        subject=report.texts.subtitle,
        lang=report.texts.language,
        invariant=1,
    )
    foot = _foot(report)
    document.build(list(_story(report)), onFirstPage=foot, onLaterPages=foot)
    return target.getvalue()


def _foot(report: Report) -> Any:
    def draw(canvas: Canvas, document: SimpleDocTemplate) -> None:
        y = MARGIN
        canvas.setStrokeColor(RULE)
        canvas.line(MARGIN, y + 10, MARGIN + COLUMN, y + 10)
        canvas.setFont(REGULAR, 8)
        canvas.setFillColor(FAINT)
        canvas.drawString(MARGIN, y, settable(f"{report.title} {report.code}"))
        canvas.drawRightString(MARGIN + COLUMN, y, settable(report.texts.page.format(page=document.page)))

    return draw


def _story(report: Report) -> Iterator[Flowable]:
    texts = report.texts
    yield _words(report.title, TITLE)
    yield _words(texts.subtitle, QUIET)
    yield _words(f"{texts.code} {report.code} · {texts.issued} {at(report.moment)}", QUIET)
    yield Spacer(1, 8)
    rows = [[_words(name, QUIET), _words(value, SMALL)] for name, value in report.facts]
    yield Grid(rows, colWidths=[38 * mm, COLUMN - 38 * mm], style=TableStyle(_RULED))
    yield Spacer(1, 12)
    yield _ruling(report.ruling, report)
    yield Spacer(1, 6)
    yield from (_words(notice, QUIET) for notice in report.notices)
    for section in report.sections:
        yield from _section(section)


def _ruling(ruling: Ruling, report: Report) -> Flowable:
    texts = report.texts
    color = GOOD if ruling.satisfactory else REVIEW
    heading = ParagraphStyle("verdict", HEADING, fontSize=14, leading=18, textColor=color, spaceBefore=0)
    rows: list[list[Any]] = [
        [_words(f"{texts.verdict}: {ruling.words}", heading), "", ""],
        [_words(ruling.sentence, SMALL), "", ""],
    ]
    rows.append([_words(name, NAMES) for name in (texts.question, texts.answer, texts.reason)])
    for answer in ruling.answers:
        reasons = [_words(reason, SMALL) for reason in answer.reasons]
        rows.append([_words(answer.question, SMALL), _words(answer.answer, STRONG), reasons])
    style = TableStyle(
        [
            ("SPAN", (0, 0), (-1, 0)),
            ("SPAN", (0, 1), (-1, 1)),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("BOX", (0, 0), (-1, -1), 1.2, color),
            ("LINEBELOW", (0, 2), (-1, -2), 0.5, RULE),
            ("LINEBEFORE", (0, 0), (0, -1), 5, color),
            ("LEFTPADDING", (0, 0), (0, -1), 12),
        ]
    )
    return Grid(rows, colWidths=[28 * mm, 24 * mm, COLUMN - 52 * mm], style=style)


def _section(section: Section) -> Iterator[Flowable]:
    only_words = all(isinstance(part, str) for part in section.content)
    yield CondPageBreak((30 if only_words else 190) * mm)
    yield _words(section.title, HEADING)
    for part in section.content:
        if isinstance(part, Table):
            yield _table(part)
            yield Spacer(1, 8)
        elif isinstance(part, Picture):
            yield KeepTogether([Drawing(part.svg, COLUMN), Spacer(1, 6)])
        else:
            yield _words(part, BODY)


def _table(table: Table) -> Flowable:
    first = COLUMN * (0.46 if len(table.header) > 2 else 0.6)
    rest = (COLUMN - first) / (len(table.header) - 1)
    rows = [[_words(name, NAMES if place == 0 else NAMES_RIGHT) for place, name in enumerate(table.header)]]
    for name, *values in table.rows:
        rows.append([_words(name, SMALL), *(_words(value, RIGHT) for value in values)])
    caption = [_words(table.caption, STRONG)] if table.caption else []
    grid = Grid(rows, colWidths=[first, *[rest] * (len(table.header) - 1)], style=TableStyle(_RULED), repeatRows=1)
    return KeepTogether([*caption, grid])


def _words(words: str, style: ParagraphStyle) -> Paragraph:
    return Paragraph(escape(settable(words)), style)
