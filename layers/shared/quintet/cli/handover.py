"""The handover room, for the command line.

python -m quintet.cli.handover collect --url http://localhost:8080 --username admin --duration 300 --interval 1 --train
python -m quintet.cli.handover collect --ml-service-url http://localhost:5050 --duration 60
python -m quintet.cli.handover replay drive.csv --url http://localhost:5050 --username admin --speed 10
python -m quintet.cli.handover train training_data_20260102_030405.json

`collect` looks at a NEF emulator's moving UEs; with --ml-service-url the service does so in its place. `replay` asks
the service at each moment of a recorded drive, and shows its advice beside the network's own cell changes. `train`
sends samples to the service.

A password that is not given is taken from the environment (AUTH_PASSWORD for the service, NEF_PASSWORD for the
emulator), else asked for: on the command line others can read it.

Exit codes: 0 done, 1 the other side says no, 2 the command is wrong, 3 it may succeed later, 130 interrupted.
"""

import argparse
import getpass
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from pydantic import ValidationError
from rich.console import Console

from quintet.adapters.http_calls import HttpCalls
from quintet.cli import handover_screen as screen
from quintet.cli.handover_drives import NEIGHBOUR, read_drive, read_samples, read_text, trainable_of
from quintet.cli.handover_replay import Replay
from quintet.cli.handover_service import Refused, Service
from quintet.cli.settings import HandoverClient
from quintet.handover.collecting import Collected, Span, answer, as_json, file_name, notes
from quintet.handover.collecting import collect as collect_from
from quintet.handover.messages import CollectDataRequest
from quintet.handover.nef import NefClient
from quintet.handover.nef_radio import with_radio
from quintet.kernel.breaker import Breaker
from quintet.kernel.clock import SystemClock
from quintet.kernel.errors import InvalidInput, Misconfigured, QuintetError
from quintet.kernel.settings import read

DONE, REFUSED, WRONG, LATER = range(4)
INTERRUPTED = 130
SERVICE_SECONDS = 60.0

Given = argparse.Namespace


def main(arguments: Sequence[str] | None = None) -> int:
    try:
        given = _parser().parse_args(arguments)
        return int(given.do(given))
    except (InvalidInput, Misconfigured) as error:
        return _complain(error.message, WRONG)
    except QuintetError as error:
        return _complain(error.message, LATER if error.retry else REFUSED)
    except OSError as error:
        return _complain(f"{error.filename}: {error.strerror}" if error.filename else str(error), WRONG)
    except KeyboardInterrupt:
        return INTERRUPTED


def collect(given: Given) -> int:
    wanted = _wanted(given)
    if given.ml_service_url:
        return _delegate(given, wanted)
    emulator = _logged_in(given)
    if not emulator.moving():
        raise Refused("no UE moves: start one in the emulator (POST /api/v1/ue_movement/start-loop), then try again")
    collected = _collected(emulator, Span(wanted.duration, wanted.interval))
    if given.synthesise_radio is not None:
        collected.samples = with_radio(collected.samples, emulator.cells(), seed=given.synthesise_radio)
        collected.models_radio = True
        _say(f"radio was synthesised by 3GPP TR 38.901 with seed {given.synthesise_radio}: it is nobody's measurement")
    _keep(collected, Path(given.output or Path("collected_data") / file_name(SystemClock().now())))
    return _train(given, collected.samples) if given.train else DONE


def replay(given: Given) -> int:
    """Until the drive ends, or is interrupted; the counts are shown in any case."""
    drive = read_drive(Path(given.file))
    console = Console(highlight=False)
    with _service(given.url, given, console) as service:
        replayed = Replay(service.predict)
        begin = time.time() - (drive[-1].at - drive[0].at)
        try:
            with screen.replaying(console, len(drive), Path(given.file).name) as show:
                for step in replayed.steps(drive, begin, _pace(given.speed)):
                    show(step, replayed.score)
        finally:
            if not console.is_terminal or replayed.score.moments < len(drive):
                console.print(screen.counts(replayed.score))
    return DONE


def train(given: Given) -> int:
    return _train(given, read_samples(read_text(Path(given.file))))


def _wanted(given: Given) -> CollectDataRequest:
    """What is asked of the service; it has the limits of a collection, for both ways."""
    login = {"username": given.username, "password": given.password} if given.username and given.password else {}
    try:
        return CollectDataRequest(duration=given.duration, interval=given.interval, **login)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise InvalidInput(f"--{first['loc'][0]}: {first['msg']}") from None


def _delegate(given: Given, wanted: CollectDataRequest) -> int:
    console = Console(stderr=True, highlight=False)
    with _service(given.ml_service_url, given, console) as service:
        console.print(f"the service collects for {wanted.duration:g} s", markup=False)
        told = screen.job_line(console)
        said = service.collect(wanted.model_dump(exclude_none=True), told)
        _say(f"{said['samples']} samples, kept by the service as {said['file']}")
        for note in said.get("notes") or ():
            _say(f"note: {note}")
        if given.train:
            if not said.get("upload_key"):
                raise Refused("there is nothing to train on among these samples")
            Console(highlight=False).print(screen.trained(service.train_uploaded(said["upload_key"], told)))
    return DONE


def _collected(emulator: NefClient, span: Span) -> Collected:
    """^C ends it early; what was collected until then is kept."""
    with screen.collecting(Console(stderr=True, highlight=False)) as progress:
        return collect_from(emulator, span, clock=SystemClock(), wait=_wait, progress=progress)


def _wait(seconds: float) -> bool:
    try:
        time.sleep(seconds)
    except KeyboardInterrupt:
        return True
    return False


def _keep(collected: Collected, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(as_json(collected.samples))
    said = answer(collected, str(file))
    _say(f"{said.samples} samples of {said.looks} looks, {said.trainable} of which can be trained on: {file}")
    for note in notes(collected):
        _say(f"note: {note}")


def _train(given: Given, samples: list[dict[str, Any]]) -> int:
    kept = trainable_of(samples)
    if not kept:
        raise Refused("none of these samples has radio measurements: no model can be trained on them")
    if len(kept) < len(samples):
        _say(f"{len(samples) - len(kept)} samples without radio measurements are left out")
    console = Console(stderr=True, highlight=False)
    url = getattr(given, "service_url", "") or read(HandoverClient).url
    with _service(url, given, console) as service:
        console.print(f"training on {len(kept)} samples", markup=False)
        Console(highlight=False).print(screen.trained(service.train(kept, screen.job_line(console))))
    return DONE


def _logged_in(given: Given) -> NefClient:
    known = read(HandoverClient)
    clock = SystemClock()
    emulator = NefClient(HttpCalls(), given.url or known.nef_url, Breaker("the NEF emulator", None, clock))
    username = given.username or known.nef_username or "admin"
    password = given.password or known.nef_password.get_secret_value()
    emulator.login(username, password or _asked(f"{username}'s password for the NEF emulator", "NEF_PASSWORD"))
    return emulator


@contextmanager
def _service(url: str, given: Given, console: Console) -> Iterator[Service]:
    """On `console` a limit is told that is being waited for."""
    known = read(HandoverClient)
    own = given.do is not collect  # where --username is the service's user, not the emulator's
    username = given.ml_username or (own and given.username) or known.username or given.username or "admin"
    password = given.ml_password or (own and given.password) or known.password.get_secret_value() or given.password
    password = password or _asked(f"{username}'s password for the service", "AUTH_PASSWORD")
    with httpx.Client(base_url=url, timeout=SERVICE_SECONDS) as http:
        yield Service(http, username, password, time.sleep, partial(_tell_limit, console))


def _tell_limit(console: Console, seconds: float) -> None:
    console.print(f"the service's rate limit is reached; going on in {seconds:g} s", markup=False)


def _asked(who: str, variable: str) -> str:
    """Raises InvalidInput where nobody is there to be asked."""
    if not sys.stdin.isatty():
        raise InvalidInput(f"{who} is not known: set {variable}")
    return getpass.getpass(f"{who}: ")


def _pace(speed: float) -> Callable[[float], None]:
    """Waits for the drive's own seconds, `speed` times as fast; 0: not at all."""
    return lambda seconds: time.sleep(seconds / speed) if speed and seconds > 0 else None


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _complain(said: str, code: int) -> int:
    sys.stderr.write(f"{said}\n")
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m quintet.cli.handover",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_collect(commands)
    _add_replay(commands)
    made = commands.add_parser("train", help="train the service on samples", description="Train on collected samples.")
    made.set_defaults(do=train)
    made.add_argument("file", metavar="FILE", help="a JSON list, as `collect` writes it")
    made.add_argument(
        "--url", type=_address, dest="service_url", default="", help="where the service answers (or HANDOVER_URL)"
    )
    _add_login(made, "the service's user (or AUTH_USERNAME)")
    return parser


def _add_collect(commands: Any) -> None:
    made = commands.add_parser("collect", help="collect samples from a NEF emulator", description=COLLECT)
    made.set_defaults(do=collect)
    made.add_argument("--url", type=_address, default="", help="where the emulator answers (or NEF_API_URL)")
    _add_login(made, "the emulator's user (or NEF_USERNAME)", of_service=True)
    made.add_argument("--duration", type=float, default=300, help="seconds, 1 to 3600")
    made.add_argument("--interval", type=float, default=1, help="seconds between two looks, 1 to 60")
    made.add_argument("--output", metavar="FILE", default="", help="else collected_data/training_data_….json")
    made.add_argument("--train", action="store_true", help="then train the service at HANDOVER_URL on them")
    made.add_argument(
        "--ml-service-url", type=_address, default="", help="have this service collect (and train: --train)"
    )
    made.add_argument(
        "--synthesise-radio",
        metavar="SEED",
        type=int,
        help="where the emulator models no radio, draw one by 3GPP TR 38.901: nobody's measurement",
    )


def _add_replay(commands: Any) -> None:
    made = commands.add_parser("replay", help="replay a recorded drive", description=REPLAY)
    made.set_defaults(do=replay)
    made.add_argument("file", metavar="FILE", help="a CSV trace, or a JSON list of samples")
    made.add_argument(
        "--url", type=_address, default=read(HandoverClient).url, help="where the service answers (or HANDOVER_URL)"
    )
    made.add_argument("--speed", type=_not_negative, default=1.0, help="times as fast as it was; 0: without waiting")
    _add_login(made, "the service's user (or AUTH_USERNAME)")


def _add_login(made: argparse.ArgumentParser, whose: str, *, of_service: bool = False) -> None:
    made.add_argument("--username", default="", help=whose)
    made.add_argument("--password", default="", help="better by the environment, or when asked")
    hidden = None if of_service else argparse.SUPPRESS
    made.add_argument("--ml-username", default="", help=hidden or "the service's user (or AUTH_USERNAME)")
    made.add_argument("--ml-password", default="", help=hidden or "better by AUTH_PASSWORD, or when asked")


def _address(text: str) -> str:
    if text and not text.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(f"{text} is no address: it begins with http:// or https://")
    return text


def _not_negative(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError("a number from 0")
    return value


COLLECT = """Look at the UEs that move in a NEF emulator, once each interval, and keep the samples as JSON. ^C ends it
early and keeps what there is. The original emulator knows nothing of radio: no model can be trained on its samples,
unless you have a radio drawn for them."""

REPLAY = f"""Ask the service at each moment of a drive, and show its advice beside the network's own cell changes: real
changes, ping-pongs among them, handovers advised, real changes that were advised at most 3 s before. FILE is a list of
samples (JSON, as `collect` writes it), or a trace of the 5G data set of Raca et al., MMSys 2020 (CSV). Of those
traces one neighbour's RSRP and RSRQ are known, but not which cell it is: it is called `{NEIGHBOUR}`, an advice to go
there is counted as right when any change follows, and its ping-pongs can't be told."""


if __name__ == "__main__":
    raise SystemExit(main())
