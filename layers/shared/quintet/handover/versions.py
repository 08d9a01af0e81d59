"""The versions of the model: published once, never changed, one of them active for everybody.

    objects   <prefix>/<version>/manifest.json    signed, see manifest.py
              <prefix>/<version>/<file>           as the manifest describes it
    rows      handover#models#<prefix>   version#<version>    that it is there, and of which kind
                                         active               which one answers, and which did before
                                         live#<version>       see live_weights.py

A version counts from the moment its row says `published`; until then it is nowhere listed. The active version changes
in one conditional write, after every file of it was read and found to be what was signed.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from quintet.handover.errors import ModelAltered, ResourceNotFoundError
from quintet.handover.live_weights import Live, LiveWeights
from quintet.handover.manifest import (
    MANIFEST_FILE,
    Keys,
    Manifest,
    check_file,
    digest_of,
    opened,
    sealed,
)
from quintet.handover.messages import Kind
from quintet.handover.packaged import PACKAGED, Packaged
from quintet.handover.ports import Objects
from quintet.handover.version_names import SERIES, in_order, number_in_series
from quintet.kernel.clock import Clock
from quintet.kernel.errors import Conflict, NotFound
from quintet.kernel.rows import Change, Create, Place, Rows

REMEMBERED = 5
"""Formerly active versions, to fall back to."""

CHOSEN = "switched to by a request"
"""Why a version is active that somebody asked for by its name."""

ATTEMPTS = 20
PAGE = 1000


class Active(NamedTuple):
    """`previous` were active before, the latest first; `since` is ISO 8601, empty for the packaged model."""

    version: str
    since: str = ""
    reason: str = "packaged with the program"
    previous: tuple[str, ...] = ()


class Listed(NamedTuple):
    version: str
    kind: Kind
    trained_at: str
    published_at: str = ""


@dataclass(frozen=True)
class Versions:
    objects: Objects
    rows: Rows
    keys: Callable[[], Keys]
    clock: Clock
    packaged: Packaged = field(default_factory=Packaged)
    prefix: str = "handover/models"

    def publish(self, kind: Kind, files: Mapping[str, bytes], *, version: str | None = None, **about: Any) -> Manifest:
        """A new version, which is not active yet: the next free 1.0.N where none is named.

        `about` are further fields of the Manifest. Raises Conflict where `version` is taken, Unavailable.
        """
        keys, now = self.keys(), self.clock.now().isoformat()
        name = self._reserve(kind, version, now)
        digests = {file: digest_of(content) for file, content in files.items()}
        manifest = Manifest(version=name, kind=kind, files=digests, **{"trained_at": now, **about})
        for file, content in files.items():
            self.objects.put(self._key(name, file), content)
        self.objects.put(self._key(name, MANIFEST_FILE), sealed(manifest, keys), content_type="application/json")
        published = {"status": "published", "trained_at": manifest.trained_at, "published_at": now}
        self.rows.write(Change(self._place("version#", name), published, {"status": "writing"}))
        return manifest

    def list(self) -> list[Listed]:
        """Every version, the packaged ones too, in the order of their numbers."""
        packaged = [Listed(one.version, one.kind, one.trained_at) for one in self.packaged.manifests()]
        published = [
            Listed(name, record["kind"], record["trained_at"], record["published_at"])
            for name, record in self._entered()
            if record["status"] == "published"
        ]
        return sorted([*packaged, *published], key=lambda one: in_order(one.version))

    def newest(self, kind: Kind, most: int) -> tuple[str, ...]:
        """Versions of this kind, the one that was published last first, packaged ones at the end."""
        mine = [one for one in self.list() if one.kind == kind]
        latest = sorted(mine, key=lambda one: (one.published_at, in_order(one.version)), reverse=True)
        return tuple(one.version for one in latest[:most])

    def read(self, version: str) -> Manifest:
        """Raises ResourceNotFoundError, ModelAltered."""
        if packaged := self.packaged.manifest(version):
            return packaged
        try:
            body, _ = self.objects.get(self._key(version, MANIFEST_FILE))
        except NotFound:
            raise self._absence(version) from None
        return opened(body, version, self.keys())

    def files(self, version: str) -> tuple[Manifest, dict[str, bytes]]:
        """Every file, found to be what was signed. Raises ResourceNotFoundError, ModelAltered."""
        manifest = self.read(version)
        if self.packaged.manifest(version):
            return manifest, self.packaged.files(version)
        return manifest, {file: self._file(manifest, file) for file in manifest.files}

    def active(self) -> Active:
        return self._standing()[0]

    def lineage(self) -> tuple[str, ...]:
        """The active version, and those that it came from, the latest first; at most REMEMBERED."""
        found, version = list[str](), self.active().version
        while version and version not in found and len(found) < REMEMBERED:
            found.append(version)
            try:
                version = next(iter(self.read(version).parents), "")
            except (NotFound, ModelAltered):
                break
        return tuple(found)

    def activate(self, version: str, *, reason: str, expect: str | None = None) -> Active:
        """From now on `version` answers, where `expect` (if given) did until now.

        Raises ResourceNotFoundError, ModelAltered, and Conflict where another version than `expect` is active.
        """
        self.files(version)
        for _ in range(ATTEMPTS):
            before, serial = self._standing()
            if expect is not None and before.version != expect:
                raise Conflict(f"Version {before.version} is active meanwhile, not {expect}: compare with that one.")
            if before.version == version and serial:  # who asks for the one that nobody chose yet has chosen it
                return before
            after = Active(version, self.clock.now().isoformat(), reason, _former(before, version))
            with suppress(Conflict):
                self._switch(after, serial)
                return after
        raise Conflict("The active version is being changed by others all the time: try again.")

    @property
    def weights(self) -> LiveWeights:
        return LiveWeights(self.rows, self.keys, self._partition)

    def live(self, version: str) -> Live | None:
        """The weights that moved on since `version` was published. Raises ModelAltered."""
        return self.weights.read(version)

    def keep_live(self, version: str, weights: str, *, expect: int) -> Live:
        """Put `weights` in the place of revision `expect`; 0: there were none. Raises Conflict, TooLarge."""
        return self.weights.replace(version, weights, expect)

    def _reserve(self, kind: Kind, version: str | None, now: str) -> str:
        """A number is burnt where publishing fails: nobody else's files get mixed with what it left."""
        if version is not None:
            try:
                return self._enter(kind, version, now)
            except Conflict:
                raise Conflict(f"There is a version {version} already, and versions are never replaced.") from None
        taken = [number_in_series(name) for name, _ in self._entered()]
        first = max(taken, default=0) + 1
        for number in range(first, first + ATTEMPTS):
            with suppress(Conflict):
                return self._enter(kind, f"{SERIES}{number}", now)
        raise Conflict("Too many versions are being published at once: try again.")

    def _enter(self, kind: Kind, version: str, now: str) -> str:
        if self.packaged.manifest(version):
            raise Conflict(f"Version {version} is packaged with the program.")
        record = {"schema": 1, "kind": kind, "status": "writing", "begun_at": now}
        self.rows.write(Create(self._place("version#", version), record))
        return version

    def _entered(self) -> Iterator[tuple[str, dict[str, Any]]]:
        after = ""
        while page := self.rows.list(self._partition, prefix="version#", after=after, limit=PAGE):
            yield from ((name.removeprefix("version#"), record) for name, record in page)
            after = page[-1][0]

    def _absence(self, version: str) -> Exception:
        """Why there is no manifest: it was never published, or it is gone."""
        try:
            status = self.rows.read(self._place("version#", version))["status"]
        except NotFound:
            status = ""
        if status == "published":
            return ModelAltered(f"The manifest of version {version} is missing: publish the model again.")
        return ResourceNotFoundError(f"There is no version {version}: GET /api/models lists those there are.")

    def _file(self, manifest: Manifest, file: str) -> bytes:
        try:
            content, _ = self.objects.get(self._key(manifest.version, file))
        except NotFound:
            raise ModelAltered(
                f"The file {file} of version {manifest.version} is missing: publish the model again."
            ) from None
        check_file(manifest, file, content)
        return content

    def _standing(self) -> tuple[Active, int]:
        """The active version and the row's serial number; 0: there is none yet."""
        try:
            record = self.rows.read(self._place("active"))
        except NotFound:
            return Active(PACKAGED), 0
        active = Active(record["version"], record["since"], record["reason"], tuple(record["previous"]))
        return active, record["serial"]

    def _switch(self, after: Active, serial: int) -> None:
        record = {**after._asdict(), "previous": list(after.previous), "serial": serial + 1}
        if serial:
            self.rows.write(Change(self._place("active"), record, {"serial": serial}))
        else:
            self.rows.write(Create(self._place("active"), {"schema": 1, **record}))

    @property
    def _partition(self) -> str:
        return f"handover#models#{self.prefix}"

    def _place(self, what: str, version: str = "") -> Place:
        return Place(self._partition, f"{what}{version}")

    def _key(self, version: str, file: str) -> str:
        return f"{self.prefix}/{version}/{file}"


def _former(before: Active, version: str) -> tuple[str, ...]:
    known = dict.fromkeys([before.version, *before.previous])
    return tuple(one for one in known if one != version)[:REMEMBERED]
