"""`python -m infra.local {up,down,logs,status,endpoints}`, run from the root of the project."""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.markup import escape

from infra.local.cloud import ROOT, Cloud
from infra.local.endpoints import Endpoints, show
from infra.local.errors import CloudError
from infra.local.folder import Folder
from infra.local.logs import follow
from infra.local.ports import Ports
from infra.local.progress import Progress
from infra.local.up import down, status, up


def names(text: str) -> list[str]:
    return [name for name in text.replace(" ", ",").split(",") if name]


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser("python -m infra.local", description=__doc__)
    made.add_argument("verb", choices=["up", "down", "logs", "status", "endpoints"])
    made.add_argument("--rooms", type=names, default=[], help="the rooms to start, by comma; all where none is named")
    made.add_argument("--with", dest="servers", type=names, default=[], help="rabbitmq and mlflow, wanted besides")
    made.add_argument("--dir", type=Path, default=ROOT / ".local", help="where this cloud keeps its state")
    made.add_argument("--template", type=Path, default=ROOT / "template.yaml")
    made.add_argument("--free-ports", action="store_true", help="choose every port among the free ones")
    return made


def cloud_of(arguments: argparse.Namespace) -> Cloud:
    progress = Progress()
    return Cloud(
        folder=Folder(arguments.dir.resolve()),
        ports=Ports(progress, always_free=arguments.free_ports),
        progress=progress,
        template=arguments.template.resolve(),
        rooms=arguments.rooms,
        servers=arguments.servers,
    )


def obey(verb: str, cloud: Cloud) -> int:
    match verb:
        case "up":
            show(up(cloud))
        case "down":
            down(cloud)
        case "logs":
            running(cloud)
            follow(cloud, lambda line: print(line, flush=True))
        case "endpoints":
            print((cloud.folder.endpoints).read_text() if running(cloud) else "", end="")
        case "status":
            for name, alive in status(cloud).items():
                print(f"{name:<12} {'running' if alive else 'ended'}")
            running(cloud)
    return 0


def running(cloud: Cloud) -> Endpoints:
    """Its endpoints; raises CloudError where there is no cloud."""
    found = Endpoints.read(cloud.folder)
    if found is None:
        raise CloudError(f"No cloud runs in {cloud.folder.path}.", "Run `make up`.")
    return found


def failed(error: Exception, remedy: str) -> int:
    say = Console(stderr=True, soft_wrap=True, highlight=False)
    say.print(f"[red]✗[/] {escape(str(error))}")
    say.print(f"  {remedy}", markup=False)
    return 1


def main(arguments: Sequence[str] | None = None) -> int:
    given = parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return obey(given.verb, cloud_of(given))
    except CloudError as error:
        return failed(error, error.remedy)
    except (BotoCoreError, ClientError) as error:
        return failed(error, "LocalStack's log (`make logs`) says more; `make down` and `make up` start afresh.")
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
