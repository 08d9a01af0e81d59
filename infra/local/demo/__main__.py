"""`python -m infra.local.demo [--rooms glucose]`: start the collection, show its rooms at work, stop it again.

A collection that is running already is used as it is and left running.
"""

import argparse
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import httpx
from rich.console import Console

from infra.local.__main__ import cloud_of
from infra.local.__main__ import parser as cloud_parser
from infra.local.cloud import Cloud
from infra.local.demo import aggregation, calibration, glucose, handover, training
from infra.local.demo.aggregation_results import listening
from infra.local.endpoints import Endpoints
from infra.local.errors import CloudError
from infra.local.rooms import ROOMS
from infra.local.up import down, status, up

SHOWS: dict[str, Callable[[Endpoints, Path, Console], None]] = {
    "glucose": glucose.show,
    "training": training.show,
    "calibration": calibration.show,
    "aggregation": aggregation.show,
    "handover": handover.show,
}
"""What each room shows: given where everything is, a folder for pictures, and the screen."""


def main() -> int:
    arguments = argparse.ArgumentParser("python -m infra.local.demo", description=__doc__)
    arguments.add_argument("--rooms", default="", help="the rooms to show, by comma; all that are built where none is")
    wanted = arguments.parse_args().rooms.replace(" ", ",")
    console = Console(highlight=False, soft_wrap=True)
    cloud = cloud_of(cloud_parser().parse_args(["up", "--rooms", wanted, "--free-ports"]))
    try:
        return demonstrate(cloud, [name for name in wanted.split(",") if name] or list(SHOWS), console)
    except CloudError as error:
        console.print(f"[red]✗[/] {error}\n  {error.remedy}", markup=True)
    except httpx.HTTPError as error:
        console.print(f"[red]✗[/] the collection did not answer: {error}\n  See `make logs`, then try again.")
    except KeyboardInterrupt:
        return 130
    return 1


def demonstrate(cloud: Cloud, rooms: list[str], console: Console) -> int:
    if unknown := [name for name in rooms if name not in SHOWS]:
        raise CloudError(f"No demonstration of {', '.join(unknown)}.", f"Built rooms: {', '.join(SHOWS)}.")
    running = Endpoints.read(cloud.folder) if all(status(cloud).values()) else None
    pictures = cloud.folder.path / "demo"
    pictures.mkdir(parents=True, exist_ok=True)
    try:
        with nullcontext() if running else listening():
            endpoints = running or up(cloud)
            for name in rooms:
                console.rule(f"[bold]{name}")
                SHOWS[name](endpoints, pictures, console)
    finally:
        if not running:
            down(cloud)
    console.print("The collection that was running goes on." if running else "Everything was stopped again.")
    return 0


assert set(SHOWS) <= set(ROOMS)

if __name__ == "__main__":
    sys.exit(main())
