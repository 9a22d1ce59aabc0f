"""What was running when it went wrong: asks a node for its top processes when a breach begins.

Pure but for drawing ids: says what to ask, takes answers. A node is asked once in five minutes, and
again when an alert fires on a list older than a minute. Mails never wait for an answer.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rollcall.alerts.incidents import RuleOf
from rollcall.alerts.notice import Process, ProcessList
from rollcall.alerts.state import AlertState, Change
from rollcall.broker.messages import REPLY, Command, Number
from rollcall.broker.node_view import Now

TOP: Final = 5
EXPIRES_S: Final = 30
_ONCE_IN_S: Final = 300.0
_FRESH_S: Final = 60.0
_TELLS_FOR_S: Final = 900.0
_MAX_ASKED: Final = 1000


class _Listed(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    name: Annotated[str, Field(max_length=255)]
    pid: int
    user: Annotated[str, Field(max_length=255)] | None = None
    cpu_percent: Number | None = None
    resident_bytes: Number | None = None


class _Result(BaseModel):
    by: Annotated[str, Field(max_length=32)] = "cpu"
    processes: Annotated[list[_Listed], Field(max_length=100)] = []


@dataclass(frozen=True, slots=True)
class Question:
    """A command for a node."""

    node: str
    command: Command


class Snapshots:
    """The newest process list of each node that was asked; `draw(bits)` gives random bits."""

    def __init__(self, draw: Callable[[int], int]) -> None:
        self._draw = draw
        self._asked_s: dict[str, float] = {}
        self._ids: dict[str, str] = {}
        self._found: dict[str, tuple[float, ProcessList]] = {}

    def questions(
        self,
        changes: Iterable[Change],
        rule_of: RuleOf,
        is_online: Callable[[str], bool],
        now: Now,
    ) -> Sequence[Question]:
        """Give what to ask because of these changes."""
        found = []
        for change in changes:
            rule = rule_of(change.key)
            node = change.key.node
            if rule is None or rule.snapshot is None or not self._is_due(change, now):
                continue
            if is_online(node):
                self._asked_s[node] = now.monotonic_s
                found.append(self._question(node, rule.snapshot, now))
        return found

    def take_reply(self, node: str, command_id: str, payload: bytes, now: Now) -> None:
        """Take an answer; what nobody asked for is passed over.

        Raises DecodeError for what is no reply.
        """
        if self._ids.get(command_id) != node:
            return
        reply = REPLY.decode(payload)
        del self._ids[command_id]
        try:
            result = _Result.model_validate(reply.result if reply.ok else {})
        except ValidationError:
            return
        processes = tuple(
            Process(one.name, one.pid, one.user, one.cpu_percent, one.resident_bytes)
            for one in result.processes[:TOP]
        )
        if processes:
            self._found[node] = (now.monotonic_s, ProcessList(result.by, now.wall_s, processes))

    def of(self, node: str, now: Now) -> ProcessList | None:
        """Give the list of a node, while it still says something about the present."""
        at_s, found = self._found.get(node, (0.0, None))
        return found if found is not None and now.monotonic_s - at_s <= _TELLS_FOR_S else None

    def _is_due(self, change: Change, now: Now) -> bool:
        if change.after is None or not change.is_transition:
            return False
        asked_s = self._asked_s.get(change.key.node)
        age_s = _ONCE_IN_S if asked_s is None else now.monotonic_s - asked_s
        begins = change.before is None
        fires = change.after.state is AlertState.FIRING
        return (begins and age_s >= _ONCE_IN_S) or (fires and age_s > _FRESH_S)

    def _question(self, node: str, by: str, now: Now) -> Question:
        name = f"snapshot-{self._draw(64):016x}"
        self._ids[name] = node
        while len(self._ids) > _MAX_ASKED:
            del self._ids[next(iter(self._ids))]
        command = Command.model_validate(
            {
                "id": name,
                "command": "processes",
                "expires": now.wall_s + EXPIRES_S,
                "by": by,
                "top": TOP,
            }
        )
        return Question(node, command)
