"""A function version's layers merged into one /opt, once, by hard links, shared by its environments."""

import os
import shutil
import tempfile
import threading
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

MERGING = threading.Lock()


def merged(layers: Sequence[Path]) -> Path:
    """The folder in which later layers lie over earlier ones; each set of layers is merged once."""
    key = sha256("\n".join(map(str, layers)).encode()).hexdigest()[:16]
    target = Path(tempfile.gettempdir()) / f"opt-{key}"
    with MERGING:
        if not target.exists():
            merge(layers, target)
    return target


def merge(layers: Sequence[Path], target: Path) -> None:
    half = Path(tempfile.mkdtemp(prefix="opt-", dir=target.parent))
    for layer in layers:
        shutil.copytree(layer, half, dirs_exist_ok=True, copy_function=lay)
    half.rename(target)


def lay(source: str, target: str) -> None:
    Path(target).unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
