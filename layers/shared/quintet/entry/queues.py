"""The queue door: every SQS message is decoded, done once, and settled by itself.

    @on_queue(Letter, deps=post_office)
    def handler(letter, office):
        office.deliver(letter)

A message that can never succeed (not of the type, or an error that does not say `retry`) goes straight to the
dead letters with its reason; any other failure leaves it on the queue, which tries again and then sets it aside.
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
from quintet.kernel.errors import InvalidInput, QuintetError
from quintet.kernel.ids import correlation_id
from quintet.kernel.log import logger
from quintet.kernel.settings import PlaceSettings, read

REMEMBER_SECONDS = 24 * 3600
"""How long a message that was done is known; longer than any queue of ours redelivers."""

_REASON_LIMIT = 512


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
    message_type: type[Message], *, deps: Callable[[], Room]
) -> Callable[[Callable[[Message, Room], object]], Callable[[Event, Any], Event]]:
    """Turn `use(message, room)` into a Lambda handler of an SQS event that answers `batchItemFailures`."""

    def decorate(use: Callable[[Message, Room], object]) -> Callable[[Event, Any], Event]:
        door = QueueDoor(message_type, deps, use)
        if read(PlaceSettings).function:
            deps().warm()
        return door.open

    return decorate


class QueueDoor(Generic[Message, Room]):
    def __init__(
        self, message_type: type[Message], deps: Callable[[], Room], use: Callable[[Message, Room], object]
    ) -> None:
        self._message_type = message_type
        self._deps = deps
        self._use = use
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
        with self._log.append_context_keys(
            message_id=record.message_id, correlation_id=correlation_id(_attribute(record, "correlation_id"))
        ):
            try:
                self._do_once(record)
            except QuintetError as error:
                self._set_aside(record, error)
            except IdempotencyAlreadyInProgressError:
                self._log.info("message is being done elsewhere and stays on the queue until it is")
                raise
            except Exception:
                self._log.exception("message failed and stays on the queue")
                raise

    def _do_once(self, record: SQSRecord) -> None:
        room = self._deps()

        @idempotent_function(  # type: ignore[untyped-decorator]
            data_keyword_argument="identity", persistence_store=room.done_messages, config=self._once
        )
        def do(*, identity: dict[str, str]) -> None:
            self._use(self._decode(record, room), room)

        do(identity={"message": _attribute(record, "message_id") or record.message_id})

    def _decode(self, record: SQSRecord, room: Room) -> Message:
        body = redeem(record.body, room.objects, room.bucket)
        try:
            return self._message_type.model_validate_json(body)
        except ValidationError as error:
            raise InvalidInput(f"not a {self._message_type.__name__}: {_explain(error)}") from None

    def _set_aside(self, record: SQSRecord, error: QuintetError) -> None:
        if error.retry:
            self._log.warning("message failed for now", extra={"reason": error.message, **error.details})
            raise error
        self._log.error("message set aside", extra={"reason": error.message, **error.details})
        kept = {name: _attribute(record, name) for name in ("correlation_id", "message_id")}
        self._deps().dead_letters.send(
            record.body,
            {name: value for name, value in kept.items() if value}
            | {"reason": error.message[:_REASON_LIMIT], "error": type(error).__name__},
        )


def _attribute(record: SQSRecord, name: str) -> str | None:
    attribute = record.message_attributes.get(name)
    return attribute.string_value if attribute else None


def _explain(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, problem['loc'])) or 'body'}: {problem['msg']}" for problem in problems)
