"""Series as people write them in rule tests: `50x2 95+1x10 _x3 null error gone`.

`V` is a value; `VxN` the value and N more of it; `V+SxN`, `V-SxN` the value, then N steps of S. `_`
is no report, `null` no number, `error` a report that failed, `gone` an instance that the report
lacks; each `xN` is N of them.
"""

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Final

_NUMBER: Final = r"[0-9]+(?:\.[0-9]+)?"
_VALUE: Final = re.compile(rf"(-?{_NUMBER})(?:([+-]{_NUMBER})?x([0-9]{{1,6}}))?")
_NOTHING: Final = re.compile(r"(_|null|error|gone)(?:x([0-9]{1,6}))?")
_MOST: Final = 200_000


class Nothing(StrEnum):
    """What a step has instead of a number."""

    NO_REPORT = "_"
    NULL = "null"
    ERROR = "error"
    GONE = "gone"


Step = float | Nothing


def steps(written: str) -> list[Step]:
    """Give the steps of a series, in order. Raises ValueError, naming the word that is wrong."""
    found: list[Step] = []
    for word in written.split():
        found.extend(_steps_of(word))
        if len(found) > _MOST:
            raise ValueError(f"a series has at most {_MOST} steps")
    if not found:
        raise ValueError('a series is written such as "50x2 95x4 _x3 70"')
    return found


def _steps_of(word: str) -> Iterator[Step]:
    if (nothing := _NOTHING.fullmatch(word)) is not None:
        yield from [Nothing(nothing[1])] * int(nothing[2] or 1)
        return
    value = _VALUE.fullmatch(word)
    if value is None:
        raise ValueError(
            f'"{word[:40]}" is no step; write 95, 95x4, 10+5x6, _, null, error or gone'
        )
    first, step = float(value[1]), float(value[2] or 0)
    for number in range(int(value[3] or 0) + 1):
        yield first + number * step
