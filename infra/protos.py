"""The Python code of every room's .proto file, which lies beside it.

`python -m infra.protos` writes it; `--check` says whether it is up to date.
"""

import argparse
import sys
import sysconfig
import tempfile
from importlib.resources import as_file, files
from pathlib import Path

from grpc_tools import protoc  # type: ignore[import-untyped]

PACKAGE_ROOT = Path(__file__).parents[1] / "layers/shared"
SCRIPTS = Path(sysconfig.get_path("scripts"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    only_checks = parser.parse_args().check
    with tempfile.TemporaryDirectory(prefix="quintet-protos-") as folder:
        compile_all(Path(folder))
        wanted = {path.relative_to(folder): path.read_bytes() for path in Path(folder).rglob("*.py*")}
    different = sorted(path for path in wanted.keys() | committed() if read(PACKAGE_ROOT / path) != wanted.get(path))
    if only_checks:
        for path in different:
            print(f"{path} is not what its .proto gives: run `make proto`", file=sys.stderr)
        return int(bool(different))
    for path in different:
        (PACKAGE_ROOT / path).unlink(missing_ok=True)
        if path in wanted:
            (PACKAGE_ROOT / path).write_bytes(wanted[path])
    return 0


def compile_all(target: Path) -> None:
    """Every .proto of the package, with the package's root as include path: its imports are absolute. Each gives the
    messages, the services, and the types of both.
    """
    outputs = [f"--{kind}_out={target}" for kind in ("python", "grpc_python")]
    outputs += [f"--{kind}_out=quiet:{target}" for kind in ("mypy", "mypy_grpc")]
    plugins = [f"--plugin=protoc-gen-{kind}={SCRIPTS / f'protoc-gen-{kind}'}" for kind in ("mypy", "mypy_grpc")]
    sources = [str(path.relative_to(PACKAGE_ROOT)) for path in sorted(PACKAGE_ROOT.glob("quintet/*/pb/*.proto"))]
    with as_file(files("grpc_tools") / "_proto") as well_known:
        includes = [f"-I{PACKAGE_ROOT}", f"-I{well_known}"]
        if protoc.main(["protoc", *includes, *plugins, *outputs, *sources]):
            raise SystemExit("a .proto file can't be compiled; protoc says why above")


def committed() -> set[Path]:
    return {path.relative_to(PACKAGE_ROOT) for path in PACKAGE_ROOT.glob("quintet/*/pb/*_pb2*.py*")}


def read(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


if __name__ == "__main__":
    sys.exit(main())
