"""Keeps every event it gets in its folder; fails, waits or says when as the folder's orders.json asks."""

import json
import os
import time
from pathlib import Path
from typing import Any


def handler(event: dict[str, Any], context: Any) -> None:
    began = time.time()
    folder = Path(os.environ["TOY_FOLDER"])
    orders = json.loads((folder / "orders.json").read_text())
    number = len(list(folder.glob("event-*.json")))
    time.sleep(orders.get("seconds", 0))
    half = folder / "half"
    half.write_text(json.dumps({"event": event, "began": began, "ended": time.time()}))
    half.rename(folder / f"event-{number:04}.json")
    if number < orders.get("failures", 0):
        raise RuntimeError("as ordered")
