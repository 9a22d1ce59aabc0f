"""How long to wait before trying again."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Backoff:
    """Doubles from `first_s` to `limit_s`, each wait spread by `jitter`.

    `jitter` gives a factor, such as `lambda: random.uniform(0.5, 1.5)`; given from outside, so
    that a test can hold it.
    """

    first_s: float
    limit_s: float
    jitter: Callable[[], float]
    _next_s: float = field(init=False)

    def __post_init__(self) -> None:
        self._next_s = self.first_s

    def failed(self) -> float:
        """Note a failure; give the seconds to wait, at most `limit_s`."""
        wait_s = min(self._next_s * self.jitter(), self.limit_s)
        self._next_s = min(self._next_s * 2, self.limit_s)
        return wait_s

    def succeeded(self) -> None:
        """Start over with the first wait."""
        self._next_s = self.first_s
