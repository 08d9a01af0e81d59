"""What the original's library makes of an export. Without it, tests that import this skip, but not in CI."""

import logging
import os
from datetime import datetime

import pytest

if os.environ.get("CI") != "true":
    pytest.importorskip("cgm_format", reason="cgm-format, the readers' oracle, is not installed")
from cgm_format import FormatParser, FormatProcessor
from cgm_format.interface.cgm_interface import ProcessingWarning, ZeroValidInputError

WARNINGS = ("too_short", "calibration", "quality", "imputation", "out_of_range", "time_duplicates")

logging.getLogger("cgm_format").setLevel(logging.CRITICAL)


def converted(content: bytes) -> str:
    """The unified CSV."""
    return str(FormatParser.parse_from_bytes(content).write_csv())


def prepared(content: bytes, minimum: int, maximum: int) -> tuple[list[datetime], list[float], list[str]] | None:
    """Times, glucose and names of warnings; None where it finds no sequence."""
    frame = FormatProcessor.detect_and_assign_sequences(FormatParser.parse_from_bytes(content))
    frame = FormatProcessor.synchronize_timestamps(FormatProcessor.interpolate_gaps(frame))
    try:
        frame, flags = FormatProcessor.prepare_for_inference(frame, minimum, maximum)
    except ZeroValidInputError:
        return None
    data = FormatProcessor.to_data_only_df(frame, drop_duplicates=True, glucose_only=True)
    raised = [name for name in WARNINGS if flags & ProcessingWarning[name.upper()]]
    return data["datetime"].to_list(), data["glucose"].to_list(), raised
