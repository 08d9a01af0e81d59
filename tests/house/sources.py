"""The rules that Python files keep. Each gives the problems it finds in one file, one sentence each."""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

HANDLER_LINES = 40
VENDORS = {"boto3", "botocore", "fastapi", "grpc", "lightgbm", "mangum", "mlflow", "onnxruntime", "pika", "redis",
           "starlette", "torch"}  # fmt: skip
DOORS = {"wiring", "http", "grpc", "amqp"}
VAGUE = re.compile(r"(^|_)(utils?|helpers?|common|managers?|base|misc)(_|$)")
VAGUE_CLASS = re.compile(r"(Utils?|Helpers?|Managers?|Misc)$")
SHELVES = {"kernel", "entry", "adapters", "sdk", "cli"}


@dataclass(frozen=True)
class Source:
    """`path` is relative to the project's root."""

    path: PurePosixPath
    text: str

    @classmethod
    def read(cls, root: Path, path: Path) -> "Source":
        return cls(PurePosixPath(path.relative_to(root)), path.read_text())

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def room(self) -> str:
        """The room whose package holds the file; empty where none does."""
        parts = self.path.parts
        inside = parts[:3] == ("layers", "shared", "quintet") and len(parts) > 4
        return parts[3] if inside and parts[3] not in SHELVES else ""

    def imports(self) -> Iterator[str]:
        """Whole names of imported modules, wherever they are imported."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (name.name for name in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module


def top(module: str) -> str:
    return module.partition(".")[0]


def environment_reads(source: Source) -> Iterator[str]:
    if source.path.match("quintet/kernel/settings.py"):
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.environ", "os.environb", "os.getenv"):
            yield f"{source.path}:{node.lineno} reads the environment"
        names = (
            {name.name for name in node.names} if isinstance(node, ast.ImportFrom) and node.module == "os" else set()
        )
        if isinstance(node, ast.ImportFrom) and names & {"environ", "environb", "getenv"}:
            yield f"{source.path}:{node.lineno} reads the environment"


def broad_excepts(source: Source) -> Iterator[str]:
    if "quintet/entry/" in str(source.path):
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ExceptHandler):
            caught = ast.unparse(node.type) if node.type else ""
            if not caught or re.search(r"\b(Base)?Exception\b", caught):
                yield f"{source.path}:{node.lineno} catches everything"


def vendors_in_the_domain(source: Source) -> Iterator[str]:
    if source.room and not DOORS.intersection((source.path.parent.name, source.path.stem)):
        for vendor in sorted(VENDORS.intersection(map(top, source.imports()))):
            yield f"{source.path} imports {vendor}"


def torch_in_a_layer(source: Source) -> Iterator[str]:
    if source.path.parts[0] != "gpu_workers" and "torch" in map(top, source.imports()):
        yield f"{source.path} imports torch"


def vague_names(source: Source) -> Iterator[str]:
    for part in (*source.path.parts[:-1], source.path.stem):
        if VAGUE.search(part):
            yield f"{source.path}: {part} says nothing"
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ClassDef) and VAGUE_CLASS.search(node.name):
            yield f"{source.path}:{node.lineno}: {node.name} says nothing"


def long_handlers(source: Source) -> Iterator[str]:
    if source.path.parts[0] != "functions":
        return
    if (lines := len(source.text.splitlines())) > HANDLER_LINES:
        yield f"{source.path} has {lines} lines, more than {HANDLER_LINES}"
    if "→" not in (ast.get_docstring(source.tree) or ""):
        yield f"{source.path} does not say where from → what → where to"
    if any(isinstance(node, ast.Try) for node in ast.walk(source.tree)):
        yield f"{source.path} tries"
    for module in source.imports():
        if top(module) not in {"quintet", "fastapi", *sys.stdlib_module_names}:
            yield f"{source.path} imports {module}"
        if module.startswith(("quintet.sdk", "quintet.cli")):
            yield f"{source.path} imports {module}, which is for users' machines"


RULES = (environment_reads, broad_excepts, vendors_in_the_domain, torch_in_a_layer, vague_names, long_handlers)
