"""Which model answers: the active version, and what stands in for it where it can't be had.

Every environment looks at the active row again once it has believed it for two seconds, so that a switch is everywhere
within that. A version that can't be loaded is passed over, visibly in the health: the ones that were active before it
answer, the latest first, and at last the packaged model.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import NamedTuple

from quintet.handover.errors import ModelNotReadyError
from quintet.handover.health import ModelHealth, ModelMetadata, TrainingHealth
from quintet.handover.loaded import REFUSED_SECONDS, Loaded, LoadedVersions
from quintet.handover.manifest import Manifest
from quintet.handover.messages import Kind
from quintet.handover.packaged import PACKAGED
from quintet.handover.ports import Selector
from quintet.handover.selectors import Shares, Start
from quintet.handover.sights import Look
from quintet.handover.versions import CHOSEN, Active, Versions
from quintet.kernel.clock import stopwatch
from quintet.kernel.errors import Misconfigured, ModelUnavailable, Unavailable

OF_A_KIND = 3
"""Versions of a kind that are tried, the newest first."""


class Scored(NamedTuple):
    selector: Selector
    scores: list[Shares]


@dataclass(frozen=True)
class Belief:
    """`trouble`: why the row could not be read when it was last tried, `looked`."""

    active: Active
    looked: float
    trouble: str = ""

    @cached_property
    def chain(self) -> tuple[str, ...]:
        """What should answer, and what stands in for it."""
        return tuple(dict.fromkeys([self.active.version, *self.active.previous, PACKAGED]))


@dataclass
class Serving:
    """`start` makes a graph of a file, `ticks` are seconds on a clock that never goes back; `wanted` is the kind that
    an empty deployment should have, `training` tells of the newest training; `tell` hears why it is not the active
    version that answers, once each time that begins.
    """

    versions: Versions
    start: Start
    ticks: Callable[[], float] = stopwatch
    believed: float = 2.0
    wanted: Kind = "lightgbm"
    training: Callable[[], TrainingHealth | None] = lambda: None
    tell: Callable[[str], None] = lambda _: None
    _told: str | None = None
    _belief: Belief | None = None
    _named: dict[Kind, tuple[tuple[str, ...], float]] = field(default_factory=dict)
    _looking: Lock = field(default_factory=Lock)

    def selector(self, kind: Kind | None = None) -> Selector:
        """The one that answers now; of a `kind` asked for by name, its newest. Raises ModelNotReadyError."""
        return self._first(kind).selector

    def scores(self, looks: Sequence[Look], kind: Kind | None = None) -> Scored:
        """The shares of each look's candidates, and whose they are. A model that fails on these looks is passed over.

        Raises ModelNotReadyError.
        """
        for loaded in self._standing(kind):
            try:
                return Scored(loaded.selector, loaded.selector.scores(looks))
            except ModelUnavailable as error:
                self.loaded.refuse(loaded.version, error.message, REFUSED_SECONDS)
        raise self._not_ready(kind)

    def switch(self, version: str, *, reason: str = CHOSEN) -> Active:
        """Let `version` answer from now on, once it is loaded here and was tried.

        Raises ResourceNotFoundError, ModelAltered, Conflict, Unavailable: then everything is as it was.
        """
        loaded = self.loaded.load(version)
        active = self.versions.activate(version, reason=reason)
        self.loaded.keep(loaded, spare=version)
        self._belief = Belief(active, self.ticks())
        return active

    def health(self) -> ModelHealth:
        serving = next(self._standing(None), None)
        return ModelHealth(
            ready=serving is not None,
            metadata=_metadata(serving.manifest) if serving else None,
            active=self._believed().active.version,
            serving=serving.version if serving else None,
            fallback_reason=self._why(serving.manifest) if serving else self._not_ready(None).message,
            training=self._training(),
        )

    def _training(self) -> TrainingHealth | None:
        """Readiness is told whether or not that can be read just now."""
        try:
            return self.training()
        except (Unavailable, Misconfigured):
            return None

    def forget(self) -> None:
        """The active row is looked at again with the next question."""
        self._belief = None

    @cached_property
    def loaded(self) -> LoadedVersions:
        return LoadedVersions(self.versions, self.start, self.ticks, self.believed)

    def _first(self, kind: Kind | None) -> Loaded:
        for loaded in self._standing(kind):
            return loaded
        raise self._not_ready(kind)

    def _standing(self, kind: Kind | None) -> Iterator[Loaded]:
        """Those that can be loaded, the first choice first."""
        belief = self._believed()
        active = belief.active.version
        for version in self._of_kind(kind, active) if kind else belief.chain:
            if loaded := self.loaded.get(version, spare=active):
                if kind is None:
                    self._tell(self._trouble(loaded.version))
                yield loaded

    def _of_kind(self, kind: Kind, active: str) -> list[str]:
        """The versions that may answer for a kind: the active one where it is of this kind, then the newest."""
        known, looked = self._named.get(kind, ((), 0.0))
        if not known or not self._fresh(looked):
            known = self._newest(kind) or known
            self._named[kind] = (known, self.ticks())
        return sorted(known, key=lambda version: version != active)

    def _newest(self, kind: Kind) -> tuple[str, ...]:
        try:
            return self.versions.newest(kind, OF_A_KIND)
        except (Unavailable, Misconfigured):
            packaged = self.versions.packaged.of_kind(kind)
            return (packaged.version,) if packaged else ()

    def _believed(self) -> Belief:
        """For a while. One thread looks again, the others believe on."""
        belief = self._belief
        if belief and (self._fresh(belief.looked) or not self._looking.acquire(blocking=False)):
            return belief
        if not belief:
            self._looking.acquire()
        try:
            self._belief = belief = self._look(self._belief)
        finally:
            self._looking.release()
        return belief

    def _look(self, before: Belief | None) -> Belief:
        if before and self._fresh(before.looked):
            return before
        try:
            return Belief(self._or_wanted(self.versions.active()), self.ticks())
        except (Unavailable, Misconfigured) as error:
            known = before.active if before else self._or_wanted(Active(PACKAGED))
            return Belief(known, self.ticks(), f"Which version is active can't be read: {error.message}.")

    def _or_wanted(self, active: Active) -> Active:
        """Where nothing was ever switched to, the packaged model of the wanted kind, if there is one."""
        packaged = self.versions.packaged.of_kind(self.wanted)
        return active._replace(version=packaged.version) if packaged and not active.since else active

    def _fresh(self, looked: float) -> bool:
        return self.ticks() - looked < self.believed

    def _why(self, serving: Manifest) -> str | None:
        """Why it is not the active version that answers, or not the kind that is wanted."""
        if trouble := self._trouble(serving.version):
            return trouble
        if self._belief and not self._belief.active.since and serving.kind != self.wanted:
            return f"No {self.wanted} model has been trained yet: the packaged {serving.kind} model answers."
        return None

    def _trouble(self, serving: str) -> str | None:
        belief = self._belief
        if belief is None or belief.trouble:
            return belief.trouble if belief else None
        if reason := self.loaded.reasons().get(belief.active.version):
            return reason
        return None if serving == belief.active.version else f"Version {belief.active.version} could not be loaded."

    def _tell(self, trouble: str | None) -> None:
        if trouble != self._told:
            self._told = trouble
            if trouble:
                self.tell(trouble)

    def _not_ready(self, kind: Kind | None) -> ModelNotReadyError:
        reasons = " ".join(self.loaded.reasons().values()) or "There is none yet."
        path = f"/api/train?model_type={kind}" if kind else "/api/train"
        return ModelNotReadyError(f"No {kind or 'model'} can answer. {reasons} Train one: POST {path}.")


def _metadata(manifest: Manifest) -> ModelMetadata:
    return ModelMetadata(
        model_type=manifest.kind,
        trained_at=manifest.trained_at,
        version=manifest.version,
        metrics=manifest.metrics,
    )
