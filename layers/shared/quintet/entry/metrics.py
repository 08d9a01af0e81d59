"""Metrics in CloudWatch's embedded form: a line of JSON in a function's log, which CloudWatch makes metrics of.

Powertools writes the same, at ten times the CPU, which each request would pay.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import json
from collections.abc import Mapping
from datetime import datetime

NAMESPACE = "Quintet"
UNITS = {"Requests": "Count", "Duration": "Milliseconds", "ServerErrors": "Count"}

_DIMENSIONS = ["route", "service"]
_DESCRIBED = [
    {
        "Namespace": NAMESPACE,
        "Dimensions": [_DIMENSIONS],
        "Metrics": [{"Name": name, "Unit": unit} for name, unit in UNITS.items()],
    }
]


def metrics_line(service: str, route: str, values: Mapping[str, float], now: datetime) -> str:
    """`values`: of each name in UNITS.

    >>> line = metrics_line("greeter-api", "/hello", dict.fromkeys(UNITS, 1.0), datetime.fromtimestamp(0))
    >>> json.loads(line)["route"], json.loads(line)["Requests"]
    ('/hello', [1.0])
    """
    described = {"Timestamp": int(now.timestamp() * 1000), "CloudWatchMetrics": _DESCRIBED}
    measured = {name: [float(values[name])] for name in UNITS}
    return _JSON.encode({"_aws": described, "route": route, "service": service, **measured})


_JSON = json.JSONEncoder(separators=(",", ":"))
