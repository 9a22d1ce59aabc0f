"""What people may ask of the alert service over the broker, and its answers.

Requests come on `control/command/alerts`; each is validated as a whole, carried out at once, and
answered. A test of the mail channel takes its time: its answer comes later, from `MailTrial`.
"""

import logging
from collections.abc import Callable
from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from rollcall.alerts.grouping import ID_BITS, Acknowledgement, incident_id
from rollcall.alerts.mail_trial import MailTrial
from rollcall.alerts.notifier import Notifier
from rollcall.alerts.silences import Silence
from rollcall.alerts.wording import printable
from rollcall.broker.commands import CommandGate, CommandRefused
from rollcall.broker.messages import Command, Reply
from rollcall.broker.node_view import Now

_log = logging.getLogger(__name__)

_MAX_TEXT: Final = 200
_YEAR_S: Final = 366 * 86_400.0

Pattern = Annotated[str, Field(min_length=1, max_length=_MAX_TEXT)]
Text = Annotated[str, Field(max_length=_MAX_TEXT)]
Listing = Callable[[bool], JsonValue]


class _Request(BaseModel):
    """The keys of one command; unknown ones are ignored, as everywhere on the broker."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False, hide_input_in_errors=True)


class _List(_Request):
    all: bool = False


class _Acknowledge(_Request):
    incident: Text
    by: Text = ""
    message: Text = ""


class _Silence(_Request):
    nodes: Annotated[list[Pattern], Field(min_length=1, max_length=100)]
    rule: Pattern = "*"
    instance: Pattern = "*"
    for_s: Annotated[float, Field(alias="for", gt=0, le=_YEAR_S)] = 3600.0
    starts: float | None = None
    comment: Text = ""


class _EndSilence(_Request):
    silence: Text


class _Test(_Request):
    to: Text | None = None


class _Failed(Exception):  # noqa: N818 - a command that failed, not a fault of the program
    """A command that cannot be carried out; the text says why."""


_Asked = TypeVar("_Asked", bound=_Request)


class AlertCommands:
    """Carries out commands; `draw(bits)` gives random bits for the names of silences."""

    def __init__(self, notifier: Notifier, trial: MailTrial, draw: Callable[[int], int]) -> None:
        self._gate = CommandGate()
        self._notifier = notifier
        self._trial = trial
        self._draw = draw
        self._carry_out: dict[str, Callable[[Command, Listing, Now], JsonValue]] = {
            "list": self._list,
            "ack": self._acknowledge,
            "silence": self._silence,
            "silences": self._silences,
            "end_silence": self._end_silence,
        }

    def take(self, payload: bytes, listing: Listing, now: Now, *, replayed: bool) -> Reply | None:
        """Carry out one request; give the answer, None where none is due (yet).

        Raises DecodeError for what is no command.
        """
        try:
            command = self._gate.admit(payload, replayed=replayed, now_s=now.wall_s)
        except CommandRefused as refused:
            _log.warning("a command is refused: %s", refused)
            return Reply(id=refused.id, ok=False, error=str(refused)) if refused.id else None
        try:
            if command.command == "test":
                self._test(command, now)
                return None
            result = self._carry_out.get(command.command, self._unknown)(command, listing, now)
        except ValidationError as error:
            return Reply(id=command.id, ok=False, error=_told(error))
        except _Failed as failed:
            return Reply(id=command.id, ok=False, error=str(failed))
        return Reply(id=command.id, ok=True, result=result)

    def replies(self) -> list[Reply]:
        """Give the answers that have come since, of commands that take their time."""
        return self._trial.replies()

    def _unknown(self, _command: Command, _listing: Listing, _now: Now) -> JsonValue:
        known = ", ".join([*self._carry_out, "test"])
        raise _Failed(f"no such command; known are {known}")

    def _list(self, command: Command, listing: Listing, _now: Now) -> JsonValue:
        return listing(_read(_List, command).all)

    def _acknowledge(self, command: Command, _listing: Listing, now: Now) -> JsonValue:
        asked = _read(_Acknowledge, command)
        name = asked.incident.upper()
        by, message = printable(asked.by), printable(asked.message)
        incident = self._notifier.acknowledge(name, Acknowledgement(now.wall_s, by, message))
        if incident is None:
            raise _Failed(f"no incident {printable(name)} is open; rollcall alerts list names them")
        _log.info("incident %s is acknowledged by %s", name, by or "somebody")
        return {"incident": name, "rule": incident.rule, "scope": incident.scope}

    def _silence(self, command: Command, _listing: Listing, now: Now) -> JsonValue:
        asked = _read(_Silence, command)
        starts_at = now.wall_s if asked.starts is None else asked.starts
        silence = Silence(
            id="S" + incident_id(self._draw(ID_BITS))[:4],
            nodes=tuple(asked.nodes),
            rule=asked.rule,
            instance=asked.instance,
            starts_at=starts_at,
            ends_at=starts_at + asked.for_s,
            comment=printable(asked.comment),
        )
        if silence.ends_at <= now.wall_s:
            raise _Failed("this silence would be over already")
        self._notifier.silence(silence)
        _log.info("silence %s: %s", silence.id, silence)
        return _shown(silence)

    def _silences(self, _command: Command, _listing: Listing, _now: Now) -> JsonValue:
        return {"silences": [_shown(silence) for silence in self._notifier.silences]}

    def _end_silence(self, command: Command, _listing: Listing, _now: Now) -> JsonValue:
        name = _read(_EndSilence, command).silence.upper()
        ended = self._notifier.end_silence(name)
        if ended is None:
            raise _Failed(f"no silence {printable(name)}; rollcall alerts silence --list")
        _log.info("silence %s is ended", name)
        return _shown(ended)

    def _test(self, command: Command, now: Now) -> None:
        why_not = self._trial.start(command.id, _read(_Test, command).to, now)
        if why_not:
            raise _Failed(why_not)


def _read(model: type[_Asked], command: Command) -> _Asked:
    return model.model_validate(command.model_extra or {})


def _shown(silence: Silence) -> dict[str, Any]:
    return {
        "id": silence.id,
        "nodes": list(silence.nodes),
        "rule": silence.rule,
        "instance": silence.instance,
        "starts": silence.starts_at,
        "ends": silence.ends_at,
        "comment": silence.comment,
    }


def _told(error: ValidationError) -> str:
    fault = error.errors(include_url=False, include_input=False)[0]
    path = ".".join(str(part) for part in fault["loc"])
    return f"{path}: {fault['msg']}"[:_MAX_TEXT]
