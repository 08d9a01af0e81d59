"""Which detection library a task uses. Each is imported only when it is chosen."""

from importlib import import_module

from gpu_workers.trainer.detector import DetectorLibrary
from quintet.kernel.errors import Misconfigured

KNOWN = {
    "libreyolo": "gpu_workers.trainer.libreyolo_detector:LibreYolo",
    "ultralytics": "gpu_workers.trainer.ultralytics_detector:Ultralytics",
}


def library(name: str, *, local: bool) -> DetectorLibrary:
    """The one called `name`; on one machine also any `<module>:<factory>`. Raises Misconfigured."""
    place = KNOWN.get(name) or (name if local else "")
    module, _, factory = place.partition(":")
    if not factory:
        raise Misconfigured(f"DETECTOR_LIBRARY is {name!r}; there are {', '.join(KNOWN)}.")
    try:
        made: DetectorLibrary = getattr(import_module(module), factory)()
    except (ImportError, AttributeError) as error:
        raise Misconfigured(f"DETECTOR_LIBRARY: {name} is not installed here.", reason=str(error)) from error
    return made
