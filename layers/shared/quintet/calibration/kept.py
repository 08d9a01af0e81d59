"""Where in the bucket a session's outcome lies, and a worker's live status: the worker writes it, the API reads it."""

from urllib.parse import quote

from quintet.calibration.messages import Session

RESULT = "result.json"
REPORT_HTML = "report.html"
REPORT_PDF = "report.pdf"
DIAGRAM_SVG = "reliability.svg"
DIAGRAM_PNG = "reliability.png"


def kept_as(session: Session, name: str) -> str:
    """The key of one file of the session's outcome."""
    return f"calibration/sessions/{quote(session.client_id, safe='')}/{session.id}/{name}"


def live_status_of(worker: str) -> str:
    """The key of what the worker says of all sessions that it serves: a JSON object by session id."""
    return f"calibration/live/{worker}.json"
