"""The room's secrets: those that the environment sets, else those of one JSON object that is kept elsewhere."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from pydantic import SecretStr

from quintet.kernel.errors import Misconfigured


@dataclass(frozen=True)
class Secrets:
    """`text` gives the JSON object, empty where there is none; it is asked for with each use, as secrets change."""

    text: Callable[[], str] = field(repr=False)

    def get(self, name: str, given: SecretStr) -> str:
        """`given`, else what is kept under `name`; empty where there is neither. Raises Misconfigured."""
        return given.get_secret_value() or self._kept().get(name, "")

    def _kept(self) -> dict[str, str]:
        text = self.text()
        try:
            kept = json.loads(text) if text.strip() else {}
        except ValueError:
            kept = None
        if not isinstance(kept, dict) or not all(isinstance(value, str) for value in kept.values()):
            raise Misconfigured("the secret of HANDOVER_SECRET_ARN must be a JSON object of texts")
        return kept
