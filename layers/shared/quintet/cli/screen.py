"""What the aggregation room's commands show: a job's progress, and its result as a table."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table

from quintet.sdk.progress import ORDER, SAID, Listener, Progress

PLAIN = ("featureName", "dataType", "encoding", "note", "sumsOfOwnersValues", "pooled")
"""Fields that have a place of their own in the table, or none."""


@contextmanager
def shown(job: str) -> Iterator[Listener]:
    """On the standard error: the other is for results."""
    with bars(job, Console(stderr=True, highlight=False)) as listener:
        yield listener


@contextmanager
def bars(job: str, console: Console) -> Iterator[Listener]:
    """Bars where somebody watches, else a line for whatever is new."""
    if not console.is_terminal:
        yield _lines(console)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bars(*columns, console=console) as moving:
        yield _bars(job, moving)


def _lines(console: Console) -> Listener:
    told: set[str] = set()

    def tell(progress: Progress) -> None:
        line = str(progress)
        if line not in told:
            told.add(line)
            console.print(line, markup=False)

    return tell


def _bars(job: str, moving: Bars) -> Listener:
    """One for the whole way, one for what is being waited for."""
    way = moving.add_task(f"job {job}", total=len(ORDER) - 1)
    now = moving.add_task(SAID["waiting"], total=None)

    def move(progress: Progress) -> None:
        if progress.stage in ORDER:
            moving.update(way, completed=ORDER.index(progress.stage))
        if not progress.sent:
            moving.update(now, description=SAID[progress.stage], completed=progress.got, total=progress.of or None)

    return move


def table(status: Mapping[str, Any]) -> Table:
    """A row for each feature of a completed job, with the figures that the server decoded."""
    metadata = status.get("metadata") or {}
    shown = Table("feature", "type", "over the owners' records", title=f"job {status['jobId']}", title_justify="left")
    for feature in status.get("aggregatedResults") or ():
        shown.add_row(str(feature["featureName"]), str(feature["dataType"]), _figures(feature))
    if metadata.get("summedClients"):
        shown.caption = f"summed over {', '.join(metadata['summedClients'])}"
    return shown


def _figures(feature: Mapping[str, Any]) -> str:
    pooled = feature.get("pooled")
    own = {name.removeprefix("aggregated"): value for name, value in feature.items() if name not in PLAIN}
    lines = [_listed({**own, **_pooled(pooled)} if pooled else own)]
    if feature.get("note"):
        lines.append(f"[dim]{feature['note']}[/]")
    return "\n".join(lines)


def _pooled(pooled: Mapping[str, Any]) -> dict[str, Any]:
    quartiles = {name: value["value"] for name, value in (pooled.get("quartiles") or {}).items()}
    names = ("mean", "standardDeviation", "counts", "mode", "median")
    return {**{name: pooled[name] for name in names if pooled.get(name) is not None}, **quartiles}


def _listed(figures: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_figure(value)}" for name, value in figures.items())


def _figure(value: Any) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{name} {_figure(one)}" for name, one in value.items())
    return f"{value:.6g}" if isinstance(value, float) else str(value)
