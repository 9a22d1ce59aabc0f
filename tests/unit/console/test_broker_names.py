"""Names and addresses for the broker's certificate."""

import pytest

from rollcall.console.broker_names import sort_names, this_machine


def test_names_and_addresses_are_told_apart() -> None:
    assert sort_names(["hub.lan", "10.0.0.1", "fe80::1", "hub"]) == (
        ["hub.lan", "hub"],
        ["10.0.0.1", "fe80::1"],
    )


@pytest.mark.parametrize("name", ["", "a b", "a/b", "-a", "a" * 254, "hub.lan:8883", "*.lan"])
def test_what_is_neither_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="neither a host name nor an address"):
        sort_names([name])


def test_this_machine_has_loopback_and_what_was_given_first() -> None:
    hosts, addresses = this_machine(["hub.example", "10.9.8.7"])
    assert hosts[0] == "hub.example"
    assert addresses[0] == "10.9.8.7"
    assert "localhost" in hosts
    assert {"127.0.0.1", "::1"} <= set(addresses)
    assert len(set(hosts)) == len(hosts)
    assert len(set(addresses)) == len(addresses)
