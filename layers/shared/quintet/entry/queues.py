"""The queue door: every SQS message is decoded, done once, and settled by itself.

    @on_queue(Letter, deps=post_office)
    def handler(letter, office):
        office.deliver(letter)

A message that can never succeed (not of the type, or an error that does not say `retry`) goes straight to the
dead letters with its attributes and its reason; any other failure, a wrong setting among them, leaves it on the queue,
which tries again and then sets it aside.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar, cast

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.idempotency import IdempotencyConfig, idempotent_function
from aws_lambda_powertools.utilities.idempotency.exceptions import IdempotencyAlreadyInProgressError
from aws_lambda_powertools.utilities.idempotency.persistence.base import BasePersistenceLayer
from pydantic import BaseModel, ValidationError

from quintet.entry.claims import redeem
from quintet.entry.ports import Objects, Queue
from quintet.entry.tracebacks import where
from quintet.kernel.errors import InvalidInput, Misconfigured, QuintetError
from quintet.kernel.ids import correlation_id
from quintet.kernel.log import logger
from quintet.kernel.settings import PlaceSettings, read
from quintet.kernel.text import printable

REMEMBER_SECONDS = 24 * 3600
"""How long a message that was done is known; longer than any queue of ours redelivers."""

_REASON_LIMIT = 512
_KEPT_ATTRIBUTES = 6
"""Of the ten that SQS allows; the other four are ours."""


class QueueRoom(Protocol):
    """What the door needs of a room."""

    @property
    def objects(self) -> Objects: ...
    @property
    def bucket(self) -> str: ...
    @property
    def dead_letters(self) -> Queue: ...
    @property
    def done_messages(self) -> BasePersistenceLayer: ...
    def warm(self) -> None: ...


Message = TypeVar("Message", bound=BaseModel)
Room = TypeVar("Room", bound=QueueRoom)
Event = dict[str, Any]


def on_queue(
    message_type: type[Message], *, deps: Callable[[], Room], said_by: str = ""
) -> Callable[[Callable[[Message, Room], object]], Callable[[Event, Any], Event]]:
    """Turn `use(message, room)` into a Lambda handler of an SQS event that answers `batchItemFailures`.

    `said_by` stands before what is logged of messages that fail.
    """

    def decorate(use: Callable[[Message, Room], object]) -> Callable[[Event, Any], Event]:
        door = QueueDoor(message_type, deps, use, said_by)
        if read(PlaceSettings).function:
            deps().warm()
        return door.open

    return decorate


class QueueDoor(Generic[Message, Room]):
    def __init__(
        self,
        message_type: type[Message],
        deps: Callable[[], Room],
        use: Callable[[Message, Room], object],
        said_by: str = "",
    ) -> None:
        self._message_type = message_type
        self._deps = deps
        self._use = use
        self._said_by = f"{said_by} " if said_by else ""
        self._batch = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)

    @cached_property
    def _log(self) -> Any:
        return logger(f"{read(PlaceSettings).room}-queue")

    @cached_property
    def _once(self) -> IdempotencyConfig:
        return IdempotencyConfig(expires_after_seconds=REMEMBER_SECONDS)

    def open(self, event: Event, context: Any) -> Event:
        self._once.register_lambda_context(context)
        answer = process_partial_response(
            event=event, record_handler=self._settle, processor=self._batch, context=context
        )
        return cast(Event, answer)

    def _settle(self, record: SQSRecord) -> None:
        correlation = correlation_id(_attributes(record).get("correlation_id"))
        with self._log.append_context_keys(message_id=_identity(record), correlation_id=correlation):
            try:
                self._do_once(record)
            except QuintetError as error:
                self._set_aside(record, error, correlation)
            except IdempotencyAlreadyInProgressError:
                self._log.info("message is being done elsewhere and stays on the queue until it is")
                raise
            except Exception as error:
                said = {"error": type(error).__name__, "traceback": where(error)}
                self._log.error(f"{self._said_by}message failed and stays on the queue", extra=said)
                raise

    def _do_once(self, record: SQSRecord) -> None:
        room = self._deps()

        @idempotent_function(  # type: ignore[untyped-decorator]
            data_keyword_argument="identity", persistence_store=room.done_messages, config=self._once
        )
        def do(*, identity: dict[str, str]) -> None:
            self._use(self._decode(record, room), room)

        do(identity={"message": _identity(record)})

    def _decode(self, record: SQSRecord, room: Room) -> Message:
        body = redeem(record.body, room.objects, room.bucket)
        try:
            return self._message_type.model_validate_json(body, context={"attributes": _attributes(record)})
        except ValidationError as error:
            raise InvalidInput(f"not a {self._message_type.__name__}: {_explain(error)}") from None

    def _set_aside(self, record: SQSRecord, error: QuintetError, correlation: str) -> None:
        said = {"reason": error.message, "details": error.details}
        if error.retry or isinstance(error, Misconfigured):
            self._log.warning(f"{self._said_by}message failed for now", extra=said)
            raise error
        self._log.error(f"{self._said_by}message set aside", extra=said)
        ours = {
            "correlation_id": correlation,
            "message_id": _identity(record),
            "error": type(error).__name__,
            "reason": printable(error.message)[:_REASON_LIMIT] or type(error).__name__,
        }
        others = [(name, value) for name, value in _attributes(record).items() if name not in ours]
        self._deps().dead_letters.send(record.body, dict(others[:_KEPT_ATTRIBUTES]) | ours)


def _identity(record: SQSRecord) -> str:
    """What the sender calls the message; without such a name, what SQS calls it."""
    return _attributes(record).get("message_id") or record.message_id


def _attributes(record: SQSRecord) -> dict[str, str]:
    given = record.get("messageAttributes") or {}
    return {name: value["stringValue"] for name, value in given.items() if value.get("stringValue")}


def _explain(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, problem['loc'])) or 'body'}: {problem['msg']}" for problem in problems)
