"""What a node does when it is told to: report, boost, processes, ping.

Each is looked up in a table of four; none runs a program, writes a file or changes the host. A
command is answered on its own topic; one that cannot be carried out is answered with the reason.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol

from pydantic import JsonValue

import rollcall
from rollcall.broker.codec import DecodeError
from rollcall.broker.commands import CommandGate, CommandRefused
from rollcall.broker.messages import Command, Reply
from rollcall.node_agent.asked import Asked
from rollcall.node_agent.blocking import BlockingCall, StillRunningError, TimedOut
from rollcall.node_agent.collectors.process import HIDDEN, sees_all
from rollcall.node_agent.host import Host
from rollcall.node_agent.snapshot import MOST, By, largest

_log = logging.getLogger(__name__)

LONGEST_BOOST_S: Final = 3600
_SHORTEST_INTERVAL_S: Final = 1
_LONGEST_INTERVAL_S: Final = 21_600
_SNAPSHOT_WITHIN_S: Final = 10.0
_MAX_UNSENT: Final = 256
_TOP: Final = 5

Answer = dict[str, JsonValue]


class Commanded(Protocol):
    """What a command may do to the agent, and all it may."""

    def boost(self, collector: str, interval_s: int, for_s: int) -> Answer:
        """Let a collector report more often for a while. Raises CommandRefused."""

    def report_now(self) -> Iterable[str]:
        """Let every collector report soon; name them."""

    def tell(self, kind: str, detail: Mapping[str, JsonValue]) -> None:
        """Store and publish an event."""


class Commands:
    """Carries out the commands of one node. All methods are for one thread.

    `send` brings out a reply; False when it cannot go now: then it goes with the next connection.
    """

    def __init__(
        self,
        host: Host,
        agent: Commanded,
        send: Callable[[Reply], bool],
    ) -> None:
        self._host = host
        self._agent = agent
        self._send = send
        self._gate = CommandGate()
        self._asked = Asked()
        self._snapshot: BlockingCall[Answer | str] = BlockingCall("snapshot")
        self._snapshot_for: str | None = None
        self._unsent: deque[Reply] = deque(maxlen=_MAX_UNSENT)
        self._actions: Mapping[str, Callable[[Command], Answer | None]] = {
            "ping": lambda _: {"agent": rollcall.__version__},
            "report": self._report,
            "boost": self._boost,
            "processes": self._processes,
        }

    @property
    def is_waiting(self) -> bool:
        """Whether an answer may be due very soon."""
        return self._snapshot_for is not None

    def hear(self, payload: bytes, *, replayed: bool, now_s: float | None) -> None:
        """Carry out a command, or say why not; see `CommandGate.admit`."""
        try:
            command = self._gate.admit(payload, replayed=replayed, now_s=now_s)
        except DecodeError as error:
            _log.warning("a command that cannot be read: %s", error)
            return
        except CommandRefused as refused:
            self._refuse(refused, refused.id)
            return
        _log.info("command %s: %s", command.id, command.command)
        try:
            answer = self._action(command.command)(command)
        except CommandRefused as refused:
            self._refuse(refused, command.id)
            return
        if answer is not None:
            self._reply(Reply(id=command.id, ok=True, result=answer))

    def came(self, collector: str, seq: int) -> None:
        """Note the number of a report that is stored."""
        self._asked.came(collector, seq)

    def look(self) -> None:
        """Answer what can be answered by now."""
        for command_id, answer in self._asked.answers(round(self._host.boottime_s() * 1000)):
            self._reply(Reply(id=command_id, ok=True, result=answer))
        if self._snapshot_for is None:
            return
        found = self._snapshot.poll(self._host.boottime_s(), 0.0)
        if found is None:
            return
        command_id, self._snapshot_for = self._snapshot_for, None
        if isinstance(found, TimedOut):
            found = f"timeout: nothing came within {found.timeout_s:g} s"
        if isinstance(found, str):
            self._refuse(CommandRefused(found), command_id)
        else:
            self._agent.tell("processes", found)
            self._reply(Reply(id=command_id, ok=True, result=found))

    def connected(self) -> None:
        """Send the replies that could not go before."""
        waiting, self._unsent = self._unsent, deque(maxlen=_MAX_UNSENT)
        for reply in waiting:
            self._reply(reply)

    def _action(self, name: str) -> Callable[[Command], Answer | None]:
        action = self._actions.get(name)
        if action is None:
            raise CommandRefused(f"no such command here; known are {', '.join(self._actions)}")
        return action

    def _reply(self, reply: Reply) -> None:
        if not self._send(reply):
            self._unsent.append(reply)

    def _refuse(self, refused: CommandRefused, command_id: str | None) -> None:
        _log.warning("a command is not carried out: %s", refused)
        if command_id is not None:
            self._reply(Reply(id=command_id, ok=False, error=str(refused)))

    def _report(self, command: Command) -> None:
        now_ms = round(self._host.boottime_s() * 1000)
        self._asked.begin(command.id, self._agent.report_now(), now_ms)

    def _boost(self, command: Command) -> Answer:
        asked = command.model_extra or {}
        collector = asked.get("collector")
        if not isinstance(collector, str):
            raise CommandRefused("boost needs the name of a collector")
        interval_s = _whole(asked, "interval", _SHORTEST_INTERVAL_S, _LONGEST_INTERVAL_S)
        return self._agent.boost(collector, interval_s, _whole(asked, "for", 1, LONGEST_BOOST_S))

    def _processes(self, command: Command) -> None:
        asked = {"by": "cpu", "top": _TOP, **(command.model_extra or {})}
        by: By
        match asked["by"]:
            case "cpu" | "memory" as by:
                pass
            case _:
                raise CommandRefused('by must be "cpu" or "memory"')
        top, host = _whole(asked, "top", 1, MOST), self._host
        try:
            self._snapshot.start(
                lambda: _snapshot(host, by, top), host.boottime_s(), _SNAPSHOT_WITHIN_S
            )
        except StillRunningError as error:
            raise CommandRefused("a snapshot is being taken already; ask again") from error
        self._snapshot_for = command.id


def _snapshot(host: Host, by: By, top: int) -> Answer | str:
    if not sees_all(host):
        return f"denied: {HIDDEN}"
    try:
        return largest(host, by, top, time.sleep)
    except (OSError, ValueError, KeyError) as error:
        return f"failed: {type(error).__name__}: {error}"


def _whole(asked: Mapping[str, JsonValue], key: str, least: int, most: int) -> int:
    number = asked.get(key)
    if isinstance(number, bool) or not isinstance(number, int) or not least <= number <= most:
        raise CommandRefused(f"{key} must be a whole number from {least} to {most}")
    return number
