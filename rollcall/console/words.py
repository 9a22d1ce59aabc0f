"""Numbers, ages and times as people read them. Pure."""

import datetime as dt
from typing import Final

_MINUTE_S: Final = 60
_HOUR_S: Final = 3600
_DAY_S: Final = 86_400
_BASIC: Final = 0xFFFF
_ESCAPES: Final = ("\\u{:04x}", "\\U{:08x}")


def age(seconds: float | None) -> str:
    """Say how long: `4s`, `12m`, `3h 12m`, `81d`; `?` when nobody knows."""
    if seconds is None:
        return "?"
    whole = int(seconds)
    if whole < _MINUTE_S:
        return f"{whole}s"
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S}m"
    if whole < _DAY_S:
        return f"{whole // _HOUR_S}h {whole % _HOUR_S // _MINUTE_S:02d}m"
    return f"{whole // _DAY_S}d"


def span(seconds: float | None) -> str:
    """Say a length of time as `age` does; `-` without one."""
    return "-" if seconds is None else age(seconds)


def percent(number: float | None) -> str:
    """Say a share: `12%`; `-` without one."""
    return "-" if number is None else f"{number:.0f}%"


def degrees(number: float | None) -> str:
    """Say a temperature in degrees Celsius: `52°`; `-` without one."""
    return "-" if number is None else f"{number:.0f}°"


def iso(time_s: float) -> str:
    """Write a moment (Unix seconds) as ISO 8601 in UTC, to the millisecond."""
    moment = dt.datetime.fromtimestamp(time_s, dt.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment(time_s: float, now_s: float) -> str:
    """Write a moment of the last day, or the next, as `14:02:31 UTC`, any other as `iso`."""
    if abs(now_s - time_s) < _DAY_S:
        return f"{dt.datetime.fromtimestamp(time_s, dt.UTC):%H:%M:%S} UTC"
    return iso(time_s)


def printable(text: str) -> str:
    """Escape what a terminal would obey or hide, as TOML does; line ends stay."""
    return "".join(
        each
        if each.isprintable() or each == "\n"
        else _ESCAPES[ord(each) > _BASIC].format(ord(each))
        for each in text
    )
