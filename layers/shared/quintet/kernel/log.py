"""One structured log for functions and containers: Powertools' Logger, one JSON object a line."""

from aws_lambda_powertools import Logger

from quintet.kernel.settings import LogSettings, read


def logger(service: str) -> Logger:
    """The log of `service`, for instance "glucose-api"; level from LOG_LEVEL. The same name gives the same log."""
    return Logger(service=service, level=read(LogSettings).level, utc=True)
