"""Versions in the memory of this process: loaded once, the ones not used any more gone."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import RLock
from typing import NamedTuple

from quintet.handover.errors import ModelAltered
from quintet.handover.manifest import Manifest
from quintet.handover.ports import Selector
from quintet.handover.selectors import Start, selector_of
from quintet.handover.versions import Versions
from quintet.kernel.errors import Misconfigured, NotFound, Unavailable

KEPT = 3
"""Loaded versions: the active one, one to fall back to, and one that is asked for by name."""

REFUSED_SECONDS = 30
"""A version that could not be loaded is not tried again for so long."""

MOST_REFUSALS = 20


class Loaded(NamedTuple):
    """`revision` is that of an online model's live weights, as of `looked`; 0: those that were published."""

    manifest: Manifest
    selector: Selector
    revision: int
    looked: float

    @property
    def version(self) -> str:
        return self.manifest.version


class Refusal(NamedTuple):
    reason: str
    until: float


@dataclass
class LoadedVersions:
    """`start` makes a graph of a file; `ticks` are seconds; live weights are `believed` for so many of them."""

    versions: Versions
    start: Start
    ticks: Callable[[], float]
    believed: float
    _loaded: "OrderedDict[str, Loaded]" = field(default_factory=OrderedDict)
    _refused: dict[str, Refusal] = field(default_factory=dict)
    _lock: RLock = field(default_factory=RLock)

    def get(self, version: str, *, spare: str) -> Loaded | None:
        """None where it can't be loaded; `reason` then says why. `spare` stays loaded whatever else has to go."""
        loaded = self._loaded.get(version)
        if loaded and (loaded.manifest.kind != "online" or self.ticks() - loaded.looked < self.believed):
            return loaded
        with self._lock:
            return self._reweighted(loaded, spare) if loaded else self._loaded_now(version, spare)

    def load(self, version: str) -> Loaded:
        """Anew, whatever is known of it, and not kept. Raises ResourceNotFoundError, ModelAltered, Unavailable."""
        manifest, files = self.versions.files(version)
        live = self.versions.live(version) if manifest.kind == "online" else None
        selector = selector_of(manifest, files, self.start, live.weights if live else None)
        return Loaded(manifest, selector, live.revision if live else 0, self.ticks())

    def keep(self, loaded: Loaded, *, spare: str) -> Loaded:
        with self._lock:
            self._refused.pop(loaded.version, None)
            self._loaded[loaded.version] = loaded
            self._loaded.move_to_end(loaded.version)
            others = [version for version in self._loaded if version not in {spare, loaded.version}]
            for version in others[: max(len(self._loaded) - KEPT, 0)]:
                del self._loaded[version]
        return loaded

    def refuse(self, version: str, reason: str, seconds: float) -> None:
        """Not to be loaded for so long; one that is loaded already goes on answering, and the reason is told."""
        self._refused[version] = Refusal(reason, self.ticks() + seconds)
        if len(self._refused) > MOST_REFUSALS:
            del self._refused[next(iter(self._refused))]

    def reasons(self) -> dict[str, str]:
        """What stood in the way of each version lately."""
        if not self._refused:
            return {}
        now = self.ticks()
        return {version: refusal.reason for version, refusal in self._refused.items() if now < refusal.until}

    def _loaded_now(self, version: str, spare: str) -> Loaded | None:
        if found := self._loaded.get(version):
            return found
        if version in self.reasons():
            return None
        try:
            return self.keep(self.load(version), spare=spare)
        except (ModelAltered, NotFound) as error:
            self.refuse(version, error.message, REFUSED_SECONDS)
        except (Unavailable, Misconfigured) as error:
            self.refuse(version, error.message, self.believed)
        return None

    def _reweighted(self, loaded: Loaded, spare: str) -> Loaded:
        """An online model with its weights as of now; what can't be read leaves it as it was."""
        try:
            live = self.versions.live(loaded.version)
            if live and live.revision != loaded.revision:
                return self.keep(self.load(loaded.version), spare=spare)
        except (ModelAltered, NotFound, Unavailable, Misconfigured) as error:
            self.refuse(loaded.version, error.message, REFUSED_SECONDS)
        self._loaded[loaded.version] = after = loaded._replace(looked=self.ticks())
        return after
