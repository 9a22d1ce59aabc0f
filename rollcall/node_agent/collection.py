"""Running collectors: one that fails, hangs or has nothing to read never stops the others.

Which ones run, and with which options, may change at any time; see `options`.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rollcall.node_agent.account import Account, Tally
from rollcall.node_agent.blocking import BlockingCall, StillRunningError, TimedOut
from rollcall.node_agent.collectors.declaration import (
    AnySource,
    Collector,
    Declaration,
    Found,
    UnsupportedError,
)
from rollcall.node_agent.host import Host
from rollcall.node_agent.options import Options
from rollcall.node_agent.peaks import Peaks, with_peaks
from rollcall.node_agent.schedule import Due

_log = logging.getLogger(__name__)

RETRY_UNSUPPORTED_S: Final = 3600
_PATIENCE_S: Final = 0.1


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


@dataclass(frozen=True, slots=True)
class _Sampler:
    """A collector of its own for the samples: what is counted between reports stays apart."""

    collector: Collector
    peaks: Peaks


@dataclass(slots=True)
class _Running:
    """A collector that is switched on. `sampler`: there are peaks to look for."""

    collector: Collector
    options: Options
    sampler: _Sampler | None = None


class Collection:
    """The collectors of one host. What may block runs apart; all methods are for one thread."""

    def __init__(self, host: Host, sources: Iterable[AnySource], account: Account) -> None:
        self._host = host
        self._sources = {source.declaration.name: source for source in sources}
        self._account = account
        self._running: dict[str, _Running] = {}
        self._calls: dict[str, BlockingCall[_Timed]] = {
            name: BlockingCall(f"collector-{name}")
            for name, source in self._sources.items()
            if source.declaration.blocks
        }
        self._pending: dict[str, Due] = {}
        self._errors: dict[str, str | None] = {}

    @property
    def declared(self) -> tuple[Declaration, ...]:
        """What is switched on declares, the fields of peaks among it."""
        return tuple(
            each.collector.declaration
            if each.sampler is None
            else with_peaks(each.collector.declaration)
            for each in self._running.values()
        )

    def apply(self, options: Mapping[str, Options]) -> None:
        """Switch on what `options` enable, in the order of the sources, and nothing else.

        What is new, or has other options of its own, is made anew and read once for nothing, so
        that its first report has rates. All others keep what they know.
        """
        wanted = {
            name: source
            for name, source in self._sources.items()
            if name in options and options[name].enabled
        }
        for name in self._running.keys() - wanted.keys():
            self._forget(name)
        self._running = {
            name: self._fitted(source, options[name]) for name, source in wanted.items()
        }

    def sample(self, names: Iterable[str]) -> None:
        """Take a sample of these collectors; what fails is no sample, and counted."""
        for name in names:
            running = self._running[name]
            if running.sampler is None:
                found = _read(running.collector, self._host).found
            else:
                found = _read(running.sampler.collector, self._host).found
                running.sampler.peaks.add(found)
            if found.error is not None and not found.is_unsupported:
                self._account.tallies[name].failures += 1

    def run(self, dues: Sequence[Due]) -> list[Collected]:
        """Run what is due; give all there is by now, also of runs that were begun earlier."""
        for due in dues:
            self._account.tallies[due.collector].skips += due.missed
            if due.collector in self._calls:
                self._begin(due)
        found = [
            self._collected(due, self._reported(self._running[due.collector]))
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

    def _fitted(self, source: AnySource, options: Options) -> _Running:
        name = source.declaration.name
        running = self._running.get(name)
        if running is None or not running.options.makes_same_as(options):
            self._forget(name)
            running = _Running(source.make(options), options)
            self._account.tallies[name] = Tally()
            if not source.declaration.blocks:
                _read(running.collector, self._host)
        if options.sample_s is None:
            sampler = None
        elif running.options.sample_s is None or running.sampler is None:
            sampler = self._sampler(source, options)
        else:
            sampler = running.sampler
        return _Running(running.collector, options, sampler)

    def _sampler(self, source: AnySource, options: Options) -> _Sampler | None:
        declared = source.declaration
        if not any(each.peaks for each in (*declared.fields, *declared.instance_fields)):
            return None
        sampler = _Sampler(source.make(options), Peaks(declared))
        _read(sampler.collector, self._host)
        return sampler

    def _forget(self, name: str) -> None:
        """Drop what is known of a collector; a reading of it on its way is thrown away."""
        self._running.pop(name, None)
        self._errors.pop(name, None)
        self._account.tallies.pop(name, None)
        if self._pending.pop(name, None) is not None:
            self._calls[name].abandon()

    def _reported(self, running: _Running) -> _Timed:
        timed = _read(running.collector, self._host)
        if running.sampler is None:
            return timed
        running.sampler.peaks.add(_read(running.sampler.collector, self._host).found)
        return _Timed(running.sampler.peaks.close(timed.found), timed.seconds)

    def _begin(self, due: Due) -> None:
        running, host = self._running[due.collector], self._host
        collector = running.collector
        try:
            self._calls[due.collector].start(
                lambda: _read(collector, host), host.boottime_s(), running.options.timeout_s
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
        unsupported = timed.found.is_unsupported
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
