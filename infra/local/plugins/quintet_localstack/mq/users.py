"""The administrator that Amazon MQ gives a broker, given to the local one."""

import os
from urllib.parse import quote, unquote, urlsplit

import requests

EVERYTHING = {"configure": ".*", "write": ".*", "read": ".*"}


def add_administrator(user: str, password: str) -> None:
    """To the broker whose management API is at QUINTET_RABBITMQ, a URL with credentials; none, nothing happens."""
    url = os.environ.get("QUINTET_RABBITMQ")
    if url:
        put(url, f"users/{quote(user, safe='')}", {"password": password, "tags": "administrator"})
        put(url, f"permissions/%2F/{quote(user, safe='')}", EVERYTHING)


def put(url: str, path: str, content: dict[str, str]) -> None:
    parts = urlsplit(url)
    with requests.Session() as session:
        session.trust_env = False
        answer = session.put(
            f"{parts.scheme}://{parts.hostname}:{parts.port}/api/{path}",
            json=content,
            auth=(unquote(parts.username or ""), unquote(parts.password or "")),
            timeout=10,
        )
    answer.raise_for_status()
