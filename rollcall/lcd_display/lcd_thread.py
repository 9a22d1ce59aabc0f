"""The thread that owns the display: a bus that hangs stops nobody else.

It has a mailbox that keeps only the newest frame, and leaves the rest to a `Keeper`.
"""

import logging
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from pydantic import JsonValue

from rollcall.lcd_display.keeper import Frame, Keeper

_log = logging.getLogger(__name__)

_GOODBYE_WITHIN_S: Final = 1.0
_HUNG_AFTER_S: Final = 5.0
_HUNG: Final = (
    "a call to the bus does not return: the kernel's driver hangs; switch the display's power off"
    " and on, and restart this machine if that does not help"
)

Lines = Sequence[str]


class Mailbox:
    """Holds the newest frame until it is taken; `close` leaves the last one to be drawn."""

    def __init__(self) -> None:
        self.skipped = 0
        self.last: Frame | None = None
        self._changed = threading.Condition()
        self._newest: Frame | None = None
        self._closed = False

    def put(self, frame: Frame) -> None:
        """Leave a frame in place of any that was not taken."""
        with self._changed:
            self.skipped += self._newest is not None
            self._newest = frame
            self._changed.notify_all()

    def close(self, last: Frame | None) -> None:
        """End it: `last` is the frame to leave on the glass."""
        with self._changed:
            self.last = last
            self._closed = True
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        """Whether the end has come."""
        return self._closed

    def take(self, until_s: float) -> Frame | None:
        """Give the newest frame when there is one; None at the end, or at a monotonic time."""
        with self._changed:
            timeout_s = max(0.0, min(until_s - time.monotonic(), threading.TIMEOUT_MAX))
            self._changed.wait_for(lambda: self._closed or self._newest is not None, timeout_s)
            taken, self._newest = self._newest, None
            return None if self._closed else taken


class LcdThread:
    """Shows the newest frame posted; a context manager.

    A call to the bus that lasts longer than `hung_after_s` is told of as a stuck display.
    """

    def __init__(self, keeper: Keeper, *, hung_after_s: float = _HUNG_AFTER_S) -> None:
        self._keeper = keeper
        self._hung_after_s = hung_after_s
        self._attending_since_s: float | None = None
        self._hung = False
        self._mailbox = Mailbox()
        self._thread = threading.Thread(target=self._run, name="lcd", daemon=True)
        self.fault: Exception | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._mailbox.closed:
            self._mailbox.close(None)
        self._thread.join(_GOODBYE_WITHIN_S)

    def post(self, lines: Lines, *, light: bool | None = None) -> None:
        """Have `lines` shown soon, unless newer ones come first; `light`: the backlight."""
        self._mailbox.put(Frame(tuple(lines), light))

    def finish(self, lines: Lines) -> None:
        """Draw `lines`, if the display is there, and end; takes 1 s at most."""
        self._mailbox.close(Frame(tuple(lines)))
        self._thread.join(_GOODBYE_WITHIN_S)

    def account(self) -> dict[str, JsonValue]:
        """Give how the display fares, as JSON values; safe on any thread."""
        account = self._keeper.account()
        skipped = account["frames_skipped"]
        assert isinstance(skipped, int)
        account["frames_skipped"] = skipped + self._mailbox.skipped
        if self._is_hung():
            account |= {"display": "stuck", "error": _HUNG}
        return account

    def _is_hung(self) -> bool:
        """Say whether a call does not return, and log once when that begins and ends."""
        since_s = self._attending_since_s
        hung = since_s is not None and time.monotonic() - since_s > self._hung_after_s
        if hung != self._hung:
            self._hung = hung
            _log.warning("display stuck: %s", _HUNG if hung else "no longer, the call returned")
        return hung

    # On the thread

    def _run(self) -> None:
        wake_s = float("inf")
        try:
            while not self._mailbox.closed:
                newest = self._mailbox.take(wake_s)
                if newest is not None:
                    self._keeper.want(newest)
                if not self._mailbox.closed:
                    self._attending_since_s = time.monotonic()
                    wake_s = self._keeper.attend()
                    self._attending_since_s = None
            if self._mailbox.last is not None:
                self._keeper.say(self._mailbox.last)
        except Exception as error:  # noqa: BLE001 - handed to the main thread, which ends the process
            self.fault = error
        finally:
            self._keeper.close()
