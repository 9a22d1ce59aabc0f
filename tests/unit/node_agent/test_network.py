"""Interfaces that are renamed, wrap, hide, or have odd links."""

from pathlib import Path

import pytest

from rollcall.node_agent.collectors.declaration import Number, UnsupportedError
from rollcall.node_agent.collectors.network import Network, NetworkOptions
from tests.support.hosts_of_files import HostOfFiles

HEAD = "Inter-| Receive | Transmit\n face |bytes |bytes\n"


def interface(
    name: str, index: int, received: int, sent: int = 0, **attributes: object
) -> dict[str, str]:
    """Its line (under its own name) and its files."""
    line = f"{name:>6}: {received} 0 0 0 0 0 0 0 {sent} 0 0 0 0 0 0 0\n"
    folder = f"/sys/class/net/{name}"
    files = {f"{folder}/{key}": f"{value}\n" for key, value in attributes.items()}
    return {name: line, f"{folder}/ifindex": f"{index}\n"} | files


def files(*interfaces: dict[str, str]) -> dict[str, str]:
    lines = [text for each in interfaces for key, text in each.items() if "/class/" not in key]
    kept = {key: text for each in interfaces for key, text in each.items() if "/class/" in key}
    return kept | {"/proc/net/dev": HEAD + "".join(lines)}


def two_readings(
    folder: Path, before: dict[str, str], after: dict[str, str]
) -> dict[str, dict[str, Number]]:
    host, reading = HostOfFiles(folder, files(before)), Network(NetworkOptions(interval=10))
    reading.collect(host)
    return reading.collect(host.later(10, files(after))).instances or {}


RATE = "receive_bytes_per_second"


def test_a_renamed_interface_starts_anew_and_its_old_name_leaves(tmp_path: Path) -> None:
    instances = two_readings(tmp_path, interface("eth0", 2, 9000), interface("lan0", 2, 9500))
    assert set(instances) == {"lan0"}
    assert RATE not in instances["lan0"]
    assert instances["lan0"]["received_bytes"] == 9500


def test_another_interface_under_an_old_name_starts_anew(tmp_path: Path) -> None:
    instances = two_readings(tmp_path, interface("eth0", 2, 9000), interface("eth0", 5, 9500))
    assert RATE not in instances["eth0"]


def test_a_counter_that_wraps_gives_no_rate_and_the_other_direction_does(tmp_path: Path) -> None:
    before = interface("eth0", 2, 4_294_967_000, 100)
    instances = two_readings(tmp_path, before, interface("eth0", 2, 700, 600))
    assert RATE not in instances["eth0"]
    assert instances["eth0"]["transmit_bytes_per_second"] == 50.0


@pytest.mark.parametrize(
    ("speed", "told"),
    [
        pytest.param("1000", 125_000_000, id="gigabit"),
        pytest.param("-1", None, id="no link"),
        pytest.param("4294967295", None, id="no link, older driver"),
        pytest.param("0", None, id="unknown"),
        pytest.param("fast", None, id="no number"),
    ],
)
def test_the_speed_of_a_link_is_absent_where_there_is_none(
    tmp_path: Path, speed: str, told: int | None
) -> None:
    host = HostOfFiles(tmp_path, files(interface("eth0", 2, 0, speed=speed)))
    instances = Network(NetworkOptions(interval=10)).collect(host).instances or {}
    assert instances["eth0"].get("link_bytes_per_second") == told


def test_which_interfaces_are_left_out_is_an_option(tmp_path: Path) -> None:
    names = ("lo", "docker0", "vetha", "br-1", "virbr0", "cali1", "cni0", "eth0", "wg0")
    host = HostOfFiles(tmp_path, files(*(interface(name, n, 0) for n, name in enumerate(names))))
    by_default = Network(NetworkOptions(interval=10)).collect(host).instances or {}
    assert set(by_default) == {"eth0", "wg0"}
    chosen = Network(NetworkOptions(interval=10, exclude=("eth*",))).collect(host).instances or {}
    assert set(chosen) == set(names) - {"eth0"}
    with pytest.raises(UnsupportedError):
        Network(NetworkOptions(interval=10, exclude=("*",))).collect(host)


def test_an_interface_may_have_a_name_that_python_would_cut(tmp_path: Path) -> None:
    host = HostOfFiles(tmp_path, files(interface("e\x1ch\x85", 2, 7)))
    instances = Network(NetworkOptions(interval=10)).collect(host).instances or {}
    assert set(instances) == {"e\x1ch\x85"}
