"""Where an error comes from, for the log, without its text: that of a foreign error may quote what was sent."""

from collections.abc import Iterator
from traceback import format_tb


def where(error: BaseException) -> str:
    """The frames that led to `error` and to what caused it, each error by its class alone.

    >>> reading = "-".join(["hundred", "four"])
    >>> try:
    ...     float(reading)
    ... except ValueError as error:
    ...     said = where(error)
    >>> said.splitlines()[0], "hundred-four" in said
    ('ValueError', False)
    """
    return "caused by\n".join(f"{type(one).__name__}\n{''.join(format_tb(one.__traceback__))}" for one in _chain(error))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
