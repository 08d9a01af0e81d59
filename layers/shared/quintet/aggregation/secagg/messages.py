"""What owners send in each round. In JSON bytes are base64 (standard alphabet, padded); in Python they are bytes."""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StrictInt,
    ValidationError,
)

from quintet.aggregation.secagg.identity import KEY_BYTES, SIGNATURE_BYTES
from quintet.aggregation.secagg.shamir import SHARE_BYTES
from quintet.aggregation.secagg.terms import ClientId, Round
from quintet.kernel.errors import InvalidInput
from quintet.kernel.text import printable

BOX_BYTES = 2 * SHARE_BYTES + 16
"""A share of the seed, one of the masking key, and the tag."""

COMMITMENT_BYTES = 32
WORD_BYTES = 8
MOST_WORDS = 2**26
"""Of a vector: half a gigabyte."""


def from_base64(given: Any) -> Any:
    if not isinstance(given, str):
        return given
    try:
        return b64decode(given, validate=True)
    except ValueError:
        raise ValueError("is not base64") from None


def to_base64(raw: bytes) -> str:
    return b64encode(raw).decode()


def of_length(length: int) -> Callable[[bytes], bytes]:
    def exact(raw: bytes) -> bytes:
        if len(raw) != length:
            raise ValueError(f"has {len(raw)} bytes instead of {length}")
        return raw

    return exact


def whole_words(raw: bytes) -> bytes:
    if not raw or len(raw) % WORD_BYTES:
        raise ValueError(f"has {len(raw)} bytes, which are no whole words of {WORD_BYTES}")
    return raw


BASE64 = (BeforeValidator(from_base64), PlainSerializer(to_base64, when_used="json"))
Key = Annotated[bytes, *BASE64, AfterValidator(of_length(KEY_BYTES))]
Signature = Annotated[bytes, *BASE64, AfterValidator(of_length(SIGNATURE_BYTES))]
Commitment = Annotated[bytes, *BASE64, AfterValidator(of_length(COMMITMENT_BYTES))]
Box = Annotated[bytes, *BASE64, AfterValidator(of_length(BOX_BYTES))]
Share = Annotated[bytes, *BASE64, AfterValidator(of_length(SHARE_BYTES))]
Words = Annotated[bytes, *BASE64, AfterValidator(whole_words)]


class Message(BaseModel):
    """`signature`: Ed25519 over the round, the terms' digest, the client and the content (see `signatures`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    client: ClientId
    signature: Signature


class Advertisement(Message):
    """The owner's X25519 keys of this session, and how many elements its vector has."""

    size: StrictInt = Field(ge=1, le=MOST_WORDS)
    encryption_key: Key
    masking_key: Key


class Shares(Message):
    """A commitment to the owner's seed, and for each other owner a box that only that one can open."""

    commitment: Commitment
    boxes: dict[ClientId, Box]


class MaskedInput(Message):
    """The masked vector: 8 bytes an element, little-endian."""

    words: Words


class Confirmation(Message):
    """The signature is over the list of survivors that the owner was told."""


class Unmasking(Message):
    """Shares of the seeds of who survived, and of the masking keys of who dropped out."""

    seed_shares: dict[ClientId, Share]
    key_shares: dict[ClientId, Share]


MESSAGES: dict[Round, type[Message]] = {
    "advertise": Advertisement,
    "share": Shares,
    "mask": MaskedInput,
    "confirm": Confirmation,
    "unmask": Unmasking,
}


def parsed(round_: Round, text: str | bytes) -> Message:
    """A round's message from its JSON. Raises InvalidInput, which names the field; also where a name stands twice."""
    try:
        return MESSAGES[round_].model_validate(json.loads(text, object_pairs_hook=distinct))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = printable(".".join(map(str, first["loc"])))
        raise InvalidInput(f"the message of round {round_}: {place}: {first['msg']}") from None
    except (ValueError, RecursionError):
        raise InvalidInput(f"the message of round {round_} is not JSON") from None


def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidInput(f"{printable(twice)} stands twice in one object of the message")
    return found
