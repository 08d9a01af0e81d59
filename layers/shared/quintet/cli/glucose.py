"""A client of the glucose room's gRPC door, for the command line.

python -m quintet.cli.glucose convert export.csv > unified.csv
python -m quintet.cli.glucose quick export.csv --svg plot.svg
python -m quintet.cli.glucose process export.csv
python -m quintet.cli.glucose draw HANDLE --index -1 --png plot.png
python -m quintet.cli.glucose cache info
python -m quintet.cli.glucose health

The server is --server or GLURPC_SERVER, the API key --api-key or GLURPC_API_KEY. Answers are JSON; FILE - is what is
piped in. Exit codes: 0 done, 1 the server says no, 2 the command is wrong, 3 the same command may succeed later.
"""

import argparse
import sys
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import grpc
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from pydantic_core import to_json

from quintet.adapters.svg_image import ResvgRasteriser
from quintet.glucose.figure import Figure
from quintet.glucose.messages import CacheAction, Unit
from quintet.glucose.pb import glurpc_pb2 as pb
from quintet.glucose.pb.glurpc_pb2_grpc import GlucosePredictionStub
from quintet.glucose.picture import svg
from quintet.glucose.settings import GlucoseClient
from quintet.glucose.wire import figure_of
from quintet.kernel.settings import read

DONE, REFUSED, WRONG, LATER = range(4)
PASSING = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.DEADLINE_EXCEEDED}
NO_LIMIT = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]

Given = argparse.Namespace


@dataclass(frozen=True)
class Session:
    """The methods of one server, each called with the same metadata and patience."""

    stub: GlucosePredictionStub
    metadata: tuple[tuple[str, str], ...]
    timeout: float

    def call(self, method: str, request: Message) -> Any:
        return getattr(self.stub, method)(request, metadata=self.metadata, timeout=self.timeout)


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    try:
        with _channel(given) as channel:
            return int(given.do(_session(channel, given), given))
    except grpc.RpcError as error:
        return _explain(error)
    except OSError as error:
        return _complain(f"{error.filename}: {error.strerror}", WRONG)


def convert(session: Session, given: Given) -> int:
    answer = session.call("ConvertToUnified", pb.ConvertToUnifiedRequest(file_content=_content(given.file)))
    if answer.error:
        return _complain(answer.error, REFUSED)
    sys.stdout.write(answer.csv_content)
    return DONE


def process(session: Session, given: Given) -> int:
    request = pb.ProcessUnifiedRequest(csv_base64=_base64(given.file), force_calculate=given.force)
    return _tell(session.call("ProcessUnified", request))


def draw(session: Session, given: Given) -> int:
    request = pb.PlotRequest(handle=given.handle, index=given.index, force_calculate=given.force)
    return _show(session.call("DrawPlot", request), given)


def quick(session: Session, given: Given) -> int:
    request = pb.QuickPlotRequest(csv_base64=_base64(given.file), force_calculate=given.force)
    return _show(session.call("QuickPlot", request), given)


def cache(session: Session, given: Given) -> int:
    answer = session.call("ManageCache", pb.CacheManagementRequest(action=given.action, handle=given.handle))
    _write(_fields(answer))
    return DONE if answer.success else REFUSED


def health(session: Session, given: Given) -> int:
    return _tell(session.call("CheckHealth", pb.HealthRequest()))


def _tell(answer: Any) -> int:
    _write(_fields(answer))
    return _complain(answer.error, REFUSED) if getattr(answer, "error", "") else DONE


def _show(answer: Any, given: Given) -> int:
    """The figure into the files that were asked for, else as JSON."""
    figure = figure_of(answer.plot_json)
    if answer.error or not (given.svg or given.png):
        fields = _fields(answer)
        del fields["plot_json"]
        _write({"plot_data": figure, **fields})
        return _complain(answer.error, REFUSED) if answer.error else DONE
    _draw(figure, given.svg, given.png)
    return DONE


def _draw(figure: Figure, svg_file: str | None, png_file: str | None) -> None:
    drawing = svg(figure)
    if svg_file:
        Path(svg_file).write_text(drawing)
    if png_file:
        Path(png_file).write_bytes(ResvgRasteriser().png(drawing))


def _fields(answer: Message) -> dict[str, Any]:
    return MessageToDict(answer, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


def _write(answer: dict[str, Any]) -> None:
    sys.stdout.write(to_json(answer, indent=2).decode() + "\n")


def _explain(error: Any) -> int:
    code = error.code()
    return _complain(f"{code.name}: {error.details()}", LATER if code in PASSING else REFUSED)


def _complain(said: str, code: int) -> int:
    sys.stderr.write(f"{said}\n")
    return code


def _content(file: str) -> bytes:
    return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()


def _base64(file: str) -> str:
    return b64encode(_content(file)).decode()


def _session(channel: grpc.Channel, given: Given) -> Session:
    unit = (("x-glucose-unit", given.unit),) if given.unit else ()
    key = (("x-api-key", given.api_key),) if given.api_key else ()
    return Session(GlucosePredictionStub(channel), (*key, *unit), given.timeout)


def _channel(given: Given) -> grpc.Channel:
    if given.tls or given.tls_ca:
        known = Path(given.tls_ca).read_bytes() if given.tls_ca else None
        return grpc.secure_channel(given.server, grpc.ssl_channel_credentials(known), NO_LIMIT)
    return grpc.insecure_channel(given.server, NO_LIMIT)


def _parser() -> argparse.ArgumentParser:
    defaults = read(GlucoseClient)
    parser = argparse.ArgumentParser(
        prog="python -m quintet.cli.glucose",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--server", default=defaults.server, help="host and port")
    parser.add_argument("--api-key", default=defaults.api_key.get_secret_value(), help="the variable is more discreet")
    parser.add_argument("--tls", action="store_true", help="encrypt, and trust what grpc trusts")
    parser.add_argument("--tls-ca", metavar="FILE", help="encrypt, and trust these certificates (PEM)")
    parser.add_argument("--unit", choices=get_args(Unit), help="of figures")
    parser.add_argument("--timeout", type=float, default=120, help="seconds")
    _add_commands(parser.add_subparsers(required=True, metavar="COMMAND"))
    return parser


def _add_commands(commands: Any) -> None:
    file, force, pictures = (argparse.ArgumentParser(add_help=False) for _ in range(3))
    file.add_argument("file", metavar="FILE", help="an export of a sensor")
    force.add_argument("--force", action="store_true", help="calculate anew")
    pictures.add_argument("--svg", metavar="FILE", help="draw it there, instead of JSON")
    pictures.add_argument("--png", metavar="FILE", help="draw it there, instead of JSON")

    def command(name: str, do: Any, about: str, *parents: argparse.ArgumentParser) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = commands.add_parser(name, help=about, description=about, parents=parents)
        made.set_defaults(do=do)
        return made

    command("convert", convert, "an export as unified CSV", file)
    command("process", process, "analyse an export; gives its handle", file, force)
    command("quick", quick, "the figure of an export's last hour", file, force, pictures)
    command("health", health, "how the server is doing")
    drawn = command("draw", draw, "the figure of one window of a trace", force, pictures)
    drawn.add_argument("handle", metavar="HANDLE", help="as process gave it")
    drawn.add_argument("--index", type=int, default=0, help="0: the last window; -1: the one before")
    managed = command("cache", cache, "what is kept of your traces")
    managed.add_argument("action", choices=get_args(CacheAction))
    managed.add_argument("handle", metavar="HANDLE", nargs="?", default="")


if __name__ == "__main__":
    raise SystemExit(main())
