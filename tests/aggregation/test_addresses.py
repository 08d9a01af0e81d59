"""Whom a request may have us call, and what tricky URLs come to."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quintet.adapters.http_calls import HttpCalls
from quintet.aggregation.addresses import check_url, destination, is_public, listed
from quintet.kernel.errors import Misconfigured, PermissionDenied, Unavailable

HOSTS = listed("hooks.example.org, *.clinic.example:8443, http://plain.example.org:8080, 9.9.9.9, [2620:fe::9]")
PUBLIC = "93.184.216.34"


def resolved(*addresses: str) -> Any:
    return lambda host, port: list(addresses)


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("https://hooks.example.org", "hooks.example.org", 443),
        ("https://hooks.example.org:443/results?job=a%20b#x", "hooks.example.org", 443),
        ("HTTPS://Hooks.Example.ORG/r", "hooks.example.org", 443),
        ("https://north.clinic.example:8443/", "north.clinic.example", 8443),
        ("https://a.b-c.clinic.example:8443/", "a.b-c.clinic.example", 8443),
        ("https://xn--bcher-kva.clinic.example:8443/", "xn--bcher-kva.clinic.example", 8443),
        ("http://plain.example.org:8080/r", "plain.example.org", 8080),
        ("https://9.9.9.9/", "9.9.9.9", 443),
        ("https://[2620:fe::9]/", "[2620:fe::9]", 443),
        ("https://[2620:00fe:0::9]/", "[2620:fe::9]", 443),
    ],
)
def test_what_is_on_the_list(url: str, host: str, port: int) -> None:
    found = check_url(url, HOSTS)
    assert (found.url, found.host, found.port) == (url, host, port)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.org/",  # no TLS, and not listed so
        "https://plain.example.org:8080/",
        "http://plain.example.org/",
        "https://hooks.example.org:8443/",
        "https://hooks.example.org:0/",
        "https://north.clinic.example/",
        "https://clinic.example:8443/",
        "https://evilclinic.example:8443/",
        "https://hooks.example.org.evil.example/",
        "https://hooks.example.orgevil/",
        "https://evil.example/hooks.example.org",
        "https://evil.example/?https://hooks.example.org",
        "https://evil.example#@hooks.example.org/",
    ],
)
def test_what_is_not_on_the_list(url: str) -> None:
    with pytest.raises(PermissionDenied, match="RETURN_URL_HOSTS"):
        check_url(url, HOSTS)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example.org",
        "//hooks.example.org/",
        "https:hooks.example.org",
        "https:///hooks.example.org",
        "ftp://hooks.example.org/",
        "file:///etc/passwd",
        "gopher://hooks.example.org/",
        "javascript:alert(1)//hooks.example.org",
        "https://ada@hooks.example.org/",
        "https://ada:secret@hooks.example.org/",
        "https://@hooks.example.org/",
        "https://hooks.example.org@evil.example/",
        "https://hooks.example.org\\@evil.example/",
        "https://evil.example\\.hooks.example.org/",
        "https://hooks.example.org./",
        "https://hooks.example.org../",
        "https://hooks..example.org/",
        "https://.clinic.example:8443/",
        "https://hooks.example.org:44 3/",
        "https://hooks.example.org:443:80/",
        "https://hooks.example.org:99999/",
        "https://hooks.example.org:-1/",
        "https://hooks.example.org:٤٤٣/",
        " https://hooks.example.org/",
        "https://hooks.example.org/ x",
        "https://hooks.exa\tmple.org/",
        "https://hooks.example.org/\r\nHost: evil.example",
        "https://hooks.example.org/\x00",
        "https://ｈooks.example.org/",  # full width: NFKC makes it the listed one
        "https://hooks。example.org/",  # an ideographic full stop, likewise
        "https://hооks.example.org/",  # two Cyrillic letters
        "https://hooks.example.org%2eevil.example/",
        "https://%68ooks.example.org/",
        "https://localhost/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.0.0.1/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://9.9.9.09/",
        "https://9.9.2313/",
        "https://[::ffff:9.9.9.9%25eth0]/",
        "https://[9.9.9.9]/",
        "https://[::1/",
        "https://[v1.x]/",
        f"https://hooks.example.org/{'x' * 2000}",
    ],
)
def test_what_is_no_url_to_trust(url: str) -> None:
    with pytest.raises(PermissionDenied, match=r"^returnUrl: "):
        check_url(url, (*HOSTS, *listed("*.org, *.example, *.com")))


@given(
    st.text(max_size=60), st.sampled_from(["https://{}", "https://{}hooks.example.org/", "https://hooks.example.org{}"])
)
def test_whatever_passes_leads_to_the_listed_host(text: str, form: str) -> None:
    url = form.format(text)
    try:
        check_url(url, HOSTS)
    except PermissionDenied:
        return
    assert urlsplit(url).hostname in {"hooks.example.org", "9.9.9.9", "2620:fe::9", "plain.example.org"} or str(
        urlsplit(url).hostname
    ).endswith(".clinic.example")


HIDDEN = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254",  # noqa: S104
    "169.254.0.1",
    "169.254.169.254", "169.254.170.2", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.192", "192.0.2.1",
    "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255",
    "240.0.0.1", "255.255.255.255",
    "::", "::1", "::127.0.0.1", "::9.9.9.9", "::ffff:127.0.0.1", "::ffff:9.9.9.9", "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1", "64:ff9b::9.9.9.9", "64:ff9b:1::a9fe:a9fe", "100::1", "2001::1", "2001:20::1",
    "2001:db8::1", "2002:7f00:1::", "2002:909:909::", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1",
    "fe80::1%eth0", "fec0::1", "ff02::1", "ff0e::1", "2620:fe::9%eth0", "", "localhost", "9.9.9", "09.9.9.9",
]  # fmt: skip


@pytest.mark.parametrize("address", HIDDEN)
def test_addresses_that_are_not_everybodys(address: str) -> None:
    assert not is_public(address)
    with pytest.raises(PermissionDenied, match="not public") as refusal:
        destination("https://hooks.example.org/", HOSTS, resolved(PUBLIC, address))
    assert refusal.value.details["addresses"] == [address]
    assert "hooks.example.org" in refusal.value.message


@pytest.mark.parametrize(
    "address", [PUBLIC, "9.9.9.9", "1.1.1.1", "2620:fe::9", "2606:4700:4700::1111", "2a00:1450::1"]
)
def test_addresses_of_the_internet(address: str) -> None:
    assert destination("https://hooks.example.org/x", HOSTS, resolved(address)).addresses == (address,)


def test_a_host_is_resolved_once_by_its_plain_name() -> None:
    asked: list[tuple[str, int]] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append((host, port))
        return [PUBLIC]

    destination("https://North.Clinic.example:8443/x", HOSTS, resolve)
    destination("https://[2620:fe::9]/x", HOSTS, resolve)
    assert asked == [("north.clinic.example", 8443), ("2620:fe::9", 443)]


def test_a_host_that_is_not_on_the_list_is_not_even_resolved() -> None:
    def resolve(host: str, port: int) -> list[str]:
        raise AssertionError(host)

    with pytest.raises(PermissionDenied):
        destination("https://evil.example/", HOSTS, resolve)


def test_a_host_that_can_t_be_resolved_may_be_later() -> None:
    with pytest.raises(Unavailable):
        destination("https://hooks.example.org/", HOSTS, resolved())


def test_a_listed_address_of_a_private_network_is_not_called_either() -> None:
    hosts = listed("10.0.0.7, http://127.0.0.1:8080")
    for url in ("https://10.0.0.7/", "http://127.0.0.1:8080/"):
        with pytest.raises(PermissionDenied, match="not public"):
            destination(url, hosts, resolved(str(urlsplit(url).hostname)))


@pytest.mark.parametrize(
    "text", ["*", "*.", "a b", "ftp://a.example", "https://a.example/x", "a.*.example", "a.example:", "ada@a.example",
             "a.example:99999", "a.example:0", "*.*.example", ".example"]
)  # fmt: skip
def test_a_list_that_can_t_be_read_refuses_to_start(text: str) -> None:
    with pytest.raises(Misconfigured, match="RETURN_URL_HOSTS"):
        listed(text)


def test_an_empty_list_lets_nobody_through() -> None:
    assert listed("") == () == listed(" , ")
    with pytest.raises(PermissionDenied):
        check_url("https://hooks.example.org/", ())


@pytest.fixture
def secret_service() -> Iterator[tuple[int, list[str]]]:
    """Something of ours that no stranger may reach."""
    heard: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port, heard
        server.shutdown()
        thread.join()


@pytest.mark.enable_socket
def test_a_name_that_changes_its_mind_leads_nowhere(
    secret_service: tuple[int, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is public when it is checked, and ours when it would be connected to: nobody asks for it again."""
    port, heard = secret_service
    hosts = listed(f"http://rebinding.example.org:{port}")
    place = destination(f"http://rebinding.example.org:{port}/x", hosts, resolved("9.9.9.1"))

    def connect(address: tuple[str, int], timeout: float) -> Any:
        asked.append(address)
        raise OSError("nobody there")

    asked: list[tuple[str, int]] = []
    monkeypatch.setattr("socket.create_connection", connect)
    with pytest.raises(Unavailable):
        HttpCalls().post(place.url, b"{}", seconds=30, addresses=place.addresses)
    assert asked == [("9.9.9.1", port)]
    assert heard == []
