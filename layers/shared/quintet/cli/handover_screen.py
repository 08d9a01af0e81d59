"""What the handover room's commands show: a collection's or job's progress, and a drive as it is replayed."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from quintet.cli.handover_replay import Score, Step
from quintet.handover.collecting import Collected

ROWS = 12
LINES_EVERY = 10

Shown = Callable[[Collected], None]


@contextmanager
def collecting(console: Console) -> Iterator[Shown]:
    """A bar where somebody watches, else a line now and then."""
    if not console.is_terminal:
        yield lambda now: _collected_line(now, console)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bars:
        bar = bars.add_task("looks", total=None)

        def move(now: Collected) -> None:
            bars.update(bar, total=now.span.looks, completed=now.looks, description=_said(now))

        yield move


def _collected_line(now: Collected, console: Console) -> None:
    if now.looks == 1 or now.looks % LINES_EVERY == 0 or now.looks == now.span.looks:
        console.print(f"look {now.looks} of {now.span.looks}: {_said(now)}", markup=False)


def _said(now: Collected) -> str:
    failed = f", {now.failed_looks} looks failed ({now.troubles[-1]})" if now.failed_looks else ""
    return f"{now.moving} UEs move, {len(now.samples)} samples{failed}"


def job_line(console: Console) -> Callable[[dict[str, Any]], None]:
    """A line for whatever is new of a job."""
    told: set[str] = set()

    def tell(job: dict[str, Any]) -> None:
        progress = job.get("progress") or {}
        known = ", ".join(f"{name} {value}" for name, value in progress.items())
        line = f"job {job['job_id']}: {job['status']}{f' ({known})' if known else ''}"
        if line not in told:
            told.add(line)
            console.print(line, markup=False)

    return tell


@contextmanager
def replaying(console: Console, total: int, title: str) -> Iterator[Callable[[Step, Score], None]]:
    """The last moments and the counts, live; where nobody watches, a line whenever something happened."""
    if not console.is_terminal:
        yield lambda step, _: _event_line(step, console)
        return
    last: deque[Step] = deque(maxlen=ROWS)
    with Live(console=console, refresh_per_second=8) as live:

        def show(step: Step, score: Score) -> None:
            last.append(step)
            live.update(Group(_moments(last, f"{title}: {score.moments} of {total}"), counts(score)))

        yield show


def _event_line(step: Step, console: Console) -> None:
    if step.happened:
        console.print(f"{_clock(step.moment.at)}  {step.moment.ue}  {_what(step)}", markup=False, soft_wrap=True)


def _moments(steps: deque[Step], title: str) -> Table:
    table = Table("time", "UE", "serving", "advised", "confidence", "", title=title, title_justify="left")
    for step in steps:
        style = {"change": "yellow", "advice": "cyan", "both": "green"}.get(step.happened, "")
        answer = step.answer
        table.add_row(
            _clock(step.moment.at), step.moment.ue, str(step.moment.serving), str(answer["predicted_antenna"]),
            f"{answer['confidence']:.2f}", _what(step), style=style,
        )  # fmt: skip
    return table


def _what(step: Step) -> str:
    advised = f"advised: {step.moment.serving} → {step.answer['predicted_antenna']} ({step.answer['confidence']:.2f})"
    changed = f"the network went {step.left} → {step.moment.serving}"
    held = step.answer.get("suppression_reason")
    said = {"change": [changed], "advice": [advised], "both": [changed, advised], "": []}[step.happened]
    return "; ".join([*said, *([f"held back: {held}"] if held else [])])


def counts(score: Score) -> Table:
    table = Table("", "", title="so far", title_justify="left", show_header=False)
    table.add_row("moments", str(score.moments))
    table.add_row("real cell changes", str(score.changes))
    table.add_row("ping-pongs among them", f"{score.pingpongs} ({score.pingpong_rate:.1%})")
    table.add_row("handovers advised", str(score.advised))
    table.add_row("real changes that were advised ≤ 3 s before", str(score.in_time))
    table.add_row("advices taken back", str(score.taken_back))
    table.add_row("answers that the guards held back", str(score.suppressed))
    return table


def trained(answer: dict[str, Any]) -> Table:
    metrics = answer.get("metrics") or {}
    table = Table("", "", title="trained", title_justify="left", show_header=False)
    for name, value in metrics.items():
        if isinstance(value, int | float):
            table.add_row(name, f"{value:.4g}")
    importance = metrics.get("feature_importance") or {}
    for name, value in sorted(importance.items(), key=lambda pair: -pair[1])[:10]:
        table.add_row(f"importance of {name}", f"{value:.4f}")
    return table


def _clock(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%H:%M:%S}"
