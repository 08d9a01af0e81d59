"""infra/settings.md, the reference of all settings, from the models that read them.

`python -m infra.settings_reference` writes it; `--check` says whether it is up to date.
"""

import argparse
import sys
from importlib import import_module
from pathlib import Path

from pydantic.fields import FieldInfo

import quintet
from quintet.kernel.settings import Settings

TARGET = Path(__file__).parent / "settings.md"
HEADING = """# Settings

Every environment variable that the house reads, by the block that reads it. An empty variable counts as not set.
Made by `make settings` from the models; edit those.
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    wanted = reference()
    if not parser.parse_args().check:
        TARGET.write_text(wanted)
        return 0
    if TARGET.exists() and TARGET.read_text() == wanted:
        return 0
    print(f"{TARGET} is out of date: run `make settings`", file=sys.stderr)
    return 1


def reference() -> str:
    return "\n".join([HEADING, *(_section(block) for block in blocks())])


def blocks() -> list[type[Settings]]:
    """Every block of the package, the kernel's first, then the rooms' in alphabetical order."""
    home = Path(quintet.__file__).parent
    rooms = sorted(path.parent.name for path in home.glob("*/settings.py") if path.parent.name != "kernel")
    modules = [import_module(f"quintet.{name}.settings") for name in ["kernel", *rooms]]
    return [
        item
        for module in modules
        for item in vars(module).values()
        if isinstance(item, type) and issubclass(item, Settings) and item.__module__ == module.__name__
        if item.model_fields
    ]


def _section(block: type[Settings]) -> str:
    rows = [_row(field) for field in block.model_fields.values()]
    about = (block.__doc__ or "").split("\n")[0]
    title = f"## {block.__module__.split('.')[1]}: {block.__name__}"
    return "\n".join([title, "", about, "", "| variable | default | meaning |", "|---|---|---|", *rows, ""])


def _row(field: FieldInfo) -> str:
    default = "required" if field.is_required() else f"`{_shown(field.default)}`" if _shown(field.default) else "—"
    return f"| `{field.alias}` | {default} | {field.description} |"


def _shown(default: object) -> str:
    if default is None:
        return ""
    return str(default).lower() if isinstance(default, bool) else str(default)


if __name__ == "__main__":
    sys.exit(main())
