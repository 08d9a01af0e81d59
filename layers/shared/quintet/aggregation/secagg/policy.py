"""What an owner insists on, whatever the server asks for."""

from collections.abc import Callable
from dataclasses import dataclass

from quintet.aggregation.secagg.identity import Roster
from quintet.aggregation.secagg.terms import DECIMALS, Terms, default_threshold, flaw
from quintet.kernel.errors import PermissionDenied


@dataclass(frozen=True)
class Policy:
    """`least_cohort`: the owner's values go into no sum of fewer owners. `least_threshold`: of so many clients.

    With a threshold t of n clients, a server that works with c of them can tell the others of different survivors
    unless c < 2t - n. A bare majority would let it as soon as one of them helps.
    """

    least_cohort: int = 3
    least_threshold: Callable[[int], int] = default_threshold
    decimals: int = DECIMALS


def insist(policy: Policy, terms: Terms, *, client: str, key: bytes, roster: Roster, size: int) -> None:
    """Raises PermissionDenied, with the reason, where an owner with such a vector must not agree to the terms."""
    if reason := objection(policy, terms, client=client, key=key, roster=roster, size=size):
        raise PermissionDenied(f"{client} does not take part: {reason}")


def objection(policy: Policy, terms: Terms, *, client: str, key: bytes, roster: Roster, size: int) -> str:
    return (
        flaw(terms)
        or too_weak(policy, terms)
        or strangers(terms, client=client, key=key, roster=roster)
        or misfit(policy, terms, size)
    )


def too_weak(policy: Policy, terms: Terms) -> str:
    count, least = len(terms.clients), policy.least_threshold(len(terms.clients))
    if count < policy.least_cohort:
        return f"{count} owners are fewer than the {policy.least_cohort} that it asks for"
    if terms.threshold < least:
        return f"a threshold of {terms.threshold} of {count} owners is below the {least} that it asks for"
    return ""


def strangers(terms: Terms, *, client: str, key: bytes, roster: Roster) -> str:
    if client not in terms.clients:
        return "the terms do not name it"
    unknown = [name for name in terms.clients if name not in roster]
    if unknown:
        return f"its roster has no key of {', '.join(unknown)}"
    if roster[client] != key:
        return "its signing key is another than the roster says"
    return ""


def misfit(policy: Policy, terms: Terms, size: int) -> str:
    if terms.decimals != policy.decimals:
        return f"the terms count {terms.decimals} decimals, it {policy.decimals}"
    if terms.size not in (None, size):
        return f"the terms are about {terms.size} values, it has {size}"
    return "" if size else "it has no values"
