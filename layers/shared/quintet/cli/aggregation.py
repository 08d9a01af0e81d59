"""A data owner's side of the aggregation room, for the command line.

python -m quintet.cli.aggregation keys hospital-a.key
python -m quintet.cli.aggregation roster add hospital-b 9fV…=
python -m quintet.cli.aggregation --client hospital-a contribute job-1 --clients 20 --frame records.csv --schema s.json
python -m quintet.cli.aggregation watch job-1
python -m quintet.cli.aggregation result job-1 --json
python -m quintet.cli.aggregation --client hospital-a agent --port 9001

The server is --url or ORCHESTRATOR_URL, the API key --api-key or QUINTET_API_KEY, the owner --client or ID. Values
never leave this machine in the clear: what is sent is masked, and the masks cancel in the sum alone.

Exit codes: 0 done, 1 the server says no, or the owner does, 2 the command is wrong, 3 it may succeed later.
"""

import argparse
import json
import sys
from base64 import b64decode, b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from quintet.aggregation.secagg.identity import Roster
from quintet.aggregation.secagg.policy import Policy
from quintet.cli import screen
from quintet.kernel.errors import Conflict, InvalidInput, Misconfigured, QuintetError
from quintet.kernel.settings import read
from quintet.sdk.identity_file import create_identity, load_identity, load_roster
from quintet.sdk.owner import Owner, Wishes
from quintet.sdk.server import Server
from quintet.sdk.settings import OwnerSettings
from quintet.sdk.vector_files import read_schema, read_vector, vector_of_records

DONE, REFUSED, WRONG, LATER = range(4)
ANYWHERE = "*"
EVERYWHERE = {"0.0.0.0", "::"}  # noqa: S104 -- recognised, not chosen
INTERRUPTED = 130

Given = argparse.Namespace


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    try:
        return int(given.do(given))
    except (InvalidInput, Misconfigured) as error:
        return _complain(error.message, WRONG)
    except QuintetError as error:
        return _complain(error.message, LATER if error.retry else REFUSED)
    except OSError as error:
        return _complain(f"{error.filename}: {error.strerror}", WRONG)
    except KeyboardInterrupt:
        return INTERRUPTED


def keys(given: Given) -> int:
    """An identity that is there already is only shown: others may have pinned it."""
    path = Path(given.file or given.identity)
    try:
        identity = create_identity(path)
    except Conflict:
        identity = load_identity(path)
    _tell(b64encode(identity.public).decode())
    return DONE


def roster_add(given: Given) -> int:
    path = Path(given.roster)
    known = dict(load_roster(path)) if path.exists() else {}
    key = _key(given.key)
    if known.get(given.name, key) != key:
        raise Conflict(f"{path} has another key of {given.name}: ask its owner, then take the old one out by hand")
    path.write_text(Roster({**known, given.name: key}).to_json())
    return DONE


def roster_show(given: Given) -> int:
    for name, key in load_roster(Path(given.roster)).items():
        _tell(f"{b64encode(key).decode()}  {name}")
    return DONE


def contribute(given: Given) -> int:
    schema = read_schema(Path(given.schema)) if given.schema else None
    if given.frame:
        if schema is None:
            raise InvalidInput("records need a schema: name its file with --schema")
        vector = vector_of_records(Path(given.frame), schema, owners=given.clients)
    else:
        vector = read_vector(Path(given.vector))
    wishes = Wishes(given.minimum, given.deadline_seconds, given.round_seconds)
    with screen.shown(given.job) as progress:
        status = _owner(given).contribute(
            given.job, vector, total_clients=given.clients, schema=schema, wishes=wishes, progress=progress
        )
    return _show(status, as_json=given.json)


def watch(given: Given) -> int:
    with screen.shown(given.job) as progress:
        _server(given).watch(given.job, progress)
    return DONE


def result(given: Given) -> int:
    status = _server(given).status(given.job)
    if status["status"] == "COMPLETED":
        return _show(status, as_json=given.json)
    return _complain(status["message"], REFUSED if status["status"] == "FAILED" else LATER)


def agent(given: Given) -> int:
    """Until it is interrupted."""
    from quintet.sdk.agent import LOOPBACK
    from quintet.sdk.agent_server import serve

    hosts = LOOPBACK if given.host in LOOPBACK else (*LOOPBACK, ANYWHERE if given.host in EVERYWHERE else given.host)
    if hosts != LOOPBACK:
        sys.stderr.write(
            f"warning: whoever reaches {given.host}:{given.port} can read and change this owner's vectors\n"
        )
    serve(_owner(given), Path(given.datasets or f"{given.identity}.datasets"), given.host, given.port, hosts)
    return DONE


def _show(status: dict[str, Any], *, as_json: bool) -> int:
    output = ((status.get("jobInfo") or {}).get("finalResult") or {}).get("computationOutput")
    if as_json or not output:
        _tell(json.dumps(status, indent=2, ensure_ascii=False))
        return DONE
    if not status.get("aggregatedResults"):  # without a schema the numbers have no names
        _tell("\n".join(output))
        return DONE
    from rich.console import Console

    Console(highlight=False).print(screen.table(status))
    return DONE


def _owner(given: Given) -> Owner:
    if not given.client:
        raise InvalidInput("say which owner this is: --client, or the variable ID")
    return Owner(
        given.client,
        identity=given.identity,
        roster=given.roster,
        url=given.url,
        api_key=given.api_key,
        policy=Policy(least_cohort=given.least_cohort),
        patience=given.patience,
    )


def _server(given: Given) -> Server:
    return Server(given.url, given.api_key, given.patience)


def _key(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except ValueError:
        raise InvalidInput("the public key is not base64: take the line that `keys` printed") from None


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _complain(said: str, code: int) -> int:
    sys.stderr.write(f"{said}\n")
    return code


def _parser() -> argparse.ArgumentParser:
    known = read(OwnerSettings)
    parser = argparse.ArgumentParser(
        prog="python -m quintet.cli.aggregation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--url", default=known.url, help="where the aggregation room answers")
    parser.add_argument("--api-key", default=known.api_key.get_secret_value(), help="the variable is more discreet")
    parser.add_argument("--client", default=known.client, help="this owner's client id")
    parser.add_argument("--identity", metavar="FILE", default=known.identity, help="its private key")
    parser.add_argument("--roster", metavar="FILE", default=known.roster, help="all owners' public keys")
    parser.add_argument("--patience", type=float, default=known.patience, help="seconds for a server that is away")
    parser.add_argument("--least-cohort", type=int, default=Policy().least_cohort, help="no sum over fewer owners")
    _add_commands(parser.add_subparsers(required=True, metavar="COMMAND"))
    return parser


def _add_commands(commands: Any) -> None:
    def command(name: str, do: Any, about: str, among: Any = commands) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = among.add_parser(name, help=about, description=about)
        made.set_defaults(do=do)
        return made

    made = command("keys", keys, "make an identity, or show its public key, which all others pin")
    made.add_argument("file", metavar="FILE", nargs="?", help="instead of --identity's")
    _add_roster(commands.add_parser("roster", help="the public keys that this owner believes"), command)
    _add_contribute(command("contribute", contribute, "give a vector to a job and wait for its result"))
    command("watch", watch, "a job's progress until its end").add_argument("job", metavar="JOB")
    read_result = command("result", result, "what has come of a job")
    read_result.add_argument("job", metavar="JOB")
    read_result.add_argument("--json", action="store_true", help="all of it, instead of a table")
    _add_agent(command("agent", agent, "answer a vectorisation service, and take part in what waits for the owner"))


def _add_roster(roster: argparse.ArgumentParser, command: Any) -> None:
    verbs = roster.add_subparsers(required=True, metavar="VERB")
    added = command("add", roster_add, "pin an owner's public key", verbs)
    added.add_argument("name", metavar="CLIENT", help="its client id")
    added.add_argument("key", metavar="KEY", help="as its `keys` printed it")
    command("show", roster_show, "who is pinned", verbs)


def _add_contribute(made: argparse.ArgumentParser) -> None:
    made.add_argument("job", metavar="JOB")
    made.add_argument("--clients", metavar="N", type=int, required=True, help="how many owners the job has")
    source = made.add_mutually_exclusive_group(required=True)
    source.add_argument("--frame", metavar="CSV", help="records; the first line names the features of --schema")
    source.add_argument("--vector", metavar="FILE", help="numbers: a JSON list, or a text")
    made.add_argument("--schema", metavar="FILE", help="what the vector's elements are: a JSON list of items")
    made.add_argument("--minimum", metavar="N", type=int, help="the job goes on with so many owners (first one says)")
    made.add_argument("--deadline-seconds", metavar="S", type=float, help="for owners to report (first one says)")
    made.add_argument("--round-seconds", metavar="S", type=float, help="for each round (first one says)")
    made.add_argument("--json", action="store_true", help="the whole result, instead of a table")


def _add_agent(made: argparse.ArgumentParser) -> None:
    made.add_argument("--port", type=int, default=9001)
    made.add_argument("--host", default="127.0.0.1", help="address to listen on")
    made.add_argument("--datasets", metavar="FOLDER", help="where vectors wait for their job")


if __name__ == "__main__":
    raise SystemExit(main())
