"""A sample's shape, as registrations write it."""

from re import ASCII, fullmatch

from quintet.kernel.errors import InvalidInput

Shape = tuple[int, ...]


def shape_of(inputs_format: str) -> Shape | None:
    """A sample's shape, None where the text is empty. Raises InvalidInput.

    >>> shape_of("(1,28,28)"), shape_of("(10,)"), shape_of("")
    ((1, 28, 28), (10,), None)
    """
    text = inputs_format.strip()
    if not text:
        return None
    if not fullmatch(r"\(\s*\d{1,9}\s*(,\s*\d{1,9}\s*)*,?\s*\)", text, ASCII):
        raise InvalidInput(f"the format {inputs_format!r} is no shape: write it like (1,28,28)")
    shape = tuple(int(part) for part in text.strip("()").split(",") if part.strip())
    if 0 in shape:
        raise InvalidInput(f"the format {inputs_format!r} has a dimension of 0: write it like (1,28,28)")
    return shape
