"""A letter as plain text: complete, and readable on a telephone."""

from collections.abc import Iterable, Sequence
from typing import Final

from rollcall.alerts.letter import Letter, Processes, Section
from rollcall.alerts.sparkline import sparkline

_NAME_WIDTH: Final = 10


def text_of(letter: Letter) -> str:
    """Write the letter."""
    blocks = [[letter.headline, *letter.remarks]]
    blocks += [_section(section) for section in letter.sections]
    charts = [
        f"{chart.place or 'Trend':<{_NAME_WIDTH}}{sparkline(chart.trend.values)}  {chart.words}"
        for chart in letter.charts
    ]
    facts = [f"{name:<{_NAME_WIDTH}}{value}" for name, value in letter.facts]
    blocks += [charts + facts]
    blocks += [_processes(found) for found in letter.processes]
    blocks += [[f"{purpose + ':':<13}{command}" for purpose, command in letter.commands]]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _section(section: Section) -> list[str]:
    place = max(len(row.place) for row in section.rows)
    lines = [f"  {row.time}  {row.place:<{place}}  {row.text}" for row in section.rows]
    return [f"{section.title}:", *lines, *([f"  and {section.more} more"] if section.more else [])]


def _processes(found: Processes) -> list[str]:
    return [f"{found.title}:", *_columns(found.rows)]


def _columns(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        name, pid, user, *numbers = (
            cell.rjust(width) if place in {1, 3, 4} else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  " + "  ".join((name, pid, user, *numbers))
