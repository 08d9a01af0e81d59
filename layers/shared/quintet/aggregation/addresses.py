"""Whom a request may have us call: hosts on a list, at addresses of the public internet.

An operator's own URLs are trusted; one that came with a request is checked twice. `check_url` looks at it alone, when
it comes; `destination` resolves its host, when it is called, and gives the addresses to connect to: whoever connects
resolves nothing anew, so that a name can't lead elsewhere meanwhile.

    >>> hosts = listed("hooks.example.org, *.clinic.example:8443")
    >>> check_url("https://hooks.example.org/results?job=1", hosts).host
    'hooks.example.org'
    >>> check_url("http://hooks.example.org/results", hosts)
    Traceback (most recent call last):
    quintet.kernel.errors.PermissionDenied: returnUrl: http://hooks.example.org is not on RETURN_URL_HOSTS
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from quintet.kernel.errors import Misconfigured, PermissionDenied, Unavailable

Resolve = Callable[[str, int], Sequence[str]]
"""The addresses of a host and port as of now. Raises Unavailable."""

MOST_CHARACTERS = 2000
DEFAULT_PORTS = {"https": 443, "http": 80}

_ENTRY = re.compile(r"(?:(https?)://)?(\*\.)?([^\s:/@*\[\]]+|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?")
_SAYABLE = re.compile(r"[!-\[\]-~]+")
"""What a URL consists of: ASCII without blanks and the backslash, which readers of URLs disagree about."""

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?:{_LABEL}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])?")
"""Its last label begins with a letter: 127.1, 0x7f.0.0.1 and 2130706433 are names to nobody but resolvers."""

_RESERVED_4 = (IPv4Network("192.0.0.0/24"), IPv4Network("192.88.99.0/24"))
"""Protocols' own, and 6to4's relays: what `ipaddress` makes of them depends on Python's version."""

_PUBLIC_6 = IPv6Network("2000::/3")
_RESERVED_6 = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))
"""Teredo, examples, and 6to4, which carries an IPv4 address of anybody's choice."""


class Host(NamedTuple):
    """One that may be called; `below`: every name that ends in `.name`, and not the name itself."""

    scheme: str
    name: str
    port: int
    below: bool

    def matches(self, scheme: str, host: str, port: int) -> bool:
        named = host.endswith(f".{self.name}") if self.below else host == self.name
        return named and (scheme, port) == (self.scheme, self.port)


@dataclass(frozen=True)
class Destination:
    url: str
    host: str
    port: int
    addresses: tuple[str, ...] = ()


def listed(text: str) -> tuple[Host, ...]:
    """The hosts of RETURN_URL_HOSTS: `host`, `*.suffix`, `host:port`; `http://` before one that has no TLS.

    Raises Misconfigured.
    """
    return tuple(_entry(part.strip().lower()) for part in text.split(",") if part.strip())


def check_url(url: str, hosts: Sequence[Host]) -> Destination:
    """Raises PermissionDenied, with the reason, for one that a request may not have us call."""
    if len(url) > MOST_CHARACTERS or not _SAYABLE.fullmatch(url):
        raise _refused(f"a URL has at most {MOST_CHARACTERS} characters, and none but ASCII without blanks and \\")
    try:
        parts = urlsplit(url)
        host, port = _host(parts), parts.port
    except ValueError as error:
        raise _refused(f"it can't be read: {error}") from None
    scheme = parts.scheme
    if scheme not in DEFAULT_PORTS:
        raise _refused("it must begin with https://")
    port = DEFAULT_PORTS[scheme] if port is None else port
    if not any(one.matches(scheme, host, port) for one in hosts):
        shown = f":{port}" if port != DEFAULT_PORTS[scheme] else ""
        raise _refused(f"{scheme}://{host}{shown} is not on RETURN_URL_HOSTS")
    return Destination(url, host, port)


def destination(url: str, hosts: Sequence[Host], resolve: Resolve) -> Destination:
    """What may be called as of now. Raises PermissionDenied, and Unavailable where the host can't be resolved."""
    checked = check_url(url, hosts)
    addresses = tuple(resolve(checked.host.strip("[]"), checked.port))
    if not addresses:
        raise Unavailable(f"{checked.host} can't be resolved")
    hidden = [address for address in addresses if not is_public(address)]
    if hidden:
        raise PermissionDenied(
            f"returnUrl: {checked.host} leads to addresses that are not public", host=checked.host, addresses=hidden
        )
    return Destination(url, checked.host, checked.port, addresses)


def is_public(address: str) -> bool:
    """Whether anybody on the internet means the same machine by it.

    >>> [is_public(one) for one in ("9.9.9.9", "10.0.0.1", "169.254.169.254", "2620:fe::9", "::ffff:9.9.9.9")]
    [True, False, False, True, False]
    """
    try:
        known = ip_address(address)
    except ValueError:
        return False
    if "%" in address:  # an interface of this machine
        return False
    return _is_public_4(known) if isinstance(known, IPv4Address) else _is_public_6(known)


def _is_public_4(address: IPv4Address) -> bool:
    special = address.is_multicast or address.is_reserved or any(address in network for network in _RESERVED_4)
    return address.is_global and not special


def _is_public_6(address: IPv6Address) -> bool:
    """Global unicast alone. Whatever carries an IPv4 address (mapped, NAT64, 6to4) is not: it would lead to that."""
    return address in _PUBLIC_6 and address.is_global and not any(address in network for network in _RESERVED_6)


def _host(parts: SplitResult) -> str:
    """In lower case. Raises ValueError for what is no host, or a disguised address."""
    if "@" in parts.netloc:
        raise ValueError("it holds a user's name or password")
    host = (parts.hostname or "").lower()
    if ":" in host:
        return f"[{IPv6Address(host).compressed}]"
    if not _NAME.fullmatch(host) and not _is_ipv4(host):
        raise ValueError("its host is neither a full name nor an address in its usual form")
    return host


def _is_ipv4(host: str) -> bool:
    """Four decimal numbers and nothing else: 010.0.0.1 is 8.0.0.1 to some."""
    try:
        return str(IPv4Address(host)) == host
    except ValueError:
        return False


def _entry(text: str) -> Host:
    found = _ENTRY.fullmatch(text)
    scheme, below, name, digits = found.groups() if found else ("", "", "", "")
    scheme = scheme or "https"
    port = int(digits or DEFAULT_PORTS[scheme])
    if not name or name.startswith(".") or not 1 <= port <= 65535:
        raise Misconfigured(f"set RETURN_URL_HOSTS: {text} is neither a host nor *.suffix, perhaps with a port")
    return Host(scheme, name, port, below is not None)


def _refused(why: str) -> PermissionDenied:
    return PermissionDenied(f"returnUrl: {why}")
