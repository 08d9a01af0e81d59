"""Which text a queue takes, and how to make any text such."""

import re

_NOT_TAKEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def queues_take(text: str) -> bool:
    r"""Whether SQS takes it as a body or an attribute: neither empty nor with control characters in it.

    >>> queues_take("tab\tü"), queues_take(""), queues_take("null \0")
    (True, False, False)
    """
    return bool(text) and not _NOT_TAKEN.search(text)


def printable(text: str) -> str:
    """With a replacement for each control character: a reason may quote what was sent."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
