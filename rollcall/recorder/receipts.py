"""When to tell a node what is safely stored: after each commit, at most once a second.

Receipts are cumulative, so a later one says all that an earlier one did. Seconds are monotonic.
"""

from collections import defaultdict, deque
from collections.abc import Iterable
from typing import Final

from rollcall.broker.messages import Receipt

EVERY_S: Final = 1.0
# A batch is a second old when it is committed; a slow commit takes another few.
GRACE_S: Final = 5.0


class YoungHoles:
    """Keeps young holes out of receipts: another recorder may hold what belongs there.

    An agent sends at once again what a receipt calls missing. So a receipt ends before the first
    hole that is younger than `GRACE_S`; one that says less is true, too.
    """

    def __init__(self) -> None:
        self._known: dict[str, deque[tuple[float, str, int]]] = defaultdict(deque)

    def without(self, node: str, receipt: Receipt, now_s: float) -> Receipt:
        """Give what may be said of `receipt` now."""
        seen = self._known[node]
        if not seen or seen[-1][1:] != (receipt.epoch, receipt.through):
            seen.append((now_s, receipt.epoch, receipt.through))
        while len(seen) > 1 and seen[1][0] <= now_s - GRACE_S:
            seen.popleft()
        at_s, epoch, through = seen[0]
        settled = through if at_s <= now_s - GRACE_S and epoch == receipt.epoch else 0
        old = [span for span in receipt.missing if span[1] <= settled]
        if len(old) == len(receipt.missing):
            return receipt
        first_young, _ = receipt.missing[len(old)]
        return receipt.model_copy(update={"through": first_young - 1, "missing": old})


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
