"""Whose a key of the bucket is.

A caller's own folders are `datasets/<caller>/`, `models/<caller>/`, `images/<caller>/` and `uploads/<caller>/`. What
else a caller may use, the operator grants. The house's own folders are nobody's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from quintet.kernel.errors import InvalidInput, PermissionDenied
from quintet.training.messages import KEY_BYTES

FOLDERS = ("datasets", "models", "images", "uploads")
HOUSE = ("claims/", "results/", "checkpoints/")


@dataclass(frozen=True)
class Access:
    """`grants`: folders (`datasets/`, or `datasets/blood/`) by caller."""

    grants: Mapping[str, Sequence[str]]
    bucket: str = ""

    def key(self, caller: str, given: str) -> str:
        """The key that `given` names, if the caller may use it.

        Raises InvalidInput for what is no key of this bucket, and PermissionDenied for what is somebody else's.

        >>> Access({"broker": ["datasets/"]}).key("broker", "datasets/blood/")
        'datasets/blood/'
        """
        key = plain(given, self.bucket)
        own = [f"{folder}/{caller}/" for folder in FOLDERS]
        granted = [folder for folder in self.grants.get(caller, ()) if not self._is_anothers(caller, key, folder)]
        if f"{key}/".startswith(HOUSE) or not any(f"{key}/".startswith(folder) for folder in [*own, *granted]):
            raise PermissionDenied(
                f"{key!r} is not among the folders of this caller: {', '.join([*granted, *own])}", caller=caller
            )
        return key

    def folder(self, caller: str, given: str) -> str:
        """The folder that `given` names, with a slash at its end, if the caller may read all that lies in it.

        Raises as `key` does.

        >>> Access({"broker": ["datasets/"]}).folder("broker", "datasets/blood")
        'datasets/blood/'
        """
        folder = self.key(caller, given).removesuffix("/") + "/"
        if folder.count("/") == 1:
            raise PermissionDenied(f"{folder!r} holds other callers' folders: name one within it", caller=caller)
        return folder

    def _is_anothers(self, caller: str, key: str, folder: str) -> bool:
        """A grant of `datasets/` does not open the folders of callers who have one of their own in there."""
        owner = key.removeprefix(folder).partition("/")[0]
        return folder.count("/") == 1 and owner != caller and (owner in self.grants or owner.startswith("key-"))


def plain(given: str, bucket: str = "") -> str:
    """A key without the bucket's name. Raises InvalidInput.

    >>> plain("s3://mine/a//b", "mine"), plain("/datasets/x/")
    ('a/b', 'datasets/x/')
    """
    key = given
    if "://" in given:
        place, _, key = given.partition("://")[2].partition("/")
        if not given.startswith("s3://") or place != bucket:
            raise InvalidInput(f"{given!r} is not in this deployment's bucket: name the key alone")
    parts = [part for part in key.split("/") if part]
    if not parts or any(part in {".", ".."} for part in parts) or "\\" in key or not key.isprintable():
        raise InvalidInput(f"{given!r} is not a key: give one like datasets/name/")
    if len(key.encode()) > KEY_BYTES:
        raise InvalidInput(f"a key may have {KEY_BYTES} bytes, this one has {len(key.encode())}")
    return "/".join(parts) + ("/" if key.endswith("/") else "")
