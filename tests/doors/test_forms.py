"""The form of an answer: JSON, or a picture where the caller prefers one."""

import json
from typing import Any

import pytest
from fastapi import Request
from pydantic import BaseModel

from quintet.entry.forms import answer


class Levels(BaseModel):
    levels: dict[str, Any]


def asking(accept: str) -> Request:
    return Request({"type": "http", "headers": [(b"accept", accept.encode())]})


@pytest.mark.parametrize("content", [{"levels": {"y": float("nan")}}, Levels(levels={"y": float("-inf")})])
def test_what_is_no_number_leaves_as_null(content: BaseModel | dict[str, Any]) -> None:
    said = answer(asking(""), content, None, str.encode)
    assert json.loads(bytes(said.body), parse_constant=pytest.fail) == {"levels": {"y": None}}


@pytest.mark.parametrize(
    ("accept", "body", "media_type"),
    [
        ("image/svg+xml", b"<svg/>", "image/svg+xml"),
        ("image/png, */*", b"pixels of <svg/>", "image/png"),
        ("image/png;q=0.2, application/json;q=0.1", b"pixels of <svg/>", "image/png"),
        ("image/svg+xml;q=0.5, image/png", b"<svg/>", "image/svg+xml"),
        ("text/html, image/png", b"{}", "application/json"),
        ("image/*", b"{}", "application/json"),
    ],
)
def test_the_caller_chooses(accept: str, body: bytes, media_type: str) -> None:
    said = answer(asking(accept), {}, lambda: "<svg/>", lambda svg: f"pixels of {svg}".encode())
    assert (said.body, said.media_type) == (body, media_type)


def test_where_nothing_can_be_drawn_the_answer_is_json() -> None:
    assert answer(asking("image/png"), {"error": "too short"}, None, str.encode).media_type == "application/json"
