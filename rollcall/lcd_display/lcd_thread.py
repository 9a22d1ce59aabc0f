"""The thread that owns the display: a bus that hangs stops nobody else.

It has a mailbox that keeps only the newest frame. A display that is lost is probed for, ever more
rarely, and made ready again when it answers; nothing is ever sent twice.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from types import TracebackType
from typing import Final, Literal, Self

from pydantic import JsonValue

from rollcall.lcd_display.i2c import (
    BusStuckError,
    DisplayError,
    NotAcknowledgedError,
    Port,
    RefusedError,
)
from rollcall.lcd_display.panel import Panel

_log = logging.getLogger(__name__)

_PROBE_AFTER_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_CHECK_EVERY_S: Final = 1.0
_BETWEEN_FRAMES_S: Final = 0.5
_GOODBYE_WITHIN_S: Final = 1.0

Lines = Sequence[str]
Standing = Literal["ok", "absent", "lost", "stuck", "refused"]


class Mailbox:
    """Holds the newest frame until it is taken; `close` leaves the last one to be drawn."""

    def __init__(self) -> None:
        self.skipped = 0
        self.last: Lines | None = None
        self._changed = threading.Condition()
        self._newest: Lines | None = None
        self._closed = False

    def put(self, lines: Lines) -> None:
        """Leave a frame in place of any that was not taken."""
        with self._changed:
            self.skipped += self._newest is not None
            self._newest = lines
            self._changed.notify_all()

    def close(self, last: Lines) -> None:
        """End it: `last` is the frame to leave on the glass."""
        with self._changed:
            self.last = last
            self._closed = True
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        """Whether the end has come."""
        return self._closed

    def take(self, timeout_s: float | None) -> Lines | None:
        """Give the newest frame when there is one; None at the end, or after `timeout_s`."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._newest is not None, timeout_s)
            taken, self._newest = self._newest, None
            return None if self._closed else taken

    def rest(self, seconds: float) -> None:
        """Wait, but not beyond the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed, seconds)


@dataclass
class Account:
    """How the display fares; times are Unix seconds."""

    display: Standing = "absent"
    address: str | None = None
    error: str | None = None
    readback: bool | None = None
    last_ok_time: float | None = None
    frame_seconds: float | None = None
    frames: int = 0
    frames_skipped: int = 0
    errors: dict[str, int] = field(default_factory=lambda: {"nack": 0, "stuck": 0, "other": 0})
    resyncs: int = 0
    initializations: int = 0


class LcdThread:
    """Shows the newest frame posted; a context manager.

    `connect` finds the display and raises DisplayError, `panel_on` makes a panel of what it found,
    `shown` is called on the thread whenever the glass shows what was meant.
    """

    def __init__(
        self,
        connect: Callable[[], Port],
        panel_on: Callable[[Port], Panel],
        *,
        shown: Callable[[], None] = lambda: None,
        probe_after_s: Sequence[float] = _PROBE_AFTER_S,
    ) -> None:
        self._connect = connect
        self._panel_on = panel_on
        self._shown = shown
        self._probe_after_s = probe_after_s
        self._mailbox = Mailbox()
        self._thread = threading.Thread(target=self._run, name="lcd", daemon=True)
        self._fence = threading.Lock()
        self._account = Account()
        self._panel: Panel | None = None
        self._failures = 0
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
            self._mailbox.close(())
        self._thread.join(_GOODBYE_WITHIN_S)

    def post(self, lines: Lines) -> None:
        """Have `lines` shown soon, unless newer ones come first."""
        self._mailbox.put(lines)

    def finish(self, lines: Lines) -> None:
        """Draw `lines`, if the display is there, and end; takes 1 s at most."""
        self._mailbox.close(lines)
        self._thread.join(_GOODBYE_WITHIN_S)

    def account(self) -> dict[str, JsonValue]:
        """Give how the display fares, as JSON values; safe on any thread."""
        with self._fence:
            self._account.frames_skipped = self._mailbox.skipped
            return asdict(self._account)

    # On the thread

    def _run(self) -> None:
        try:
            first = self._mailbox.take(None)
            newest = first or ()
            while not self._mailbox.closed:
                newest = self._serve(newest)
            self._say_goodbye()
        except Exception as error:  # noqa: BLE001 - handed to the main thread, which ends the process
            self.fault = error
        finally:
            self._drop_panel()

    def _serve(self, newest: Lines) -> Lines:
        """Show frames until the display fails; give the newest frame there is."""
        try:
            panel = self._open()
            self._make_ready(panel, newest, keep_memory=self._account.initializations > 0)
            self._found(panel)
            check_due_s = time.monotonic()
            while not self._mailbox.closed:
                lines = self._mailbox.take(max(0.0, check_due_s - time.monotonic()))
                if lines is not None:
                    newest = lines
                    self._show(panel, newest)
                if time.monotonic() >= check_due_s:
                    check_due_s = time.monotonic() + _CHECK_EVERY_S
                    self._check(panel, newest)
        except DisplayError as error:
            self._failed(error)
            newest = self._mailbox.take(0) or newest
        return newest

    def _open(self) -> Panel:
        self._drop_panel()
        self._panel = self._panel_on(self._connect())
        return self._panel

    def _make_ready(self, panel: Panel, lines: Lines, *, keep_memory: bool) -> None:
        anew = panel.make_ready(lines, keep_memory=keep_memory)
        with self._fence:
            self._account.initializations += anew
            self._account.resyncs += not anew
            self._account.frames += 1
        self._shown()

    def _show(self, panel: Panel, lines: Lines) -> None:
        began_s = time.monotonic()
        written = panel.show(lines)
        if not written:
            return
        with self._fence:
            self._account.frame_seconds = round(time.monotonic() - began_s, 4)
            self._account.frames += 1
        self._shown()
        self._mailbox.rest(_BETWEEN_FRAMES_S)

    def _check(self, panel: Panel, lines: Lines) -> None:
        healthy = panel.is_healthy()
        if not healthy:
            _log.warning("the display restarted or lost count; making it ready again")
            self._make_ready(panel, lines, keep_memory=False)
        with self._fence:
            self._account.readback = panel.readback
            self._account.last_ok_time = round(time.time(), 3)

    def _found(self, panel: Panel) -> None:
        _log.info("the display at 0x%02x shows what is posted", panel.port.address)
        self._failures = 0
        with self._fence:
            self._account.display = "ok"
            self._account.address = f"0x{panel.port.address:02x}"
            self._account.error = None

    def _failed(self, error: DisplayError) -> None:
        stopped_by, count = _kind_of(error)
        with self._fence:
            account = self._account
            kind: Standing = stopped_by or ("lost" if account.initializations else "absent")
            if account.error != str(error):
                _log.warning("display %s: %s", kind, error)
            account.display, account.error = kind, str(error)
            account.errors[count] += 1
        wait_s = self._probe_after_s[min(self._failures, len(self._probe_after_s) - 1)]
        self._failures += 1
        self._mailbox.rest(wait_s)

    def _say_goodbye(self) -> None:
        last = self._mailbox.last
        if not last or self._panel is None or self._account.display != "ok":
            return
        try:
            self._panel.show(last)
        except DisplayError as error:
            _log.info("no goodbye on the glass: %s", error)
        else:
            self._shown()

    def _drop_panel(self) -> None:
        if self._panel is None:
            return
        try:
            self._panel.port.close()
        except DisplayError as error:
            _log.debug("the bus was gone already: %s", error)
        self._panel = None


def _kind_of(error: DisplayError) -> tuple[Literal["stuck", "refused"] | None, str]:
    """Give what the glass is (None: absent or lost), and which counter it goes to."""
    if isinstance(error, BusStuckError):
        return "stuck", "stuck"
    if isinstance(error, RefusedError):
        return "refused", "other"
    return None, "nack" if isinstance(error, NotAcknowledgedError) else "other"
