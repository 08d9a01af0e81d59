"""The PDF shows what the report says, its drawings as vectors, and is the same bytes for the same report."""

import re
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

pytest.importorskip("reportlab", reason="the calibrator's PDF library is not installed")

from gpu_workers.calibrator.drawing_pdf import SCALE, Drawing
from gpu_workers.calibrator.report_pdf import COLUMN, report_pdf
from gpu_workers.calibrator.typefaces import settable
from quintet.calibration.join import Conflict, Missing
from quintet.calibration.reliability import reliability_svg
from quintet.calibration.report import Notes
from quintet.calibration.sections import Picture, Table
from quintet.calibration.texts import Texts
from quintet.calibration.texts_spanish import LANGUAGES
from quintet.kernel.drawing import Point, circle, document, group, line, polygon, polyline, rectangle, text, turned_text
from tests.calibration.judged_sessions import HOSTILE, a_report, a_result, judged, perfect, rows


class Recorder:
    """Stands for a page, and notes what is put on it."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []

    def __getattr__(self, name: str) -> Any:
        def note(*arguments: Any, **named: Any) -> Any:
            self.calls.append((name, (*arguments, *named.values())))
            return self if name == "beginPath" else None

        return note

    def of(self, name: str) -> list[tuple[Any, ...]]:
        return [arguments for called, arguments in self.calls if called == name]


def painted(*content: str, column: float = 1000) -> Recorder:
    """What of a drawing of 100 × 50 is put on the page."""
    drawing = Drawing(document(100, 50, "a title", *content, description="words"), column)
    drawing.canv = Recorder()
    drawing.draw()
    found: Recorder = drawing.canv
    return found


def words(pdf: bytes) -> str:
    documents = pytest.importorskip("pypdfium2")
    pages = documents.PdfDocument(pdf)
    return "\n".join(pages[at].get_textpage().get_text_bounded() for at in range(len(pages)))


def streams(pdf: bytes) -> Iterator[bytes]:
    for found in re.finditer(rb"/Length \d+\n>>\nstream\r?\n(.*?)endstream", pdf, re.DOTALL):
        yield zlib.decompressobj().decompress(found.group(1))


def pages(pdf: bytes) -> int:
    return len(re.findall(rb"/Type /Page\b", pdf))


def test_the_same_report_is_the_same_bytes_from_any_thread() -> None:
    report = a_report(a_result())
    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(report_pdf, [report] * 8))) == 1


def test_the_only_time_in_it_is_the_reports() -> None:
    pdf = report_pdf(a_report(a_result()))
    assert set(re.findall(rb"\(D:(\d{4})", pdf)) == {b"2000"}
    assert re.search(rb"/Title \(Uncertainty evaluation report UTC-260301-[0-9a-f]{8}\)", pdf)
    assert b"/Lang (en)" in pdf


def test_a_usual_report_has_four_pages_and_is_light() -> None:
    pdf = report_pdf(a_report(judged(rows(3000, 10), batch=64)))
    assert pages(pdf) == 4
    assert len(pdf) < 80_000


def test_drawings_are_vectors() -> None:
    pdf = report_pdf(a_report(a_result()))
    assert b"/Subtype /Image" not in pdf
    operators = b"\n".join(streams(pdf))
    assert operators.count(b" re ") > 50
    assert operators.count(b" l S") > 50


def test_it_says_what_the_report_says() -> None:
    report = a_report(a_result(), Notes(duplicates=3))
    shown = re.sub(r"\s+", "", words(report_pdf(report)))
    said = [report.title, report.code, report.ruling.words, *(word for fact in report.facts for word in fact)]
    said += [word for answer in report.ruling.answers for word in (answer.question, *answer.reasons)]
    for section in report.sections:
        said += [section.title, *(part for part in section.content if isinstance(part, str))]
        said += [cell for part in section.content if isinstance(part, Table) for row in part.rows for cell in row]
    assert [one for one in said if re.sub(r"\s+", "", one) not in shown] == []


def test_what_was_sent_is_no_markup_and_no_crash() -> None:
    sent = ("client_id", "reason", "model_type", "inputs_format", "outputs_format", "id")
    notes = Notes(
        missing=Missing((range(1),), (range(3),), ("inputs",)),
        conflicts=[Conflict(1, "inputs", "content")],
        troubles=[HOSTILE, "W" * 5000, "<font color=red>", "<img src='x'/>"],
    )
    pdf = report_pdf(a_report(a_result(), notes, state="FAILED", **dict.fromkeys(sent, HOSTILE * 10)))
    shown = words(pdf)
    assert '<script>alert("x")</script>' in shown
    assert "<font color=red>" in shown


def test_an_endless_name_breaks_lines_and_fills_pages() -> None:
    pdf = report_pdf(a_report(None, Notes(troubles=["W" * 5000] * 60), client_id="M" * 5000, state="FAILED"))
    assert pages(pdf) > 3


def test_a_session_without_a_result_has_one_page() -> None:
    pdf = report_pdf(a_report(None, state="FAILED", reason="nobody came"))
    assert pages(pdf) == 1
    assert "nobody came" in words(pdf)


@pytest.mark.parametrize("classes", [2, 20, 21, 150])
def test_any_number_of_classes_can_be_set(classes: int) -> None:
    assert report_pdf(a_report(a_result(classes=classes, sharpness=0.5))).startswith(b"%PDF")


def test_few_batches_and_perfect_ones_can_be_set() -> None:
    for result in (judged(rows(16, 3)), judged(perfect(640, 3)), judged(rows(0, 3))):
        assert report_pdf(a_report(result)).startswith(b"%PDF")


def test_letters_that_are_not_there_are_replaced() -> None:
    assert settable("Ελλάδα, Příliš žluťoučký, señal, Қазақ") == "Ελλάδα, Příliš žluťoučký, señal, Қазақ"
    assert settable("日本 α") == "\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER} α"


@pytest.mark.parametrize("texts", LANGUAGES.values(), ids=LANGUAGES)
def test_every_word_of_ours_can_be_set(texts: Texts) -> None:
    whole = repr(texts)
    assert settable(whole) == whole


def test_lengths_and_places_are_those_of_the_drawing() -> None:
    page = painted(rectangle(10, 20, 30, 5, fill="#0072b2"), line(Point(0, 0), Point(100, 50), stroke="#000000"))
    assert page.of("rect")[1] == pytest.approx((10 * SCALE, 25 * SCALE, 30 * SCALE, 5 * SCALE, 1, 0))
    assert page.of("line") == [pytest.approx((0, 50 * SCALE, 100 * SCALE, 0))]


def test_a_drawing_wider_than_the_column_is_made_smaller() -> None:
    page = painted(circle(Point(50, 25), 10), column=33)
    assert page.of("circle") == [pytest.approx((16.5, 8.25, 3.3, 1, 0))]


def test_texts_stand_where_they_are_anchored() -> None:
    page = painted(
        text("left", 1, 2), text("middle", 10, 2, text_anchor="middle"), turned_text("up", 5, 25, text_anchor="end")
    )
    assert [arguments[2] for arguments in page.of("drawString")] == ["left"]
    assert page.of("drawCentredString") == [pytest.approx((10 * SCALE, 48 * SCALE, "middle"))]
    assert page.of("drawRightString") == [(0, 0, "up")]
    assert page.of("rotate") == [(90,)]
    assert page.of("translate") == [pytest.approx((5 * SCALE, 25 * SCALE))]


def test_paths_are_open_or_closed_and_groups_give_their_colour() -> None:
    corners = [Point(0, 0), Point(10, 0), Point(10, 10)]
    page = painted(group(polyline(corners, stroke="#d55e00"), polygon(corners), fill="#0072b2"))
    assert len(page.of("close")) == 1
    assert [arguments[1:] for arguments in page.of("drawPath")] == [(0, 1), (1, 0)]
    fills = [(color.red, color.green, color.blue) for (color,) in page.of("setFillColor")]
    assert fills[-1] == pytest.approx((0, 0x72 / 255, 0xB2 / 255))


def test_what_shines_through_is_mixed_with_the_white_below() -> None:
    page = painted(rectangle(0, 0, 1, 1, fill="#000000", fill_opacity=0.25))
    (color,) = page.of("setFillColor")[-1]
    assert (color.red, color.green, color.blue) == (0.75, 0.75, 0.75)


def test_dashes_end_with_their_line() -> None:
    page = painted(
        line(Point(0, 0), Point(1, 1), stroke="#000000", stroke_dasharray="6 4"),
        line(Point(0, 0), Point(1, 1), stroke="#000000"),
    )
    assert page.of("setDash") == [([6 * SCALE, 4 * SCALE],), ([],)]


def test_every_drawing_of_a_report_fits_the_column() -> None:
    report = a_report(a_result())
    svgs = [part.svg for section in report.sections for part in section.content if isinstance(part, Picture)]
    assert len(svgs) == 4
    for svg in [*svgs, reliability_svg(judged(rows(16, 3)))]:
        assert Drawing(svg, COLUMN).width <= COLUMN + 1e-6
