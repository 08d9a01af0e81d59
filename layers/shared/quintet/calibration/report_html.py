"""A report as one HTML page that needs nothing beside it: no script, styles and drawings within, fit to be printed.

It works under `Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'`. Whatever others sent is
escaped, and stands in a `bdi`, so that a name written from right to left turns nothing else round.
"""

from collections.abc import Iterator
from html import escape

from quintet.calibration.report import Answer, Report, Ruling, at
from quintet.calibration.sections import Picture, Section, Table

STYLE = """
:root { color-scheme: light; --ink: #1f2d44; --faint: #55637a; --rule: #d5dce6; --accent: #0b4f86 }
* { box-sizing: border-box }
body { margin: 0; background: #f3f5f8; color: var(--ink);
  font: 16px/1.5 "Open Sans", system-ui, "Segoe UI", Roboto, "Noto Sans", sans-serif }
main { max-width: 60rem; margin: 0 auto; padding: 2.5rem clamp(1rem, 4vw, 3.5rem); background: white }
header { border-bottom: 3px solid var(--accent); padding-bottom: 1rem; margin-bottom: 1.5rem }
h1 { margin: 0; font-size: 1.75rem; line-height: 1.2 }
h2 { margin: 2.2rem 0 .6rem; padding-bottom: .25rem; border-bottom: 1px solid var(--rule); font-size: 1.25rem;
  color: var(--accent) }
p { margin: .6rem 0; max-width: 48rem }
header p, .notice, figcaption { color: var(--faint) }
bdi, td { overflow-wrap: anywhere }
table { border-collapse: collapse; margin: .8rem 0; width: 100%; font-size: .94rem }
caption { text-align: left; font-weight: 600; padding: .3rem 0 }
th, td { text-align: left; vertical-align: top; padding: .38rem .7rem .38rem 0; border-bottom: 1px solid var(--rule) }
thead th { color: var(--faint); font-weight: 600; border-bottom: 2px solid var(--rule) }
.figures td, .figures thead th:not(:first-child) { text-align: right; font-variant-numeric: tabular-nums }
.figures th { font-weight: 400 }
.facts th { width: 12rem; color: var(--faint); font-weight: 400 }
.verdict { margin: 1.5rem 0; padding: 1rem 1.3rem .6rem; border: 2px solid; border-left-width: .7rem;
  border-radius: .3rem }
.verdict h2 { margin: 0; border: 0; padding: 0; color: inherit; font-size: 1.35rem }
.verdict.good { border-color: #00735a; background: #f1f9f6 }
.verdict.review { border-color: #b34700; background: #fff7f1 }
.verdict.good h2 { color: #005c48 } .verdict.review h2 { color: #8f3900 }
.verdict ul { margin: 0; padding: 0; list-style: none }
.verdict th, .answer { white-space: nowrap; font-weight: 600 }
.notice { border-left: .25rem solid var(--rule); padding-left: .8rem }
figure { margin: 1rem 0; overflow-x: auto }
svg { display: block; max-width: 100%; height: auto }
@page { size: A4; margin: 16mm 14mm }
@media print {
  body { background: white; font-size: 10.5pt }
  main { max-width: none; padding: 0 }
  h2 { break-after: avoid }
  .verdict, tr, figure { break-inside: avoid }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact }
}
"""


def report_html(report: Report) -> str:
    texts = report.texts
    return "\n".join(
        (
            "<!DOCTYPE html>",
            f'<html lang="{texts.language}">',
            "<head>",
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(f'{report.title} {report.code}')}</title>",
            f"<style>{STYLE}</style>",
            "</head>",
            "<body>",
            "<main>",
            *_heading(report),
            *_facts(report),
            *_ruling(report.ruling, report),
            *(f'<p class="notice">{escape(notice)}</p>' for notice in report.notices),
            *(line for section in report.sections for line in _section(section)),
            "</main>",
            "</body>",
            "</html>",
            "",
        )
    )


def _heading(report: Report) -> Iterator[str]:
    texts = report.texts
    yield "<header>"
    yield f"<h1>{escape(report.title)}</h1>"
    yield f"<p>{escape(texts.subtitle)}</p>"
    yield f"<p>{escape(texts.code)} <b>{escape(report.code)}</b> · {escape(texts.issued)} {at(report.moment)}</p>"
    yield "</header>"


def _facts(report: Report) -> Iterator[str]:
    yield '<table class="facts"><tbody>'
    for name, value in report.facts:
        yield f'<tr><th scope="row">{escape(name)}</th><td><bdi>{escape(value)}</bdi></td></tr>'
    yield "</tbody></table>"


def _ruling(ruling: Ruling, report: Report) -> Iterator[str]:
    texts = report.texts
    yield f'<section class="verdict {"good" if ruling.satisfactory else "review"}">'
    yield f"<h2>{escape(texts.verdict)}: {escape(ruling.words)}</h2>"
    yield f"<p>{escape(ruling.sentence)}</p>"
    yield "<table><thead><tr>"
    yield from (f'<th scope="col">{escape(name)}</th>' for name in (texts.question, texts.answer, texts.reason))
    yield "</tr></thead><tbody>"
    yield from map(_answer, ruling.answers)
    yield "</tbody></table>"
    yield "</section>"


def _answer(answer: Answer) -> str:
    mark = {True: "✓", False: "✗", None: "?"}[answer.met]
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in answer.reasons)
    return (
        f'<tr><th scope="row">{escape(answer.question)}</th><td class="answer">'
        f'<span aria-hidden="true">{mark}</span> {escape(answer.answer)}</td><td><ul>{reasons}</ul></td></tr>'
    )


def _section(section: Section) -> Iterator[str]:
    yield "<section>"
    yield f"<h2>{escape(section.title)}</h2>"
    for part in section.content:
        if isinstance(part, Table):
            yield from _table(part)
        elif isinstance(part, Picture):
            yield f"<figure>{part.svg}</figure>"
        else:
            yield f"<p><bdi>{escape(part)}</bdi></p>"
    yield "</section>"


def _table(table: Table) -> Iterator[str]:
    yield '<table class="figures">'
    if table.caption:
        yield f"<caption>{escape(table.caption)}</caption>"
    yield "<thead><tr>"
    yield from (f'<th scope="col">{escape(name)}</th>' for name in table.header)
    yield "</tr></thead><tbody>"
    for name, *values in table.rows:
        cells = "".join(f"<td>{escape(value)}</td>" for value in values)
        yield f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>'
    yield "</tbody></table>"
