"""The pictures that the glucose room draws itself: the same request, and an Accept header for each form."""

from collections.abc import Mapping
from pathlib import Path

import httpx

FORMS = {"svg": "image/svg+xml", "png": "image/png"}


def fetch(api: httpx.Client, path: str, body: Mapping[str, str], stem: Path) -> list[Path]:
    """Write `stem`.svg and `stem`.png."""
    files = []
    for suffix, form in FORMS.items():
        answer = api.post(path, json=body, headers={"Accept": form}).raise_for_status()
        if answer.headers["Content-Type"].partition(";")[0] != form:
            raise httpx.DecodingError(f"{path} has no picture to give: {answer.text}", request=answer.request)
        file = stem.with_name(f"{stem.name}.{suffix}")
        file.write_bytes(answer.content)
        files.append(file)
    return files
