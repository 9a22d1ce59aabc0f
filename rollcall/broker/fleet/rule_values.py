"""What the keys of a rule may hold: names, spans of silence, sentences with placeholders."""

import re
import string
from typing import Annotated, Final

from pydantic import AfterValidator, Field, TypeAdapter

from rollcall.broker.fleet.tables import Duration

_INTERVALS: Final = re.compile(r"([0-9]{1,3})x")
_DURATION: Final = TypeAdapter[float](Duration)
# Numbers in at most two digits, so that no rule writes a sentence of a gigabyte.
_FORMAT: Final = re.compile(r"[<>^]?[0-9]{0,2}(\.[0-9]{1,2})?[fgeE%]?")
_NUMBERS: Final = frozenset({"value", "threshold", "low", "high"})


def _stale_after(written: str) -> str:
    if _INTERVALS.fullmatch(written) is None:
        try:
            _DURATION.validate_python(written)
        except ValueError:
            raise ValueError('write intervals such as "3x", or a duration such as "2m"') from None
    return written


def silence_s(written: str, interval_s: float, at_least_s: float) -> float:
    """Give the seconds of silence that `stale_after` means for what comes each `interval_s`.

    Counted in intervals it is `at_least_s` or more; a duration is taken as it is.
    """
    found = _INTERVALS.fullmatch(written)
    if found is None:
        return _DURATION.validate_python(written)
    return max(int(found[1]) * interval_s, at_least_s)


def _grouped_by(written: str) -> str:
    if written in {"rule", "node", "severity"} or re.fullmatch(r"label:[^=\s]+", written):
        return written
    raise ValueError('group_by holds "rule", "node", "severity" or "label:NAME"')


def summary_of(template: str, known: frozenset[str]) -> None:
    """Check a sentence with placeholders. Raises ValueError: which are known, what is wrong."""
    try:
        pieces = list(string.Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"summary: {error}; write {{{{ for a brace") from None
    for _, name, spec, conversion in pieces:
        if name is None:
            continue
        if name not in known:
            shown = " ".join(f"{{{each}}}" for each in sorted(known))
            raise ValueError(f"summary: {{{name[:40]}}} is not known here; known are {shown}")
        if conversion or not _FORMAT.fullmatch(spec or ""):
            raise ValueError(f'summary: {{{name}}} may be formatted as in "{{value:.1f}}" only')
        if name not in _NUMBERS and spec:
            raise ValueError(f"summary: {{{name}}} is text and takes no format")


StaleAfter = Annotated[str, AfterValidator(_stale_after)]
ReceiverName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]
InhibitedName = Annotated[str, Field(pattern=r"^(\*|[a-z][a-z0-9_]{0,63})$")]
GroupedBy = Annotated[str, Field(max_length=80), AfterValidator(_grouped_by)]
