"""The CPU: where its time went, from the kernel's own counters; see proc_stat(5).

On request each core too. psutil is not used: it rounds percentages. A counter of idle or iowait
time may run backwards, so each difference is held at 0. Guest time is inside user time and not
counted twice.
"""

import re
from typing import Final

from pydantic import Field

from rollcall.node_agent.collectors.declaration import (
    OF_MEAN,
    Declaration,
    Found,
    Number,
    gauge,
)
from rollcall.node_agent.host import Host
from rollcall.node_agent.options import SampledOptions
from rollcall.node_agent.rates import Counters, per_second

_STATES: Final = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
_IDLE: Final = ("idle", "iowait")
_RATES: Final = {"ctxt": "context_switches_per_second", "intr": "interrupts_per_second"}
_CORES: Final = "/sys/devices/system/cpu"


class CpuOptions(SampledOptions):
    """How closely to look."""

    per_core: bool = Field(False, strict=True, description="each core too")


class Cpu:
    """Shares of the time since the last reading, over all cores together."""

    declaration = Declaration(
        "cpu",
        "The processor, all cores together",
        fields=(
            gauge("percent", "time not idle: all but `idle` and `iowait`", peaks=OF_MEAN),
            gauge("user_percent", "time in programs, guests included"),
            gauge("nice_percent", "time in programs of low priority"),
            gauge("system_percent", "time in the kernel"),
            gauge("iowait_percent", "time idle while a disk was waited for"),
            gauge("irq_percent", "time in interrupts"),
            gauge("softirq_percent", "time in soft interrupts"),
            gauge("steal_percent", "time the hypervisor gave to others"),
            gauge("idle_percent", "time idle"),
            gauge("frequency_hertz", "clock rate, the mean of all cores"),
            gauge(
                "context_switches_per_second", "switches from one task to another", peaks=OF_MEAN
            ),
            gauge("interrupts_per_second", "interrupts served", peaks=OF_MEAN),
        ),
        instance="core, with the option `per_core`",
        instance_fields=(
            gauge("core_percent", "time not idle", peaks=OF_MEAN),
            gauge("core_frequency_hertz", "clock rate"),
        ),
        options=CpuOptions,
    )

    def __init__(self, options: CpuOptions) -> None:
        self._per_core = options.per_core
        self._before: Counters[str] | None = None
        self._cores_before: dict[str, Counters[str]] = {}

    def collect(self, host: Host) -> Found:
        """Read `/proc/stat` and the clock rates. Raises OSError, ValueError."""
        at_s = host.boottime_s()
        text = host.read("/proc/stat")
        now = Counters(at_s, parse(text))
        before, self._before = self._before, now
        fields = shares(before, now)
        rates = per_second(before, now)
        fields |= {name: rates[key] for key, name in _RATES.items() if key in rates}
        frequencies = _frequencies_hertz(host)
        if frequencies:
            fields["frequency_hertz"] = sum(frequencies.values()) / len(frequencies)
        if not self._per_core:
            return Found(fields)
        return Found(fields, self._cores(text, at_s, frequencies))

    def _cores(
        self, text: str, at_s: float, frequencies: dict[str, float]
    ) -> dict[str, dict[str, Number]]:
        cores = {name: Counters(at_s, counts) for name, counts in parse_cores(text).items()}
        before, self._cores_before = self._cores_before, cores
        instances: dict[str, dict[str, Number]] = {}
        for name, now in cores.items():
            instances[name] = {}
            spent = shares(before.get(name), now)
            if spent:
                instances[name]["core_percent"] = spent["percent"]
            if name in frequencies:
                instances[name]["core_frequency_hertz"] = frequencies[name]
        return instances


def parse(text: str) -> dict[str, float]:
    """Take the counters of all cores together, of switches and of interrupts from `/proc/stat`.

    Raises ValueError when the first line is not that of all cores.
    """
    first, *rest = text.splitlines()
    label, *ticks = first.split()
    if label != "cpu":
        raise ValueError("/proc/stat does not begin with the line of all cores")
    counts = _counts(ticks)
    for line in rest:
        name, _, numbers = line.partition(" ")
        if name in _RATES:
            counts[name] = float(numbers.split()[0])
    return counts


def parse_cores(text: str) -> dict[str, dict[str, float]]:
    """Take the counters of each core that is switched on from `/proc/stat`. Raises ValueError."""
    lines = re.findall(r"^(cpu\d+) (.*)$", text, re.MULTILINE)
    return {name: _counts(ticks.split()) for name, ticks in lines}


def _counts(ticks: list[str]) -> dict[str, float]:
    return {name: float(tick) for name, tick in zip(_STATES, ticks, strict=False)}


def shares(before: Counters[str] | None, now: Counters[str]) -> dict[str, Number]:
    """Give the share of each state, in percent; they make 100 together. Nothing at first."""
    if before is None:
        return {}
    spent = {
        name: max(0.0, now.counts[name] - before.counts[name])
        for name in _STATES
        if name in now.counts and name in before.counts
    }
    whole = sum(spent.values())
    if whole <= 0:
        return {}
    busy = sum(time for name, time in spent.items() if name not in _IDLE)
    each = {f"{name}_percent": 100 * time / whole for name, time in spent.items()}
    return {"percent": 100 * busy / whole, **each}


def _frequencies_hertz(host: Host) -> dict[str, float]:
    if not host.exists(f"{_CORES}/cpu0/cpufreq/scaling_cur_freq"):
        return {}
    cores = [name for name in host.listing(_CORES) if re.fullmatch(r"cpu\d+", name)]
    paths = {name: f"{_CORES}/{name}/cpufreq/scaling_cur_freq" for name in cores}
    return {
        name: 1000.0 * int(host.read(path)) for name, path in paths.items() if host.exists(path)
    }
