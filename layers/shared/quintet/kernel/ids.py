"""Names for jobs, uploads and requests."""

import hashlib
import re
import secrets

_CORRELATION = re.compile(r"[A-Za-z0-9._:@-]{1,128}")


def new_id() -> str:
    """32 hexadecimal digits nobody can guess."""
    return secrets.token_hex(16)


def correlation_id(proposed: str | None) -> str:
    """The caller's own correlation id where it is harmless in a log and a header, else a new one.

    >>> correlation_id("order-17")
    'order-17'
    >>> correlation_id("two\\nlines") == "two\\nlines"
    False
    """
    return proposed if proposed and _CORRELATION.fullmatch(proposed) else new_id()


def fingerprint(secret: str) -> str:
    """A short, stable name for somebody known by a secret: the first 16 hexadecimal digits of its SHA-256.

    >>> fingerprint("a key")
    '8fa3aab2faa9b79e'
    """
    return hashlib.sha256(secret.encode()).hexdigest()[:16]
