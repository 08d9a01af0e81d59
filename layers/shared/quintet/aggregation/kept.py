"""The final result of a job, as the original keeps it: the aggregator's answer with what it means."""

import json
from collections.abc import Sequence
from typing import Any

from quintet.aggregation.messages import Outcome
from quintet.aggregation.results import path_part


def final_key(job: str) -> str:
    """Where the room keeps it.

    >>> final_key("a/b")
    'aggregation/jobs/a%2Fb/final.json'
    """
    return f"aggregation/jobs/{path_part(job)}/final.json"


def final_result(job: str, outcome: Outcome, features: Sequence[dict[str, Any]]) -> str:
    """As JSON. Raises ValueError for what JSON can't hold."""
    answer = {
        "jobId": job,
        "status": outcome.status,
        "computationType": "sum",
        "computationOutput": list(outcome.output),
        "message": outcome.message,
        "decodedFeatures": list(features),
    }
    return json.dumps(answer, ensure_ascii=False, allow_nan=False)


def failed_result(job: str, reason: str) -> str:
    """What stands for it where there is none."""
    return json.dumps({"jobId": job, "status": "FAILED", "computationType": "sum", "message": reason})
