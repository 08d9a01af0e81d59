"""The ways by which results are told, and which of them a deployment has."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from quintet.aggregation.addresses import Host, Resolve, destination
from quintet.aggregation.outbox import Channel, Delivery
from quintet.aggregation.ports import Objects
from quintet.aggregation.results import Format, Result, ResultFiles, api_body, key_of, read, save
from quintet.aggregation.results_handler import Say
from quintet.aggregation.results_sending import send, shown
from quintet.aggregation.results_text import log_lines
from quintet.aggregation.settings import Results
from quintet.kernel.calls import Calls
from quintet.kernel.errors import Misconfigured

ReadResult = Callable[[Delivery], Result]


class Configured(NamedTuple):
    """The channels of every job, and what is switched on without being set up."""

    channels: tuple[Channel, ...]
    warnings: tuple[str, ...] = ()


def configured(settings: Results, *, has_place: bool) -> Configured:
    """`has_place`: there is somewhere to save. Results that go nowhere else are logged.

    >>> configured(Results(), has_place=False).channels
    ('log',)
    """
    channels: list[Channel] = []
    warnings: list[str] = []
    if settings.sending and settings.api_url:
        channels.append("api")
    elif settings.sending:
        warnings.append("ENABLE_API_SENDING is on and RESULTS_API_URL is empty: results are sent nowhere")
    if settings.saving and has_place:
        channels.append("file")
    elif settings.saving:
        warnings.append(
            "ENABLE_FILESYSTEM_SAVING is on, RESULTS_SAVE_PATH and QUINTET_BUCKET are empty: results are saved nowhere"
        )
    return Configured(tuple(channels) or ("log",), tuple(warnings))


@dataclass(frozen=True)
class KeptResults:
    """Results as the room keeps them. Raises NotFound."""

    objects: Objects

    def __call__(self, delivery: Delivery) -> Result:
        return read(self.objects.get(key_of(delivery.job))[0], delivery.completed_at)


@dataclass(frozen=True)
class ToApi:
    """The operator's own API: trusted, wherever it is."""

    calls: Calls
    url: str
    results: ReadResult

    def __call__(self, delivery: Delivery) -> str:
        if not self.url:
            raise Misconfigured("set RESULTS_API_URL: the results wait to be sent there")
        answer = send(self.calls, self.url, api_body(self.results(delivery)), headers_of(delivery))
        return f"results sent to the API: {answer.status} {shown(answer)}".rstrip()


@dataclass(frozen=True)
class ToReturnUrl:
    """Where a request asked for its result, on an allow-list and in no private network."""

    calls: Calls
    hosts: Sequence[Host]
    resolve: Resolve
    objects: Objects
    results: ReadResult

    def __call__(self, delivery: Delivery) -> str:
        place = destination(delivery.url, self.hosts, self.resolve)
        answer = send(self.calls, delivery.url, self._body(delivery), headers_of(delivery), addresses=place.addresses)
        return f"result sent to {place.host}: {answer.status}"

    def _body(self, delivery: Delivery) -> bytes:
        if delivery.body_key:
            return self.objects.get(delivery.body_key)[0]
        return api_body(self.results(delivery))


@dataclass(frozen=True)
class ToFiles:
    files: ResultFiles
    formats: Sequence[Format]
    results: ReadResult

    def __call__(self, delivery: Delivery) -> str:
        result = self.results(delivery)
        addresses = [save(self.files, result, form) for form in self.formats]
        return f"results saved to: {', '.join(addresses)}"


@dataclass(frozen=True)
class ToLog:
    say: Say
    results: ReadResult

    def __call__(self, delivery: Delivery) -> str:
        result = self.results(delivery)
        for line in log_lines(result.job, result.clients, result.features):
            self.say("info", line)
        return "results logged"


def headers_of(delivery: Delivery) -> dict[str, str]:
    return {"Idempotency-Key": delivery.key, "X-Correlation-ID": delivery.correlation}
