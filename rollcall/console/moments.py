"""Moments as people write them: `2026-11-01`, `2026-11-01T22:00`, `24h` (ago), `now`. Pure."""

import datetime as dt
import re
from typing import Final

import click

_SPAN: Final = re.compile(r"([0-9]{1,6})([smhdw])")
_SECONDS_IN: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def moment(written: str, now: dt.datetime) -> dt.datetime:
    """Read a moment; without a zone it is in that of `now`, which has one. Raises ValueError."""
    if written == "now":
        return now
    span = _SPAN.fullmatch(written)
    if span:
        return now - dt.timedelta(seconds=int(span[1]) * _SECONDS_IN[span[2]])
    found = dt.datetime.fromisoformat(written)
    return found if found.tzinfo else found.astimezone()


class Moment(click.ParamType[dt.datetime]):
    """An option that takes a moment."""

    name = "TIME"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> dt.datetime:
        """Read it, or fail in words."""
        if isinstance(value, dt.datetime):
            return value
        try:
            return moment(str(value), dt.datetime.now().astimezone())
        except (ValueError, OverflowError):
            words = f"{value!r}: give it as 2026-11-01, 2026-11-01T22:00, or 24h ago as 24h"
            self.fail(words, param, ctx)


def milliseconds(found: dt.datetime) -> int:
    """Give it as the database has it."""
    return round(found.timestamp() * 1000)
