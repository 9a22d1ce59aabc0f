"""Reports that were asked for: an answer is due when all have come, or their time is over. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from pydantic import JsonValue

_PATIENCE_MS: Final = 12_000


@dataclass(slots=True)
class _Request:
    awaited: set[str]
    until_ms: int
    came: dict[str, int] = field(default_factory=dict)


class Asked:
    """The requests that are not answered yet, by the id of their command."""

    def __init__(self) -> None:
        self._requests: dict[str, _Request] = {}

    def begin(self, command_id: str, collectors: Iterable[str], now_ms: int) -> None:
        """Wait for a report of each of `collectors`, at most 12 s."""
        self._requests[command_id] = _Request(set(collectors), now_ms + _PATIENCE_MS)

    def came(self, collector: str, seq: int) -> None:
        """Note the number of a report that is stored."""
        for request in self._requests.values():
            if collector in request.awaited:
                request.awaited.discard(collector)
                request.came[collector] = seq

    def answers(self, now_ms: int) -> list[tuple[str, dict[str, JsonValue]]]:
        """Give the ids that can be answered, with the numbers of their reports; forget them."""
        ready = [
            command_id
            for command_id, request in self._requests.items()
            if not request.awaited or now_ms >= request.until_ms
        ]
        return [(command_id, _answer(self._requests.pop(command_id))) for command_id in ready]


def _answer(request: _Request) -> dict[str, JsonValue]:
    reports: dict[str, JsonValue] = dict(sorted(request.came.items()))
    missing: list[JsonValue] = [*sorted(request.awaited)]
    return {"reports": reports} | ({"missing": missing} if missing else {})
