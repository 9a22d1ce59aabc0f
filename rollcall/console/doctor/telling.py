"""Findings as lines for a terminal."""

import sys
from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.text import Text

from rollcall.console.doctor.findings import Finding
from rollcall.console.doctor.journey import Step
from rollcall.console.marks import MARKS
from rollcall.console.words import printable

_WIDEST_SUBJECT: Final = 14
_INDENT: Final = "     "


def say(findings: Sequence[Finding]) -> None:
    """Print findings, their marks in colour on a terminal."""
    console = Console(highlight=False, soft_wrap=True, emoji=False, markup=False)
    unicode = (console.encoding or "").lower().startswith("utf")
    for line in lines(findings, unicode=unicode):
        console.print(line)
    sys.stdout.flush()


def say_way(steps: Sequence[Step], end: Finding) -> None:
    """Print the way of a reading, and where it ends."""
    console = Console(highlight=False, soft_wrap=True, emoji=False, markup=False)
    unicode = (console.encoding or "").lower().startswith("utf")
    stretches = [Finding(step.place, step.verdict, step.text) for step in steps]
    for line in (*lines(stretches, unicode=unicode), Text(), *lines([end], unicode=unicode)):
        console.print(line)
    sys.stdout.flush()


def lines(findings: Sequence[Finding], *, unicode: bool) -> list[Text]:
    """Write findings: a mark, what was looked at, how it is; then why, and what to try.

    Without Unicode the marks are words.
    """
    width = min(max((len(one.subject) for one in findings), default=0), _WIDEST_SUBJECT)
    told = []
    for one in findings:
        mark, word, style = MARKS[one.verdict]
        head = Text(f" {mark if unicode else f'{word:<5}'} ", style=style)
        head.append(f"{printable(one.subject):<{width}}  ", style="default")
        head.append(_in_one_line(one.text), style="default")
        told.append(head)
        if one.why:
            told.append(Text(f"{_INDENT}why: {_in_one_line(one.why)}"))
        if one.remedy:
            told.append(Text(f"{_INDENT}try: {printable(one.remedy)}"))
    return told


def _in_one_line(text: str) -> str:
    return printable(" ".join(text.split()))
