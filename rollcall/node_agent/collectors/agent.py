"""The agent itself: what it costs, what waits in its spool, how its collectors fare."""

from rollcall.node_agent.account import Account, Tally
from rollcall.node_agent.collectors.declaration import Declaration, Found, Number, counter, gauge
from rollcall.node_agent.host import Host
from rollcall.node_agent.rates import Counters, per_second


class AgentItself:
    """Reads its own process and the `account` the agent keeps."""

    declaration = Declaration(
        "agent",
        "The agent itself",
        fields=(
            gauge("cpu_percent", "what the agent takes, in percent of one core"),
            gauge("resident_bytes", "memory the agent holds"),
            gauge("spool_reports", "reports waiting for a receipt"),
            gauge("spool_bytes", "what they take on disk"),
            gauge("spool_oldest_seconds", "age of the oldest of them; absent when none waits"),
            counter("cpu_seconds", "processor time the agent took since it started"),
            counter("evicted_reports", "reports given up for want of room or for their age"),
            counter("reconnects", "connections to the broker after the first"),
            counter("publish_failures", "messages the broker refused"),
        ),
        instance="collector",
        instance_fields=(
            gauge("collect_seconds", "how long the last reading took"),
            counter("collections", "readings made"),
            counter("failures", "readings that failed"),
            counter("timeouts", "readings given up because they took too long"),
            counter("skips", "slots without a reading"),
            counter("dropped_values", "values that could not be kept"),
        ),
        at_least_s=60,
    )

    def __init__(self, account: Account) -> None:
        self._account = account
        self._before: Counters[str] | None = None

    def collect(self, host: Host) -> Found:
        """Read `/proc/self` and the account. Raises OSError, ValueError."""
        at_s = host.boottime_s()
        cpu_s = parse_ticks(host.read("/proc/self/stat")) / host.ticks_per_second
        now = Counters(at_s, {"cpu": cpu_s})
        before, self._before = self._before, now
        spool = self._account.spool_size()
        fields: dict[str, Number] = {
            "resident_bytes": int(host.read("/proc/self/statm").split()[1]) * host.page_bytes,
            "spool_reports": spool.reports,
            "spool_bytes": spool.size_bytes,
            "cpu_seconds": cpu_s,
            "evicted_reports": self._account.evicted_reports,
            "reconnects": self._account.reconnects,
            "publish_failures": self._account.publish_failures,
        }
        if spool.oldest_s is not None:
            fields["spool_oldest_seconds"] = spool.oldest_s
        for share in per_second(before, now).values():
            fields["cpu_percent"] = 100 * share
        instances = {name: _fields_of(tally) for name, tally in self._account.tallies.items()}
        return Found(fields, instances)


def parse_ticks(text: str) -> int:
    """Give user and system time of a process from its `stat`, in ticks. Raises ValueError.

    The name of the process stands in parentheses and may hold anything, parentheses too.
    """
    after_name = text.rpartition(")")[2].split()
    return int(after_name[11]) + int(after_name[12])


def _fields_of(tally: Tally) -> dict[str, Number]:
    fields: dict[str, Number] = {
        "collections": tally.collections,
        "failures": tally.failures,
        "timeouts": tally.timeouts,
        "skips": tally.skips,
        "dropped_values": tally.dropped_values,
    }
    if tally.collect_s is not None:
        fields["collect_seconds"] = tally.collect_s
    return fields
