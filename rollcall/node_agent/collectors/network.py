"""Network interfaces: traffic, errors, and whether the link is up; see proc_pid_net(5).

Virtual interfaces of containers and bridges are left out by default: they come and go, and count
the same traffic again.
"""

import re
from typing import Final

from pydantic import Field

from rollcall.node_agent.collectors.declaration import (
    OF_MEAN,
    Declaration,
    Found,
    Number,
    UnsupportedError,
    counter,
    gauge,
    state,
)
from rollcall.node_agent.host import Host
from rollcall.node_agent.options import Patterns, SampledOptions, fits
from rollcall.node_agent.rates import Column, Counters, by_name, per_second

_UNKNOWN_SPEEDS: Final = (0, -1, 2**32 - 1)
_COLUMNS: Final = {
    "receive_bytes": 0,
    "receive_packets": 1,
    "receive_errors": 2,
    "receive_drops": 3,
    "transmit_bytes": 8,
    "transmit_packets": 9,
    "transmit_errors": 10,
    "transmit_drops": 11,
}
_TOTALS: Final = {"receive_bytes": "received_bytes", "transmit_bytes": "transmitted_bytes"}


class NetworkOptions(SampledOptions):
    """Which interfaces."""

    exclude: Patterns = Field(
        ("lo", "veth*", "docker*", "br-*", "virbr*", "cali*", "cni*"),
        description="interfaces to leave out, as patterns",
    )


class Network:
    """Traffic of each interface."""

    declaration = Declaration(
        "network",
        "Network interfaces",
        instance="interface",
        instance_fields=(
            gauge("receive_bytes_per_second", "bytes coming in", peaks=OF_MEAN),
            gauge("receive_packets_per_second", "packets coming in", peaks=OF_MEAN),
            gauge("receive_errors_per_second", "damaged packets coming in", peaks=OF_MEAN),
            gauge("receive_drops_per_second", "packets coming in and dropped", peaks=OF_MEAN),
            gauge("transmit_bytes_per_second", "bytes going out", peaks=OF_MEAN),
            gauge("transmit_packets_per_second", "packets going out", peaks=OF_MEAN),
            gauge("transmit_errors_per_second", "packets that could not go out", peaks=OF_MEAN),
            gauge("transmit_drops_per_second", "packets dropped on the way out", peaks=OF_MEAN),
            counter("received_bytes", "bytes that came in since the interface exists"),
            counter("transmitted_bytes", "bytes that went out since the interface exists"),
            state("up", "whether it works"),
            gauge("link_bytes_per_second", "speed of the link; absent where it has none"),
            counter("carrier_changes", "how often the link came or went"),
        ),
        options=NetworkOptions,
    )

    def __init__(self, options: NetworkOptions) -> None:
        self._excluded = options.exclude
        self._before: Counters[Column] | None = None

    def collect(self, host: Host) -> Found:
        """Read counters and links. Raises UnsupportedError, OSError, ValueError."""
        at_s = host.boottime_s()
        counts = {
            name: numbers
            for name, numbers in parse(host.read("/proc/net/dev")).items()
            if not fits(name, self._excluded)
        }
        if not counts:
            raise UnsupportedError("no network interface but excluded ones")
        # An interface is its name and its index: renamed or plugged in again, it starts anew.
        index = {name: _attribute(host, name, "ifindex") or "" for name in counts}
        now = Counters(
            at_s,
            {
                (name, index[name], column): float(count)
                for name, numbers in counts.items()
                for column, count in numbers.items()
            },
        )
        before, self._before = self._before, now
        rates = by_name(per_second(before, now))
        return Found(
            instances={
                name: _link(host, name)
                | _totals(numbers)
                | {f"{column}_per_second": rate for column, rate in rates.get(name, {}).items()}
                for name, numbers in counts.items()
            }
        )


def parse(text: str) -> dict[str, dict[str, int]]:
    """Give the counters of `/proc/net/dev` by interface. Raises ValueError."""
    found = {}
    # Names may hold characters at which Python would break a line, or strip.
    for line in filter(None, text.split("\n")[2:]):
        name, _, numbers = line.rpartition(":")
        columns = numbers.split()
        found[name.strip(" ")] = {column: int(columns[at]) for column, at in _COLUMNS.items()}
    return found


def is_up(operstate: str | None, carrier: str | None) -> bool | None:
    """Judge a link; None when nothing is known. A driver may leave it to the carrier."""
    if operstate == "unknown":
        return None if carrier is None else carrier == "1"
    return None if operstate is None else operstate == "up"


def _totals(numbers: dict[str, int]) -> dict[str, Number]:
    return {name: numbers[column] for column, name in _TOTALS.items()}


def _link(host: Host, interface: str) -> dict[str, Number]:
    fields: dict[str, Number] = {}
    up = is_up(_attribute(host, interface, "operstate"), _attribute(host, interface, "carrier"))
    if up is not None:
        fields["up"] = int(up)
    megabits = _number(host, interface, "speed")
    if megabits is not None and megabits not in _UNKNOWN_SPEEDS:
        fields["link_bytes_per_second"] = megabits * 1_000_000 // 8
    changes = _number(host, interface, "carrier_changes")
    if changes is not None:
        fields["carrier_changes"] = changes
    return fields


def _number(host: Host, interface: str, name: str) -> int | None:
    text = _attribute(host, interface, name)
    return int(text) if text is not None and re.fullmatch(r"-?\d{1,18}", text) else None


def _attribute(host: Host, interface: str, name: str) -> str | None:
    try:
        return host.read(f"/sys/class/net/{interface}/{name}").strip()
    except OSError:
        # Drivers refuse what they do not know, and a link that is down has no speed.
        return None
