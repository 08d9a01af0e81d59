"""Recorded drives, as what a phone measured from moment to moment.

Two forms are read: our own samples (JSON, as `collect` writes them), and the CSV traces of the 5G data set of Raca et
al. (MMSys 2020). Those traces hold one neighbour's RSRP and RSRQ without saying which cell it is: it stands here as
the cell `neighbour`.
"""

import csv
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from quintet.handover.messages import PredictionRequest, TrainingSample
from quintet.kernel.errors import InvalidInput

NEIGHBOUR = "neighbour"
LAST_SECOND = "%Y.%m.%d_%H.%M.%S"
KMH = 3.6
ABSURD = 1e6
"""2147483647 in a trace is `not measured`."""

COLUMNS = ("Timestamp", "Longitude", "Latitude", "Speed", "RAWCELLID", "RSRP", "RSRQ", "SNR", "NRxRSRP", "NRxRSRQ")
FORBIDDEN = ("optimal_antenna", "success")
"""Of samples, what a request for a prediction has not."""


@dataclass(frozen=True)
class Moment:
    """`at` is unix seconds, `request` what is asked then; `serving` the cell that really served."""

    at: float
    ue: str
    request: Mapping[str, Any]

    @property
    def serving(self) -> str | None:
        return self.request.get("connected_to")

    @property
    def heard(self) -> Mapping[str, Any]:
        return self.request.get("rf_metrics") or {}


def read_drive(file: Path) -> list[Moment]:
    """In the order of time. Raises InvalidInput, and OSError."""
    text = read_text(file)
    moments = trace(text, file.stem) if file.suffix.lower() == ".csv" else samples_drive(read_samples(text))
    if not moments:
        raise InvalidInput(f"{file} holds no measurement")
    return sorted(moments, key=lambda moment: moment.at)


def read_text(file: Path) -> str:
    """Raises InvalidInput, and OSError."""
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInput(f"{file} is no text: a drive is a JSON list of samples, or a CSV trace") from None


def read_samples(text: str) -> list[dict[str, Any]]:
    """A JSON list of samples, as `collect` writes them. Raises InvalidInput."""
    try:
        samples = json.loads(text)
    except ValueError as error:
        raise InvalidInput(f"the file is no JSON: {error}") from error
    if not isinstance(samples, list) or not all(isinstance(sample, dict) for sample in samples):
        raise InvalidInput("the file is no JSON list of samples")
    return samples


def trace(text: str, name: str) -> list[Moment]:
    """Of several rows of one second the last counts. Raises InvalidInput for another kind of CSV."""
    rows = csv.DictReader(text.splitlines())
    missing = [column for column in COLUMNS if column not in (rows.fieldnames or ())]
    if missing:
        raise InvalidInput(f"the CSV has no column {', '.join(missing)}: it is no trace of the 5G data set")
    moments = {(moment := _row(row, name)).at: moment for row in rows if row["RSRP"] not in ("-", "")}
    return list(moments.values())


def samples_drive(samples: list[dict[str, Any]]) -> list[Moment]:
    """Samples without radio are left out: nothing can be asked of them. Raises InvalidInput."""
    heard = [sample for sample in samples if sample.get("rf_metrics")]
    return [_sample(sample, number) for number, sample in enumerate(heard)]


def trainable_of(samples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that the service can learn from. Raises InvalidInput where a sample is none."""
    kept = [sample for sample in samples if sample.get("optimal_antenna") and sample.get("rf_metrics")]
    for number, sample in enumerate(kept):
        try:
            TrainingSample.model_validate(sample)
        except ValidationError as error:
            raise InvalidInput(f"sample {number}: {_explained(error)}") from error
    return kept


def _row(row: Mapping[str, str], name: str) -> Moment:
    at = datetime.strptime(row["Timestamp"], LAST_SECOND).replace(tzinfo=UTC).timestamp()
    radios = {row["RAWCELLID"]: _radio(row["RSRP"], row["RSRQ"], row["SNR"])}
    neighbour = _radio(row["NRxRSRP"], row["NRxRSRQ"], "-")
    if "rsrp" in neighbour:
        radios[NEIGHBOUR] = neighbour
    speed = _measured(row["Speed"])
    said = {
        "timestamp": at,
        "latitude": _measured(row["Latitude"]),
        "longitude": _measured(row["Longitude"]),
        "speed": None if speed is None else speed / KMH,
        "connected_to": row["RAWCELLID"],
        "rf_metrics": radios,
    }
    return Moment(at, name, {field: value for field, value in said.items() if value is not None})


def _radio(rsrp: str, rsrq: str, snr: str) -> dict[str, float]:
    """The trace's SNR is taken for the SINR."""
    texts = {"rsrp": rsrp, "rsrq": rsrq, "sinr": snr}
    return {name: value for name, text in texts.items() if (value := _measured(text)) is not None}


def _measured(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and abs(value) < ABSURD else None


def _sample(sample: Mapping[str, Any], number: int) -> Moment:
    said = {name: value for name, value in sample.items() if value is not None and name not in FORBIDDEN}
    try:
        PredictionRequest.model_validate({"ue_id": "drive", **said})
    except ValidationError as error:
        raise InvalidInput(f"sample {number}: {_explained(error)}") from error
    return Moment(_at(said.get("timestamp"), number), str(said.get("ue_id", "drive")), said)


def _at(timestamp: object, number: int) -> float:
    """Samples without a time are a second apart. Raises InvalidInput."""
    if timestamp is None:
        return float(number)
    if isinstance(timestamp, int | float):
        return float(timestamp)
    try:
        moment = datetime.fromisoformat(str(timestamp))
    except ValueError:
        raise InvalidInput(f"sample {number}: timestamp is neither seconds of 1970 nor ISO 8601") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _explained(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
