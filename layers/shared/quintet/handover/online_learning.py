"""The online model learns from each feedback, while it serves."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from quintet.handover.examples import examples_of
from quintet.handover.messages import FeedbackSample
from quintet.handover.online import weights_of
from quintet.handover.versions import Versions
from quintet.kernel.clock import Clock
from quintet.kernel.errors import Conflict

ATTEMPTS = 10
FILE = "weights.json"


@dataclass(frozen=True)
class OnlineLearning:
    """Of the active version where it is an online model, else of the newest one: it is ready when it is switched to."""

    versions: Versions
    clock: Clock

    def __call__(self, samples: Sequence[FeedbackSample]) -> int:
        """How many samples it learned from: none where there is no online model.

        Raises Conflict where others were always quicker, ModelAltered, Unavailable.
        """
        version = self._version() if samples else None
        if version is None:
            return 0
        examples = examples_of(samples, self.clock.now().timestamp())
        for _ in range(ATTEMPTS):
            live = self.versions.live(version)
            before = live.weights.encode() if live else self.versions.files(version)[1][FILE]
            after = weights_of(before).fed(examples).content().decode()
            with suppress(Conflict):
                self.versions.keep_live(version, after, expect=live.revision if live else 0)
                return len(samples)
        raise Conflict("the online model is learning from others all the time")

    def _version(self) -> str | None:
        newest = self.versions.newest("online", 100)
        active = self.versions.active().version
        return active if active in newest else next(iter(newest), None)
