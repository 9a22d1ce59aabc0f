"""Commands to the recorder, and what it answers.

`prune` forgets what is older than it is kept, and first tells how much that is; with `dry_run` it
only tells. Everything else is refused by name.
"""

import logging

from rollcall.broker.codec import DecodeError
from rollcall.broker.commands import CommandGate, CommandRefused
from rollcall.broker.messages import Command, Reply
from rollcall.recorder.errors import DatabaseUnavailableError
from rollcall.recorder.upkeep import Upkeep

_log = logging.getLogger(__name__)


class Commands:
    """Carries out each command once."""

    def __init__(self, upkeep: Upkeep) -> None:
        self._upkeep = upkeep
        self._gate = CommandGate()

    def answer(self, payload: bytes, *, replayed: bool, now_s: float) -> Reply | None:
        """Carry out a command; give the reply, None where nobody is to be answered.

        `now_s` are Unix seconds. Raises DatabaseBrokenError.
        """
        try:
            command = self._gate.admit(payload, replayed=replayed, now_s=now_s)
        except CommandRefused as error:
            _log.warning("a command is not carried out: %s", error)
            return None if error.id is None else Reply(id=error.id, ok=False, error=str(error))
        except DecodeError as error:
            _log.warning("no command: %s", error)
            return None
        return self._carried_out(command)

    def _carried_out(self, command: Command) -> Reply:
        if command.command != "prune":
            said = f"the recorder knows no command {command.command!r}; it takes prune"
            return Reply(id=command.id, ok=False, error=said)
        dry_run = (command.model_extra or {}).get("dry_run", False)
        if not isinstance(dry_run, bool):
            return Reply(id=command.id, ok=False, error="dry_run must be true or false")
        try:
            result = self._upkeep.prune(dry_run=dry_run)
        except DatabaseUnavailableError as error:
            return Reply(id=command.id, ok=False, error=str(error)[:1024])
        return Reply(id=command.id, ok=True, result=result)
