"""Something whose chosen methods fail while it is away."""

from collections.abc import Iterable
from typing import Any

from quintet.kernel.errors import Unavailable


class Flaky:
    """`away`: each call of these methods is Unavailable; `left`: so many of them are done before it is."""

    def __init__(self, whole: object, methods: Iterable[str]) -> None:
        self._whole, self._methods = whole, set(methods)
        self.away = False
        self.left = 0

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._whole, name)
        if name not in self._methods:
            return method

        def tried(*arguments: Any, **named: Any) -> Any:
            if self.away and self.left <= 0:
                raise Unavailable("it is away")
            self.left -= self.away
            return method(*arguments, **named)

        return tried
