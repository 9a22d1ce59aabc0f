"""Pages about one thing that calls: a lost node, or an alert."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from rollcall.lcd_display import layout
from rollcall.lcd_display.attention import Call
from rollcall.lcd_display.hd44780 import Geometry
from rollcall.lcd_display.layout import TALL, WIDE, first_fitting, row
from rollcall.lcd_display.page import Moment
from rollcall.lcd_display.snapshot import Snapshot

_ADDRESS_WIDTH: Final = 15
_WORDS: Final = {"critical": "CRITICAL", "warning": "WARNING", "info": "NOTICE"}
_SHORT: Final = {"critical": "CRIT", "warning": "WARN", "info": "NOTE"}
_QUIET_WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {"acknowledged": "ack", "silenced": "silent", "inhibited": "inhib"}
)
_NAME_WIDTH: Final = 6
_DAY_S: Final = 86_400


def alert(
    glass: Geometry, snapshot: Snapshot, moment: Moment, calls: Sequence[Call], place: int
) -> tuple[str, ...]:
    """Draw the call at `place` of `calls`.

    Without the alert service nobody knows whether its summary still holds: it is left out then.
    """
    call = calls[place]
    number = f"{layout.count(place + 1)}/{layout.count(len(calls))}"
    if glass.rows < TALL:
        return _flat(glass.columns, snapshot, moment, call, number)
    title = _title(glass.columns, call, number)
    if call.lost is not None:
        return _lost(glass.columns, moment, call, title)
    age = _age(call, moment)
    room = glass.columns - len(age) - 1
    name = layout.cut(call.node, _NAME_WIDTH if glass.columns >= WIDE else _NAME_WIDTH - 1)
    about = f"{name:{_NAME_WIDTH if glass.columns >= WIDE else _NAME_WIDTH - 1}} "
    about += layout.cut(call.rule, room - len(about))
    return (
        title,
        row(glass.columns, about, age),
        *(row(glass.columns, line) for line in _summary(snapshot, call, glass.columns, 2)),
    )


def _title(columns: int, call: Call, number: str) -> str:
    word = "OFFLINE" if call.lost else _WORDS[call.severity]
    if call.quiet:
        return row(columns, f"{number} {call.quiet}")
    for signs, gap in (("!!", " "), ("!", " "), ("!", "")):
        left = f"{signs}{gap}{number} {word}"
        if len(left) + len(signs) <= columns:
            return row(columns, left, signs)
    return row(columns, f"{number} {word}")


def _lost(columns: int, moment: Moment, call: Call, title: str) -> tuple[str, ...]:
    node = call.lost
    address = (node.address or "")[-_ADDRESS_WIDTH:] if node else ""
    return (
        title,
        row(columns, layout.cut(call.node, columns)),
        row(columns, address or "address unknown"[:columns]),
        row(columns, _since(columns, call, moment)),
    )


def _since(columns: int, call: Call, moment: Moment) -> str:
    if call.since is None:
        return "lost, time unknown" if columns >= WIDE else "lost some time"
    age, at = _age(call, moment), moment.time_of(call.since)
    if moment.now.wall_s - call.since >= _DAY_S:
        return first_fitting(columns, f"lost {age} on {at:%m-%d}", f"lost {age} {at:%m-%d}")
    return first_fitting(columns, f"lost {age} at {at:%H:%M:%S}", f"lost {age} {at:%H:%M}")


def _flat(
    columns: int, snapshot: Snapshot, moment: Moment, call: Call, number: str
) -> tuple[str, ...]:
    sign = "" if call.quiet else "!"
    wide = columns >= WIDE
    if call.lost is not None:
        word = "OFFLINE" if wide else "OFF"
        below = _since(columns, call, moment)
    else:
        word = (_WORDS if wide else _SHORT)[call.severity]
        below = _summary(snapshot, call, columns, 1)[0]
    if call.quiet:
        word = _QUIET_WORDS[call.quiet]
    room = columns - len(f"{sign}{number}  {word}")
    return row(columns, f"{sign}{number} {layout.cut(call.node, room)} {word}"), row(columns, below)


def _summary(snapshot: Snapshot, call: Call, columns: int, rows: int) -> list[str]:
    if not snapshot.attention.service_online:
        return [call.rule] if rows == 1 else ["alert service away", ""][:rows]
    return layout.wrapped(call.summary or call.rule, columns, rows)


def _age(call: Call, moment: Moment) -> str:
    return "" if call.since is None else layout.age(moment.now.wall_s - call.since)
