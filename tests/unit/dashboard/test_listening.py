"""Where the dashboard listens: open to others only with TLS."""

from typing import Any

import pytest

from rollcall.dashboard.listening import ListenError, listen, listening
from rollcall.service.config import ConfigError
from rollcall.service.settings import Dashboard

TLS: dict[str, Any] = {"certificate_file": "/tmp/c.pem", "key_file": "/tmp/k.pem"}


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("localhost:1", "http://localhost:1"),
        ("[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_on_loopback_nothing_more_is_needed(written: str, url: str) -> None:
    place = listening(Dashboard(listen=written))
    assert (place.url, place.secure) == (url, False)


@pytest.mark.parametrize("written", ["0.0.0.0:8080", "192.168.1.5:80", "hub.lan:8080", "[::]:1"])
def test_elsewhere_it_refuses_without_tls_and_says_what_to_write(written: str) -> None:
    with pytest.raises(ConfigError, match="set certificate_file and key_file, or behind_proxy"):
        listening(Dashboard(listen=written))
    assert listening(Dashboard(listen=written, behind_proxy=True)).secure
    assert listening(Dashboard(listen=written, **TLS)).secure


def test_the_address_of_all_interfaces_is_told_as_one_that_opens() -> None:
    assert listening(Dashboard(listen="0.0.0.0:8080", **TLS)).url == "https://127.0.0.1:8080"


@pytest.mark.parametrize("written", ["", "8080", ":8080", "localhost", "localhost:0", "h:65536"])
def test_what_is_no_address_is_told(written: str) -> None:
    with pytest.raises(ConfigError, match="an address and a port"):
        listening(Dashboard(listen=written))


def test_a_certificate_without_its_key_is_told() -> None:
    with pytest.raises(ConfigError, match="belong together"):
        listening(Dashboard(certificate_file="/tmp/c.pem"))


def test_an_address_in_use_is_told_with_what_to_set() -> None:
    (first,) = listen(listening(Dashboard(listen="127.0.0.1:38471")))
    with first, pytest.raises(ListenError, match="set another address or port"):
        listen(listening(Dashboard(listen="127.0.0.1:38471")))
