"""What is in force on this node: its own file, the fleet document over it, boosts over both. Pure.

A document that cannot be read, or is invalid, changes nothing, and `applied` says why. A key of it
that this node cannot take leaves the value that was in force, likewise. What the document says is
about options alone: no program, file or folder of this host ever comes from it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pydantic import JsonValue

from rollcall.broker.codec import DecodeError
from rollcall.broker.commands import CommandRefused
from rollcall.broker.messages import FLEET, Applied
from rollcall.broker.messages import Fleet as FleetMessage
from rollcall.node_agent.boosts import Boost, Boosts
from rollcall.node_agent.collectors import DECLARATIONS
from rollcall.node_agent.collectors.declaration import AnySource, Declaration
from rollcall.node_agent.options import Options, read
from rollcall.service.settings import Agent as AgentSettings

if TYPE_CHECKING:
    from rollcall.node_agent.fleet_here import Meant

_MAX_PROBLEMS: Final = 100
_MAX_PROBLEM_CHARACTERS: Final = 500


@dataclass(frozen=True, slots=True)
class Wanted:
    """What this host's own file wants: options by collector, plug-ins, and problems with these."""

    options: Mapping[str, Options]
    plugins: tuple[AnySource, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def declared(self) -> tuple[Declaration, ...]:
        """What there is to collect."""
        return (*DECLARATIONS, *(source.declaration for source in self.plugins))


def wanted_here(
    settings: AgentSettings, plugins: tuple[AnySource, ...] = (), problems: Sequence[str] = ()
) -> tuple[Wanted, list[str]]:
    """Give what the local file wants, and what is wrong there.

    A collector's interval is the configured one, or its longer own.
    """
    wanted = Wanted({}, plugins, tuple(problems))
    options, faults = read(
        _kinds(wanted), settings.collectors, intervals=_intervals(wanted, settings)
    )
    return Wanted(options, plugins, tuple(problems)), faults


class Steering:
    """What is in force, and what changes it. `node` and its labels say what is meant for it."""

    def __init__(self, node: str, settings: AgentSettings, wanted: Wanted) -> None:
        self._node = node
        self._settings = settings
        self._wanted = wanted
        self._boosts = Boosts()
        self._message: FleetMessage | None = None
        self._payload = b""
        self._refusal: str | None = None
        self._faults: list[str] = []
        self._options: Mapping[str, Options] = wanted.options
        self.groups: tuple[str, ...] = ()
        self.description = settings.description

    @property
    def options(self) -> dict[str, Options]:
        """The options in force, boosts over them."""
        return self._boosts.over(self._options)

    @property
    def applied(self) -> Applied:
        """What runs here, and what was wrong with it; boosts are no part of it."""
        problems = [each[:_MAX_PROBLEM_CHARACTERS] for each in self._problems()]
        more = len(problems) - _MAX_PROBLEMS
        return Applied(
            revision=self._message.revision if self._message else 0,
            digest=self._message.digest if self._message else "",
            problems=problems[:_MAX_PROBLEMS] + ([f"and {more} more"] if more > 0 else []),
            collectors={
                name: options.model_dump(mode="json", exclude_none=True)
                for name, options in self._options.items()
            },
        )

    # The fleet document

    def hear(self, payload: bytes) -> bool:
        """Put the document of a `control/fleet` message into force; nothing in it: take it away.

        False when it cannot be read or is invalid: then nothing changes but `applied`.
        """
        try:
            message = FLEET.decode(payload) if payload else None
            meant = self._meant(message)
        except DecodeError as error:
            self._refusal = f"a fleet document that is refused: {error}"
            return False
        self._refusal = None
        self._message, self._payload = message, payload
        self._follow(meant)
        return True

    def memory(self) -> str:
        """Write down what is in force, for a start without a broker."""
        options = {
            name: each.model_dump(mode="json", exclude_unset=True)
            for name, each in self._options.items()
        }
        return json.dumps({"fleet": self._payload.decode(), "options": options})

    def recall(self, memory: str) -> None:
        """Put into force what was written down; see `memory`.

        The options decide only where the document has a key that this node cannot take.
        """
        try:
            told = json.loads(memory)
            kinds, intervals = _kinds(self._wanted), _intervals(self._wanted, self._settings)
            self._options, _ = read(kinds, told["options"], intervals=intervals)
            payload = told["fleet"].encode()
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self._refusal = f"what was written down of the fleet document is damaged: {error}"
            self._options = self._wanted.options
            return
        if not payload or not self.hear(payload):
            self._options = self._wanted.options

    def _meant(self, message: FleetMessage | None) -> "Meant | None":
        if message is None:
            return None
        # Imported when there is a document: see there.
        from rollcall.node_agent.fleet_here import meant_for  # noqa: PLC0415 - as said above

        return meant_for(self._node, self._settings, message)

    def _follow(self, meant: "Meant | None") -> None:
        """Put what is meant for this node into force, or else what its own file says."""
        tables: Mapping[str, Mapping[str, JsonValue]] = self._settings.collectors
        self.groups, self.description = (), self._settings.description
        if meant is not None:
            tables, self.groups, self.description = (
                meant.collectors,
                meant.groups,
                meant.description,
            )
        self._options, self._faults = read(
            _kinds(self._wanted),
            tables,
            intervals=_intervals(self._wanted, self._settings),
            in_force=self._options,
        )

    def _problems(self) -> Iterator[str]:
        yield from filter(None, [self._refusal])
        yield from self._faults
        yield from self._wanted.problems

    # Boosts

    def boost(self, collector: str, interval_s: int, for_s: int, now_ms: int) -> int:
        """Let a collector report more often for a while; give the interval it had before.

        Raises CommandRefused for one that does not run here, or is as fast already.
        """
        options = self._options.get(collector)
        if options is None:
            known = ", ".join(self._options)
            raise CommandRefused(f"no collector {collector[:80]!r} here; there are {known}")
        if not options.enabled:
            raise CommandRefused(f"{collector} is switched off here")
        if interval_s >= options.interval:
            raise CommandRefused(f"{collector} reports every {options.interval} s already")
        self._boosts.begin(collector, Boost(interval_s, now_ms + 1000 * for_s))
        return options.interval

    def end_boosts(self, now_ms: int) -> list[str]:
        """End the boosts whose time is over; name their collectors."""
        return self._boosts.end_what_is_over(now_ms)


def _kinds(wanted: Wanted) -> dict[str, type[Options]]:
    return {each.name: each.options for each in wanted.declared}


def _intervals(wanted: Wanted, settings: AgentSettings) -> dict[str, int]:
    return {each.name: max(settings.interval, each.at_least_s) for each in wanted.declared}
