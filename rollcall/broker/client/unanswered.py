"""What was published and not acknowledged yet."""

import logging
from collections import deque

_log = logging.getLogger(__name__)


class Unanswered:
    """The messages of one connection that wait for their acknowledgement, oldest first.

    paho's network thread calls `answered`, and nothing else; all the rest belongs to one other.
    """

    def __init__(self) -> None:
        self._answers: deque[tuple[int, int, str]] = deque()
        self._sent_s: dict[int, float] = {}
        self.refused = 0

    def __len__(self) -> int:
        """Give how many wait, as far as `settle` knows."""
        return len(self._sent_s)

    def sent(self, mid: int, now_s: float) -> None:
        """Note that message `mid` was sent at monotonic seconds."""
        self._sent_s[mid] = now_s

    def answered(self, generation: int, mid: int, refusal: str) -> None:
        """Note an answer, empty or why the broker refused, on the connection `generation`."""
        self._answers.append((generation, mid, refusal))

    def settle(self, generation: int) -> None:
        """Take in the answers; ids are reused, so only those of the present connection count."""
        while self._answers:
            answered_on, mid, refusal = self._answers.popleft()
            if answered_on == generation:
                self._sent_s.pop(mid, None)
            if refusal:
                self.refused += 1
                _log.warning("the broker refused a message: %s", refusal)

    def clear(self) -> None:
        """Forget what waits: no connection to come answers it."""
        self._sent_s.clear()

    def oldest_s(self, now_s: float) -> float:
        """Give since when the oldest waits; `now_s` when none does."""
        return next(iter(self._sent_s.values()), now_s)
