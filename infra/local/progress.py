"""Progress of steps that may take longer than two seconds: a spinner on a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console


class Progress:
    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False, soft_wrap=True)

    @contextmanager
    def step(self, doing: str) -> Iterator[None]:
        """Show `doing` while the block runs, and how long it took."""
        start = time.monotonic()
        with self.shown(doing):
            yield
        self.console.print(f"  [green]✓[/] {doing} [dim]{time.monotonic() - start:.1f} s[/]")

    @contextmanager
    def shown(self, doing: str) -> Iterator[None]:
        if self.console.is_terminal:
            with self.console.status(doing):
                yield
        else:
            self.console.print(f"  … {doing}")
            yield

    def say(self, line: str) -> None:
        self.console.print(f"  {line}")
