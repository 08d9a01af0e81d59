"""A Lambda base image: AWS's own where it can be had, else a stand-in made of this machine's Python.

The stand-in carries the names that the SAM CLI looks for, so `sam local invoke --skip-pull-image` finds it. It has
the managed runtime's paths (/var/lang, /var/runtime, /var/task, /opt) and its client; it is not Amazon Linux.
"""

import io
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.containers.engine import Engine

REPOSITORY = "public.ecr.aws/lambda/python"
REAL = "3.13"  # the version of our deployments; 3.11 is Amazon Linux 2, too old for the layers' wheels
PULL_SECONDS = 300
LABEL = "quintet.stand-in"

FILES = Path(__file__).parent / "image"
TOOLS = ("sh", "cat", "chmod", "cp", "ls", "mkdir", "mv", "rm")
LIBRARIES = ("libdl.so.2", "libgcc_s.so.1", "libnss_dns.so.2", "libnss_files.so.2", "libpthread.so.0", "libresolv.so.2",
             "librt.so.1", "libstdc++.so.6", "libutil.so.1")  # fmt: skip
FOLDERS = ("usr", "usr/bin", "usr/lib", "usr/lib64", "etc", "etc/ssl", "etc/ssl/certs", "var", "var/lang",
           "var/lang/bin", "var/rapid", "var/runtime", "var/task", "opt", "proc", "sys", "dev", "root")  # fmt: skip
LEFT_OUT = re.compile(r"/(test|tests|idlelib|tkinter|turtledemo|lib2to3|site-packages|dist-packages|config-[^/]+)(/|$)")
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
PEOPLE = "root:x:0:0:root:/root:/bin/sh\nsbx_user1051:x:993:990::/tmp:/bin/false\n"
CHANGES = ("ENTRYPOINT [\"/var/runtime/bootstrap\"]", "WORKDIR /var/task", f"LABEL {LABEL}=true",
           "ENV LANG=en_US.UTF-8 PATH=/var/lang/bin:/usr/bin:/bin:/opt/bin LAMBDA_TASK_ROOT=/var/task "
           "LAMBDA_RUNTIME_DIR=/var/runtime "
           "LD_LIBRARY_PATH=/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/task:/var/task/lib:/opt/lib")  # fmt: skip

Entries = dict[str, Path]


@dataclass(frozen=True)
class LambdaImage:
    python: str
    stand_in: bool


@contextmanager
def lambda_image(engine: Engine, runtime: Path, scratch: Path) -> Iterator[LambdaImage]:
    """`runtime` holds awslambdaric and boto3 for this Python. Only a stand-in is removed again."""
    if engine.docker("image", "inspect", name(REAL)) or engine.docker("pull", name(REAL), timeout=PULL_SECONDS):
        yield LambdaImage(REAL, stand_in=False)
        return
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    label = engine.docker("image", "inspect", "--format", f'{{{{index .Config.Labels "{LABEL}"}}}}', name(version))
    if label is not None and label.strip() != "true":
        raise RuntimeError(f"{name(version)} is here and not ours: remove it, or let {name(REAL)} be pulled")
    write_root(scratch / "root.tar", runtime, version)
    changes = [part for change in CHANGES for part in ("--change", change)]
    if engine.docker("import", *changes, scratch / "root.tar", name(version)) is None:
        raise RuntimeError("docker can't import the stand-in for Lambda's image")
    (scratch / "root.tar").unlink()
    try:
        yield LambdaImage(version, stand_in=True)
    finally:
        engine.docker("image", "rm", "--force", name(version), name(version, "rapid-"))


def name(version: str, kind: str = "") -> str:
    return f"{REPOSITORY}:{version}-{kind}x86_64"


def write_root(target: Path, runtime: Path, version: str) -> None:
    """The root file system as a tar, out of this machine's own files."""
    entries = python_entries(version)
    for tool in TOOLS:
        entries |= {f"usr/bin/{tool}": path for path in [Path("/bin", tool)] if path.exists()}
    entries |= library_entries(entries.values())
    entries |= tree("var/runtime", runtime) | tree("var/runtime", FILES)
    if CERTIFICATES.exists():
        entries["etc/ssl/certs/ca-certificates.crt"] = CERTIFICATES
    with tarfile.open(target, "w") as tar:
        for folder in FOLDERS:
            tar.addfile(marked(tarfile.TarInfo(folder), tarfile.DIRTYPE, 0o755))
        tar.addfile(marked(tarfile.TarInfo("tmp"), tarfile.DIRTYPE, 0o1777))
        for link, aim in [("bin", "usr/bin"), ("lib", "usr/lib"), ("lib64", "usr/lib64"),
                          ("var/lang/bin/python3", f"python{version}")]:  # fmt: skip
            made = marked(tarfile.TarInfo(link), tarfile.SYMTYPE, 0o777)
            made.linkname = aim
            tar.addfile(made)
        add_text(tar, "etc/passwd", PEOPLE)
        for place, path in sorted(entries.items()):
            add_file(tar, place, path)


def python_entries(version: str) -> Entries:
    """The running interpreter and its standard library under /var/lang."""
    library = Path(sysconfig.get_path("stdlib"))
    kept = (path for path in files(library) if not LEFT_OUT.search(f"/{path.relative_to(library)}"))
    entries = {f"var/lang/lib/python{version}/{path.relative_to(library)}": path for path in kept}
    return {f"var/lang/bin/python{version}": Path(sys.executable).resolve(), **entries}


def tree(place: str, folder: Path) -> Entries:
    return {f"{place}/{path.relative_to(folder)}": path for path in files(folder)}


def files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def library_entries(programs: Iterable[Path]) -> Entries:
    """The shared libraries that programs and extensions load, and those that wheels expect of Linux."""
    machine = sysconfig.get_config_var("MULTIARCH") or ""
    expected = [Path("/usr/lib", machine, library) for library in LIBRARIES]
    needed = {path for path in expected if path.exists()}
    for program in [*programs, *needed]:
        if program.suffix == ".so" or os.access(program, os.X_OK):
            needed |= loaded(program)
    return {placed(path): path for path in needed}


def loaded(program: Path) -> set[Path]:
    done = subprocess.run(["ldd", program], capture_output=True, text=True, check=False)
    return {Path(found) for found in re.findall(r"(/\S+) \(0x", done.stdout)}


def placed(library: Path) -> str:
    """Where the loader will look: the interpreter's own beside it, the system's where they are."""
    if library.is_relative_to(sys.base_prefix) and sys.base_prefix != "/usr":
        return f"var/lang/lib/{library.name}"
    place = str(library).lstrip("/")
    return place if place.startswith("usr/") else f"usr/{place}"


def add_file(tar: tarfile.TarFile, place: str, path: Path) -> None:
    content = path.read_bytes()
    made = tarfile.TarInfo(place)
    made.size, made.mode = len(content), path.stat().st_mode & 0o777
    tar.addfile(made, io.BytesIO(content))


def add_text(tar: tarfile.TarFile, place: str, text: str) -> None:
    made = tarfile.TarInfo(place)
    made.size, made.mode = len(text), 0o644
    tar.addfile(made, io.BytesIO(text.encode()))


def marked(made: tarfile.TarInfo, kind: bytes, mode: int) -> tarfile.TarInfo:
    made.type, made.mode = kind, mode
    return made
