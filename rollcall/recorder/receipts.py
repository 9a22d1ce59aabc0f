"""When to tell a node what is safely stored: after each commit, at most once a second.

Receipts are cumulative, so a later one says all that an earlier one did. Seconds are monotonic.
"""

from collections.abc import Iterable
from typing import Final

EVERY_S: Final = 1.0


class ReceiptSchedule:
    """Which nodes wait for a receipt, and when each may have it."""

    def __init__(self) -> None:
        self._said_s: dict[str, float] = {}
        self._waiting: dict[str, None] = {}

    def want(self, nodes: Iterable[str]) -> None:
        """Note that the receipts of `nodes` should be said again."""
        self._waiting.update(dict.fromkeys(nodes))

    def due(self, now_s: float) -> list[str]:
        """Give the nodes whose receipt may go now."""
        return [node for node in self._waiting if now_s >= self._next_s(node)]

    def said(self, node: str, now_s: float) -> None:
        """Note that the receipt of `node` went to the broker."""
        self._said_s[node] = now_s
        self._waiting.pop(node, None)

    def wait_s(self, now_s: float) -> float | None:
        """Give the seconds until a receipt is due; None when nobody waits."""
        if not self._waiting:
            return None
        return max(min(self._next_s(node) for node in self._waiting) - now_s, 0.0)

    def _next_s(self, node: str) -> float:
        return self._said_s.get(node, float("-inf")) + EVERY_S
