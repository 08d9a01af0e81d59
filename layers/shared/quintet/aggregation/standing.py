"""How a job is, in the words of both generations: `message` is the earlier one's, the other fields the later one's."""

from collections.abc import Mapping
from typing import Any

from quintet.aggregation.jobs import Job, status_of
from quintet.aggregation.ledger import Standing


def told(
    standing: Standing, final: Mapping[str, Any] | None = None, rounds: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The answer of job-status. `final` is the final result of a completed job; `rounds` is told as `aggregation`."""
    job, done = standing.job, len(standing.reports)
    answer: dict[str, Any] = {
        "jobId": job.id,
        "status": status_of(job, done),
        "message": message(job, done),
        "progress": {"doneCount": done, "totalClients": job.total, "percentage": percentage(done, job.total)},
        "jobInfo": {
            "totalClients": job.total,
            "doneCount": done,
            "schema": job.schema_items,
            "finalResult": final,
            "updatedClients": list(standing.clients),
        },
    }
    if final is not None:
        answer |= completed(job, done, final)
    if job.state == "FAILED":
        answer["reason"] = job.reason
    return answer | ({"aggregation": dict(rounds)} if rounds else {})


def message(job: Job, done: int) -> str:
    if job.state == "COMPLETED":
        return f"Job {job.id} is completed."
    if job.state == "FAILED":
        return f"Job {job.id} has failed: {job.reason}"
    return f"Job {job.id} is in progress (doneCount={done}/{job.total})."


def percentage(done: int, total: int) -> float:
    """
    >>> percentage(2, 3)
    66.7
    """
    return round(100 * done / total, 1)


def completed(job: Job, done: int, final: Mapping[str, Any]) -> dict[str, Any]:
    features = final["decodedFeatures"]
    return {
        "aggregatedResults": features,
        "metadata": {
            "totalFeatures": len(features),
            "totalClients": job.total,
            "completedAt": job.ended_at.isoformat() if job.ended_at else None,
            "doneCount": done,
            "summedClients": list(job.summed),
        },
    }
