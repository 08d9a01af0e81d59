"""The aggregation room over HTTP: jobs, the coordinator's routes, and the rounds of secure aggregation."""

from typing import Any

from pydantic import BaseModel, Field

from quintet.aggregation.http import coordinator, jobs, secagg
from quintet.aggregation.wiring import aggregation
from quintet.entry.http import http_app

VERSION = "0.1.0"


class Problem(BaseModel):
    """The body of an error."""

    error: str = Field(description="What was wrong, in a sentence that names the field.")
    detail: list[dict[str, Any]] | None = Field(default=None, description="Each field that was wrong, where some were.")


def error_body(status: int, name: str, said: Any) -> dict[str, Any]:
    """
    >>> error_body(404, "NotFound", "Unknown jobId j1")
    {'error': 'Unknown jobId j1'}
    """
    if isinstance(said, list):
        return {"error": "; ".join(map(in_words, said)), "detail": said}
    return {"error": said}


def in_words(problem: dict[str, Any]) -> str:
    """
    >>> in_words({"loc": ["body", "schema", 0], "msg": "Input should be a valid dictionary"})
    'schema.0: Input should be a valid dictionary'
    """
    place = ".".join(str(part) for part in problem["loc"] if part != "body")
    return f"{place or 'body'}: {problem['msg']}"


app = http_app(
    "Computations Orchestrator",
    room=aggregation,
    version=VERSION,
    description="Counts who has reported to a job, sums their data securely, and tells the result.",
    error_body=error_body,
    error_model=Problem,
)
for part in (jobs, coordinator, secagg):
    app.include_router(part.router)
