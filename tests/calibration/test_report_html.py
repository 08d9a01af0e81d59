"""The page stands for itself, shows all that the report says, and takes nothing that was sent for markup."""

import re
from collections import Counter
from html.parser import HTMLParser

import pytest

from quintet.calibration.join import Conflict, Missing
from quintet.calibration.report import Notes, Report
from quintet.calibration.report_html import report_html
from quintet.calibration.sections import Picture, Table
from tests.calibration.judged_sessions import HOSTILE, a_report, a_result

VOID = {"meta"}


class Page(HTMLParser):
    """Reads a page and keeps book of its elements; raises where one is closed that was not opened."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: Counter[str] = Counter()
        self.attributes: list[tuple[str, str]] = []
        self.text: list[str] = []
        self.styles = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["style"]:
            self.styles += data
        elif data.strip():
            self.text.append(data)


@pytest.fixture
def hostile() -> Report:
    notes = Notes(
        missing=Missing((range(3),), (), ("inputs",)),
        conflicts=[Conflict(1, "inputs", "content")],
        troubles=[HOSTILE],
    )
    sent = ("id", "client_id", "reason", "model_type", "inputs_format", "outputs_format")
    return a_report(a_result(), notes, state="FAILED", **dict.fromkeys(sent, HOSTILE))


def test_what_was_sent_stays_text(hostile: Report) -> None:
    page = Page(report_html(hostile))
    plain = Page(report_html(a_report(a_result(), Notes(troubles=["x"]), reason="x", state="FAILED")))
    assert page.elements.keys() == plain.elements.keys()
    assert "script" not in page.elements
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert sum('<script>alert("x")</script>' in text for text in page.text) == 7


def test_what_was_sent_turns_nothing_round(hostile: Report) -> None:
    html = report_html(hostile)
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00-\x08\x0b-\x1f]", html)
    assert html.count("عميل") == len(re.findall("<bdi>(?:(?!</bdi>).)*عميل", html))


def test_the_page_needs_nothing_beside_it(hostile: Report) -> None:
    page = Page(report_html(hostile))
    assert page.elements["link"] == page.elements["img"] == page.elements["iframe"] == page.elements["script"] == 0
    assert not [name for name, _ in page.attributes if name in ("src", "href", "xlink:href", "action")]
    assert not re.search(r"url\(|@import|expression", page.styles)
    assert {value for _, value in page.attributes if value.startswith("http")} <= {"http://www.w3.org/2000/svg"}


def test_the_page_shows_all_that_the_report_says() -> None:
    report = a_report(a_result(), Notes(duplicates=3))
    shown = "\n".join(Page(report_html(report)).text)
    said = [report.title, report.code, *report.notices, *(word for fact in report.facts for word in fact)]
    said += [word for answer in report.ruling.answers for word in (answer.question, *answer.reasons)]
    for section in report.sections:
        said.append(section.title)
        said += [part for part in section.content if isinstance(part, str)]
        said += [cell for part in section.content if isinstance(part, Table) for row in part.rows for cell in row]
    assert [words for words in said if words not in shown] == []


def test_drawings_are_on_the_page_with_their_names() -> None:
    report = a_report(a_result())
    html = report_html(report)
    drawn = [part.svg for section in report.sections for part in section.content if isinstance(part, Picture)]
    assert len(drawn) == 4
    for svg in drawn:
        assert f"<figure>{svg}</figure>" in html
        assert re.search(r'<title>[^<]+</title><desc>[^<]+</desc>.*role="img"|role="img".*<title>', svg)


def test_a_verdict_is_told_in_words_and_not_in_colour_alone() -> None:
    page = Page(report_html(a_report(None, state="FAILED")))
    assert "Verdict: NEEDS REVIEW" in page.text
    assert {"✗", "?"} <= set(page.text)
    assert any("not judged" in text for text in page.text)


def test_the_page_is_in_the_language_of_its_words() -> None:
    assert ("lang", "en") in Page(report_html(a_report(None))).attributes
