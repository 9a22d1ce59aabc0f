"""Whether a command is to be carried out: once, in time, and never because the broker kept it.

Nodes and services take the same commands the same way. Pure: payloads and times in, commands out.
"""

from collections import OrderedDict
from typing import Final

from rollcall.broker.messages import COMMAND, Command

_REMEMBERED: Final = 256


class CommandRefused(Exception):  # noqa: N818 - reads as what happened
    """A command that is not carried out; `id` is whom to answer, None when nobody is to be."""

    def __init__(self, why: str, command_id: str | None = None) -> None:
        super().__init__(why)
        self.id = command_id


class CommandGate:
    """Lets each command through once; remembers the newest 256 ids."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, None] = OrderedDict()

    def admit(self, payload: bytes, *, replayed: bool, now_s: float | None) -> Command:
        """Give the command to carry out.

        `replayed` says that the broker had it retained: a command never is. `now_s` are Unix
        seconds, None while the own clock is not synchronized: then the broker's expiry alone
        decides. Raises CommandRefused, and DecodeError for what is no command. A repeated id is
        not answered again: the first one was.
        """
        if replayed:
            raise CommandRefused("a retained command is never carried out")
        command = COMMAND.decode(payload)
        if command.id in self._seen:
            raise CommandRefused(f"command {command.id} was taken already")
        self._remember(command.id)
        if now_s is not None and command.expires is not None and now_s > command.expires:
            late_s = now_s - command.expires
            why = f"expired {late_s:.0f} s ago; compare the clocks of both machines"
            raise CommandRefused(why, command.id)
        return command

    def _remember(self, command_id: str) -> None:
        self._seen[command_id] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
