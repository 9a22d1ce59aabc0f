"""The CPU: where its time went, from the kernel's own counters; see proc_stat(5).

psutil is not used: it rounds percentages. A counter of idle or iowait time may run backwards, so
each difference is held at 0. Guest time is inside user time and not counted twice.
"""

import re
from typing import Final

from rollcall.node_agent.collectors.declaration import Declaration, Found, Number, gauge
from rollcall.node_agent.host import Host
from rollcall.node_agent.rates import Counters, per_second

_STATES: Final = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
_IDLE: Final = ("idle", "iowait")
_RATES: Final = {"ctxt": "context_switches_per_second", "intr": "interrupts_per_second"}
_CORES: Final = "/sys/devices/system/cpu"


class Cpu:
    """Shares of the time since the last reading, over all cores together."""

    declaration = Declaration(
        "cpu",
        "The processor, all cores together",
        fields=(
            gauge("percent", "time not idle: all but `idle` and `iowait`"),
            gauge("user_percent", "time in programs, guests included"),
            gauge("nice_percent", "time in programs of low priority"),
            gauge("system_percent", "time in the kernel"),
            gauge("iowait_percent", "time idle while a disk was waited for"),
            gauge("irq_percent", "time in interrupts"),
            gauge("softirq_percent", "time in soft interrupts"),
            gauge("steal_percent", "time the hypervisor gave to others"),
            gauge("idle_percent", "time idle"),
            gauge("frequency_hertz", "clock rate, the mean of all cores"),
            gauge("context_switches_per_second", "switches from one task to another"),
            gauge("interrupts_per_second", "interrupts served"),
        ),
    )

    def __init__(self) -> None:
        self._before: Counters[str] | None = None

    def collect(self, host: Host) -> Found:
        """Read `/proc/stat` and the clock rates. Raises OSError, ValueError."""
        now = Counters(host.boottime_s(), parse(host.read("/proc/stat")))
        before, self._before = self._before, now
        fields = shares(before, now)
        rates = per_second(before, now)
        fields |= {name: rates[key] for key, name in _RATES.items() if key in rates}
        frequency = _frequency_hertz(host)
        if frequency is not None:
            fields["frequency_hertz"] = frequency
        return Found(fields)


def parse(text: str) -> dict[str, float]:
    """Take the counters of all cores together, of switches and of interrupts from `/proc/stat`.

    Raises ValueError when the first line is not that of all cores.
    """
    first, *rest = text.splitlines()
    label, *ticks = first.split()
    if label != "cpu":
        raise ValueError("/proc/stat does not begin with the line of all cores")
    counts = {name: float(tick) for name, tick in zip(_STATES, ticks, strict=False)}
    for line in rest:
        name, _, numbers = line.partition(" ")
        if name in _RATES:
            counts[name] = float(numbers.split()[0])
    return counts


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


def _frequency_hertz(host: Host) -> float | None:
    if not host.exists(f"{_CORES}/cpu0/cpufreq/scaling_cur_freq"):
        return None
    cores = [name for name in host.listing(_CORES) if re.fullmatch(r"cpu\d+", name)]
    paths = [f"{_CORES}/{name}/cpufreq/scaling_cur_freq" for name in cores]
    kilohertz = [int(host.read(path)) for path in paths if host.exists(path)]
    return 1000 * sum(kilohertz) / len(kilohertz)
