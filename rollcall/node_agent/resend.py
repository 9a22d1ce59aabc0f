"""When to send old reports again, and in what batches. Pure: times are arguments.

What no receipt has covered in 30 s, or in the time of three receipts where they come more seldom,
is taken for lost. A batch is under way until everything in it is receipted, or until its time is
over; then its reports wait like all others. At most two are under way. Each batch that comes to
nothing doubles the patience with the next, from 30 s to 10 min, spread by jitter; a receipt for one
ends that.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from rollcall.broker.messages import MAX_BATCH_BYTES, Backlog, Eviction, encode
from rollcall.node_agent.spans import Span

_UNRECEIPTED_AFTER_MS: Final = 30_000
REPORTS_IN_BATCH: Final = 200
_LONGEST_MS: Final = 600_000
_RECEIPT_WITHIN_MS: Final = 5_000
_UNDER_WAY: Final = 2
_WORTH_COMPRESSING_BYTES: Final = 1024
# A reader inflates no more than 8 MiB.
_MAX_PLAIN_BYTES: Final = 4 * 1024 * 1024
_NOTHING: Final = (0, 0)
# What zlib calls a window of 32 KiB with a header of gzip.
_GZIP: Final = 31


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch under way: the numbers it spans, whether it tells evictions, when it is over."""

    span: Span
    tells: bool
    until_ms: int


class Resend:
    """What of the backlog may go now. `jitter` gives a factor from 1 up."""

    def __init__(self, jitter: Callable[[], float]) -> None:
        self._jitter = jitter
        self._patience_ms = _UNRECEIPTED_AFTER_MS
        self._receipted_ms: int | None = None
        self._period_ms = 0
        self._batches: tuple[Batch, ...] = ()
        self._opens_ms: int | None = None
        self._is_receipted = False
        self._through = 0

    @property
    def under_way(self) -> tuple[Batch, ...]:
        """The batches sent and not yet settled."""
        return self._batches

    @property
    def spans(self) -> list[Span]:
        """The numbers that are under way."""
        return [batch.span for batch in self._batches if batch.span != _NOTHING]

    @property
    def through(self) -> int:
        """Numbers up to this one are sent again at once: they were not received."""
        return self._through

    @property
    def unreceipted_after_ms(self) -> int:
        """How long a report may be without a receipt before it is sent again."""
        return min(max(_UNRECEIPTED_AFTER_MS, 3 * self._period_ms), _LONGEST_MS)

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is under way or held back until a receipt comes."""
        return not self._batches and self._is_receipted

    def connected(self, now_ms: int, last_seq: int) -> None:
        """Note a new connection: what was taken before is backlog, once a receipt has come.

        The broker may hand us the newest receipt before we hear that we are connected.
        """
        self._batches = ()
        self._opens_ms = now_ms if self._is_receipted else now_ms + _RECEIPT_WITHIN_MS
        self._through = last_seq

    def disconnected(self) -> None:
        """Note that nothing can go now."""
        self._batches = ()
        self._opens_ms = None
        self._is_receipted = False
        self._receipted_ms = None

    def receipted(self, now_ms: int, through: int) -> None:
        """Note a receipt that has been settled: what is left up to `through` is missing there."""
        if self._receipted_ms is not None:
            self._period_ms = now_ms - self._receipted_ms
        self._receipted_ms = now_ms
        self._through = max(self._through, through)
        self._is_receipted = True
        if self._opens_ms is not None:
            self._opens_ms = min(self._opens_ms, now_ms)

    def settled(self, is_open: Callable[[Batch], bool]) -> None:
        """Forget the batches of which nothing waits any more."""
        left = tuple(batch for batch in self._batches if is_open(batch))
        if len(left) < len(self._batches):
            self._patience_ms = self.unreceipted_after_ms
        self._batches = left

    def may_send(self, now_ms: int) -> bool:
        """Give up on batches whose time is over; say whether another may go."""
        left = tuple(batch for batch in self._batches if now_ms < batch.until_ms)
        if len(left) < len(self._batches):
            self._patience_ms = min(2 * self._patience_ms, _LONGEST_MS)
        self._batches = left
        is_open = self._opens_ms is not None and now_ms >= self._opens_ms
        return is_open and len(self._batches) < _UNDER_WAY

    def sent(self, now_ms: int, numbers: Sequence[int], *, tells: bool) -> None:
        """Note a batch that was sent with these numbers, and perhaps evictions."""
        span = (numbers[0], numbers[-1]) if numbers else _NOTHING
        patience_ms = max(self._patience_ms, self.unreceipted_after_ms)
        until_ms = now_ms + round(patience_ms * self._jitter())
        self._batches = (*self._batches, Batch(span, tells, until_ms))


def pack(
    epoch: str, reports: Sequence[dict[str, JsonValue]], evicted: Sequence[Eviction]
) -> tuple[bytes, int]:
    """Pack as many of `reports` as fit a batch, compressed when that pays; give it and how many.

    0 of them fit when the first alone is too large.
    """
    count = len(reports)
    while True:
        batch = Backlog(epoch=epoch, reports=list(reports[:count]), evicted=list(evicted))
        plain = encode(batch)
        large = len(plain) > _WORTH_COMPRESSING_BYTES
        payload = zlib.compress(plain, 6, _GZIP) if large else plain
        fits = len(payload) <= MAX_BATCH_BYTES and len(plain) <= _MAX_PLAIN_BYTES
        if fits or count == 0:
            return payload, count
        count //= 2
