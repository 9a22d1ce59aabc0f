"""Running collectors: one that fails, hangs or has nothing to read never stops the others."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rollcall.node_agent.account import Account, Tally
from rollcall.node_agent.blocking import BlockingCall, StillRunningError, TimedOut
from rollcall.node_agent.collectors.declaration import Collector, Found, UnsupportedError
from rollcall.node_agent.host import Host
from rollcall.node_agent.schedule import Due

_log = logging.getLogger(__name__)

RETRY_UNSUPPORTED_S: Final = 3600
_PATIENCE_S: Final = 0.1
_LONGEST_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Collected:
    """What came of a run; `unsupported`: this host has nothing of the kind."""

    due: Due
    found: Found
    unsupported: bool


@dataclass(frozen=True, slots=True)
class _Timed:
    found: Found
    seconds: float


class Collection:
    """The collectors of one host. What may block runs apart; all methods are for one thread."""

    def __init__(self, host: Host, collectors: Sequence[Collector], account: Account) -> None:
        self._host = host
        self._collectors = {each.declaration.name: each for each in collectors}
        self._account = account
        self._calls: dict[str, BlockingCall[_Timed]] = {
            name: BlockingCall(f"collector-{name}")
            for name, each in self._collectors.items()
            if each.declaration.blocks
        }
        self._pending: dict[str, Due] = {}
        self._errors: dict[str, str | None] = {}
        for name in self._collectors:
            account.tallies[name] = Tally()

    def prime(self) -> None:
        """Read once for nothing, so that the first report has rates."""
        for each in self._collectors.values():
            if not each.declaration.blocks:
                _read(each, self._host)

    def run(self, dues: Sequence[Due]) -> list[Collected]:
        """Run what is due; give all there is by now, also of runs that were begun earlier."""
        for due in dues:
            self._account.tallies[due.collector].skips += due.missed
            if due.collector in self._calls:
                self._begin(due)
        found = [
            self._collected(due, _read(self._collectors[due.collector], self._host))
            for due in dues
            if due.collector not in self._calls
        ]
        return found + self.finished(_PATIENCE_S)

    def finished(self, patience_s: float = 0.0) -> list[Collected]:
        """Give what runs apart and has come to an end, waiting a moment for it."""
        found = []
        for name, due in list(self._pending.items()):
            answer = self._calls[name].poll(self._host.boottime_s(), patience_s)
            if answer is None:
                continue
            del self._pending[name]
            if isinstance(answer, TimedOut):
                self._account.tallies[name].timeouts += 1
                error = f"timeout: nothing came within {answer.timeout_s:g} s"
                answer = _Timed(Found(error=error), answer.timeout_s)
            found.append(self._collected(due, answer))
        return found

    def _begin(self, due: Due) -> None:
        collector, host = self._collectors[due.collector], self._host
        timeout_s = min(_LONGEST_S, float(due.interval_s))
        try:
            self._calls[due.collector].start(
                lambda: _read(collector, host), host.boottime_s(), timeout_s
            )
        except StillRunningError:
            self._account.tallies[due.collector].skips += 1
            return
        self._pending[due.collector] = due

    def _collected(self, due: Due, timed: _Timed) -> Collected:
        tally = self._account.tallies[due.collector]
        tally.collections += 1
        tally.collect_s = timed.seconds
        error = timed.found.error
        unsupported = error is not None and error.startswith("unsupported:")
        if error is not None and not unsupported:
            tally.failures += 1
        if self._errors.get(due.collector) != error:
            self._errors[due.collector] = error
            _log.warning("%s: %s", due.collector, error or "works again")
        return Collected(due, timed.found, unsupported)


def _read(collector: Collector, host: Host) -> _Timed:
    """Read once; whatever goes wrong becomes the error of the reading."""
    began_s = host.boottime_s()
    try:
        found = collector.collect(host)
    except UnsupportedError as error:
        found = Found(error=f"unsupported: {error}")
    except PermissionError as error:
        found = Found(error=f"denied: {error.filename or error}")
    except Exception as error:  # noqa: BLE001 - a collector that fails is data, counted and logged
        _log.debug("collector %s", collector.declaration.name, exc_info=True)
        found = Found(error=f"failed: {type(error).__name__}: {error}")
    return _Timed(found, host.boottime_s() - began_s)
