"""Who has answered to a document that was put into force, and how. Pure."""

from dataclasses import dataclass, field
from enum import StrEnum

from rollcall.broker.messages import Applied, Fleet
from rollcall.broker.node_view import NodeState, NodeView
from rollcall.console.fleet_words import named


class Answer(StrEnum):
    """What became of a document on a node."""

    APPLIED = "applied"
    PARTLY = "partly"
    REFUSED = "refused"
    SILENT = "silent"
    OFFLINE = "offline"


@dataclass
class Answers:
    """What nodes answer to `fleet`; begin with how they are when it is published."""

    fleet: Fleet
    _states: dict[str, Answer] = field(default_factory=dict)
    _problems: dict[str, list[str]] = field(default_factory=dict)

    def ask(self, view: NodeView) -> None:
        """Expect an answer of a node, unless it is offline or nobody knows whether it lives."""
        absent = view.state in {NodeState.OFFLINE, NodeState.UNKNOWN}
        self._states[view.name] = Answer.OFFLINE if absent else Answer.SILENT
        if view.applied is not None and view.applied.digest == self.fleet.digest:
            self.hear(view.name, view.applied)

    def hear(self, node: str, applied: Applied) -> None:
        """Take an answer in; one to another document, without a complaint, is none yet."""
        if applied.digest == self.fleet.digest:
            self._states[node] = Answer.PARTLY if applied.problems else Answer.APPLIED
        elif applied.problems:
            self._states[node] = Answer.REFUSED
        else:
            return
        self._problems[node] = list(applied.problems)

    @property
    def waiting(self) -> bool:
        """Whether a node that is there has not answered yet."""
        return Answer.SILENT in self._states.values()

    @property
    def all_applied(self) -> bool:
        """Whether every node follows the document, without exception."""
        return all(answer is Answer.APPLIED for answer in self._states.values())

    def nodes(self, answer: Answer) -> list[str]:
        """Name the nodes that gave an answer, in their order."""
        return sorted(name for name, given in self._states.items() if given is answer)

    def lines(self) -> list[str]:
        """Say who applied it, who refused what, who is offline."""
        if not self._states:
            return ["No node is known yet; those that join will find it."]
        applied, silent, offline = map(self.nodes, (Answer.APPLIED, Answer.SILENT, Answer.OFFLINE))
        lines = [f"applied by   {named(applied)}"] if applied else []
        for node in [*self.nodes(Answer.PARTLY), *self.nodes(Answer.REFUSED)]:
            but = "applied, but" if self._states[node] is Answer.PARTLY else "refused by"
            lines += [f"{but:<13}{node}: {problem}" for problem in self._problems[node]]
        lines += [f"no answer    {named(silent)}"] if silent else []
        lines += [f"offline      {named(offline)}; takes it on coming back"] if offline else []
        return lines

    def as_json(self) -> dict[str, dict[str, object]]:
        """Give the answers for `--json`."""
        return {
            node: {"answer": str(answer), "problems": self._problems.get(node, [])}
            for node, answer in sorted(self._states.items())
        }
