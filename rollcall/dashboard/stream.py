"""The event stream: each browser gets a snapshot, then what changes, at most once a second.

A reconnection gets a snapshot again: it is state, not a log. Something comes at least every ten
seconds, so that a browser knows a silent connection from a quiet cluster.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Final

from rollcall.broker.node_view import Now
from rollcall.broker.session import Item
from rollcall.dashboard.live import Live

MOST_VIEWERS: Final = 50
TICK_S: Final = 1.0
_BEAT_S: Final = 10.0
_RETRY: Final = "retry: 1000\n\n"


def clock() -> Now:
    """Read both clocks."""
    return Now(time.time(), time.monotonic())


class Broadcast:
    """Feeds `live` and wakes its viewers; all of it on one event loop, where it must be made."""

    def __init__(self, live: Live, *, clock: Callable[[], Now] = clock) -> None:
        self.live = live
        self._clock = clock
        self._ticked = asyncio.Condition()
        self._closing = False

    async def take(self, items: list[Item]) -> None:
        """Take in what the broker said."""
        now = self._clock()
        for item in items:
            self.live.take(item, now)

    async def run(self) -> None:
        """Tick for ever; cancelling ends it and every stream."""
        try:
            while True:
                await asyncio.sleep(TICK_S)
                await self._wake()
        finally:
            await self.close()

    async def close(self) -> None:
        """End every stream, now."""
        self._closing = True
        async with self._ticked:
            self._ticked.notify_all()

    async def events(self) -> AsyncIterator[str]:
        """Give server-sent events until the browser leaves or the server closes."""
        viewer, first = self.live.join(self._clock())
        try:
            yield _RETRY + _event("snapshot", first)
            sent_s = self._clock().monotonic_s
            while not self._closing:
                async with self._ticked:
                    await self._ticked.wait()
                now = self._clock()
                frame = self.live.delta(viewer, now)
                if frame is None and now.monotonic_s - sent_s >= _BEAT_S:
                    frame = f'{{"time":{now.wall_s:.3f}}}'
                if frame is not None:
                    sent_s = now.monotonic_s
                    yield _event("delta", frame)
        finally:
            self.live.leave(viewer)

    async def _wake(self) -> None:
        self.live.tick(self._clock())
        async with self._ticked:
            self._ticked.notify_all()


def _event(name: str, payload: str) -> str:
    return f"event: {name}\ndata: {payload}\n\n"
