"""The original's results handler, for code that used it: only the import changes.

    from quintet.sdk.results import AggregatedResultsHandler

    handler = AggregatedResultsHandler(default_save_path="/app/results")
    handler.send_and_save(
        aggregated_data=decoded_features,
        job_id="job_123",
        client_list=["client1", "client2"],
        api_url="https://api.example.com/results",
    )  # {"api_success": True, "save_success": True}

ENABLE_API_SENDING and ENABLE_FILESYSTEM_SAVING switch its halves; both off: the results are logged.
"""

import logging

from quintet.adapters.http_calls import HttpCalls
from quintet.adapters.result_files import result_files
from quintet.aggregation import results_handler
from quintet.aggregation.results_handler import Level, Parts
from quintet.aggregation.settings import Results
from quintet.kernel.clock import SystemClock
from quintet.kernel.settings import read

__all__ = ["AggregatedResultsHandler"]

DEFAULT_SAVE_PATH = "/app/results"


class AggregatedResultsHandler(results_handler.AggregatedResultsHandler):
    """Over HTTP, and into a folder or under an s3:// prefix (with `boto3`); says what it does on the log `quintet`."""

    def __init__(self, default_save_path: str | None = None) -> None:
        settings = read(Results)
        parts = Parts(HttpCalls(), result_files, SystemClock(), _say, sending=settings.sending, saving=settings.saving)
        super().__init__(default_save_path or settings.save_path or DEFAULT_SAVE_PATH, parts)


def _say(level: Level, line: str) -> None:
    logging.getLogger("quintet").log(logging.getLevelNamesMapping()[level.upper()], line)
