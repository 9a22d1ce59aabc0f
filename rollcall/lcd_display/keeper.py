"""Keeps one display showing the newest frame: what is due, when, and what becomes of a fault.

`attend` does what is due and says when to be called again; it waits for nothing but the bus and a
controller that is being started. A display that is lost is probed for, ever more rarely, and made
ready again when it answers; after an error nothing is ever sent twice.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from threading import Lock
from typing import Final, Literal

from pydantic import JsonValue

from rollcall.lcd_display.i2c import (
    BusStuckError,
    DisplayError,
    NotAcknowledgedError,
    RefusedError,
)
from rollcall.lcd_display.panel import Condition, Panel

_log = logging.getLogger(__name__)

PROBE_AFTER_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_CHECK_EVERY_S: Final = 1.0
_BETWEEN_FRAMES_S: Final = 0.5
# Noise can change a character, or a glyph, and leave no other trace.
_REWRITE_EVERY_S: Final = 30.0
_RESYNC_EVERY_S: Final = 600.0
_RESYNC_UNREAD_EVERY_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Frame:
    """What the glass is to show. `light`: the backlight; None leaves it as it is."""

    lines: tuple[str, ...]
    light: bool | None = None


Standing = Literal["ok", "absent", "lost", "stuck", "refused"]


@dataclass(frozen=True, slots=True)
class Clock:
    """The time: monotonic seconds, and Unix seconds."""

    monotonic_s: Callable[[], float]
    wall_s: Callable[[], float]


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


@dataclass(slots=True)
class _Due:
    """When what comes next, in monotonic seconds; and when the display was last made ready."""

    frame_s: float = 0.0
    check_s: float = 0.0
    rewrite_s: float = 0.0
    ready_s: float = 0.0

    def resync_s(self, *, readback: bool | None) -> float:
        """Give when to resynchronize: sooner where slips cannot be seen by reading back."""
        return self.ready_s + (_RESYNC_UNREAD_EVERY_S if readback is False else _RESYNC_EVERY_S)


class Keeper:
    """Shows what it is given on the display that `connect` finds; for one thread.

    `connect` raises DisplayError. `shown` is called whenever the glass shows what was meant.
    `account` alone may be called from other threads.
    """

    def __init__(
        self,
        connect: Callable[[], Panel],
        clock: Clock,
        *,
        shown: Callable[[], None] = lambda: None,
        probe_after_s: Sequence[float] = PROBE_AFTER_S,
    ) -> None:
        self._connect = connect
        self._clock = clock
        self._shown = shown
        self._probe_after_s = probe_after_s
        self._fence = Lock()
        self._account = Account()
        self._panel: Panel | None = None
        self._wanted: Frame | None = None
        self._pending = False
        self._due = _Due()
        self._probe_due_s = float("-inf")
        self._failures = 0
        self._repairs = 0

    def account(self) -> dict[str, JsonValue]:
        """Give how the display fares, as JSON values; safe on any thread."""
        with self._fence:
            return asdict(self._account)

    def want(self, frame: Frame) -> None:
        """Have `frame` shown in place of any that was not shown yet."""
        self._account.frames_skipped += self._pending
        self._wanted, self._pending = frame, True

    def attend(self) -> float:
        """Do what is due; give when to be called again, in monotonic seconds."""
        if self._wanted is None:
            return float("inf")
        try:
            if self._panel is None:
                if self._clock.monotonic_s() < self._probe_due_s:
                    return self._probe_due_s
                self._panel = self._connect()
                anew = self._account.initializations == 0
                self._make_ready(self._panel, self._wanted, keep_memory=not anew)
                self._found(self._panel)
            self._keep(self._panel, self._wanted)
        except DisplayError as error:
            self._failed(error)
            return self._probe_due_s
        due = self._due
        next_s = min(due.check_s, due.rewrite_s)
        return min(next_s, due.frame_s) if self._pending else next_s

    def say(self, frame: Frame) -> None:
        """Show a last frame, where the display is well; a fault is only logged."""
        if self._panel is None or self._account.display != "ok":
            return
        try:
            self._panel.show(frame.lines, light=frame.light)
        except DisplayError as error:
            _log.info("no goodbye on the glass: %s", error)
        else:
            self._shown()

    def close(self) -> None:
        """Give the bus back."""
        panel, self._panel = self._panel, None
        if panel is None:
            return
        try:
            panel.port.close()
        except DisplayError as error:
            _log.debug("the bus was gone already: %s", error)

    def _keep(self, panel: Panel, wanted: Frame) -> None:
        now_s = self._clock.monotonic_s()
        if now_s >= self._due.check_s:
            self._check(panel, wanted)
        if now_s >= self._due.resync_s(readback=panel.readback):
            self._make_ready(panel, wanted, keep_memory=True)
        elif now_s >= self._due.rewrite_s:
            self._due.rewrite_s = now_s + _REWRITE_EVERY_S
            panel.rewrite(wanted.lines)
            self._showed(panel)
        elif self._pending and now_s >= self._due.frame_s:
            self._show(panel, wanted)

    def _make_ready(self, panel: Panel, wanted: Frame, *, keep_memory: bool) -> None:
        anew = panel.make_ready(wanted.lines, light=wanted.light, keep_memory=keep_memory)
        now_s = self._clock.monotonic_s()
        self._due = _Due(now_s, now_s, now_s + _REWRITE_EVERY_S, now_s)
        with self._fence:
            self._account.initializations += anew
            self._account.resyncs += not anew
        self._showed(panel)

    def _show(self, panel: Panel, wanted: Frame) -> None:
        began_s = self._clock.monotonic_s()
        written = panel.show(wanted.lines, light=wanted.light)
        self._pending = False
        if not written:
            return
        now_s = self._clock.monotonic_s()
        self._due.frame_s = now_s + _BETWEEN_FRAMES_S
        with self._fence:
            self._account.frame_seconds = round(now_s - began_s, 4)
        self._showed(panel)

    def _showed(self, panel: Panel) -> None:
        """Note a frame on the glass, which is to be read back at once."""
        self._pending = False
        self._due.check_s = self._clock.monotonic_s()
        with self._fence:
            self._account.frames += 1
            self._account.readback = panel.readback
        self._shown()

    def _check(self, panel: Panel, wanted: Frame) -> None:
        found = panel.check()
        now_s = self._clock.monotonic_s()
        self._due.check_s = now_s + _CHECK_EVERY_S
        if found is Condition.WELL:
            self._repairs = 0
            with self._fence:
                self._account.readback = panel.readback
                self._account.last_ok_time = round(self._clock.wall_s(), 3)
            return
        if not self._repairs:
            _log.warning("the display %s; making it ready again", found.value)
        self._repairs += 1
        # What a resynchronization does not cure gets everything.
        slipped_once = found is Condition.SLIPPED and self._repairs == 1
        self._make_ready(panel, wanted, keep_memory=slipped_once)
        self._due.check_s = max(self._due.check_s, now_s + _CHECK_EVERY_S)

    def _found(self, panel: Panel) -> None:
        _log.info("the display at 0x%02x shows what is posted", panel.port.address)
        self._failures = 0
        with self._fence:
            self._account = replace(
                self._account, display="ok", address=f"0x{panel.port.address:02x}", error=None
            )

    def _failed(self, error: DisplayError) -> None:
        stopped_by, count = _kind_of(error)
        self.close()
        with self._fence:
            account = self._account
            kind: Standing = stopped_by or ("lost" if account.initializations else "absent")
            if (account.display, account.error) != (kind, str(error)):
                _log.warning("display %s: %s", kind, error)
            account.display, account.error = kind, str(error)
            account.errors[count] += 1
        wait_s = self._probe_after_s[min(self._failures, len(self._probe_after_s) - 1)]
        self._failures += 1
        self._probe_due_s = self._clock.monotonic_s() + wait_s


def _kind_of(error: DisplayError) -> tuple[Literal["stuck", "refused"] | None, str]:
    """Give what the glass is (None: absent or lost), and which counter it goes to."""
    if isinstance(error, BusStuckError):
        return "stuck", "stuck"
    if isinstance(error, RefusedError):
        return "refused", "other"
    return None, "nack" if isinstance(error, NotAcknowledgedError) else "other"
