"""A letter as HTML that mail programs show: tables, inline styles, no image, nothing from outside.

Bars are table cells with a height, because many mail programs drop SVG. All text is escaped.
"""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from rollcall.alerts.letter import Chart, Letter, Processes, Section, Tone
from rollcall.alerts.sparkline import heights

_COLOURS: Final[dict[Tone, str]] = {
    "critical": "#b3261e",
    "warning": "#9a6700",
    "info": "#0b57d0",
    "over": "#146c2e",
}
_BAR_LEVELS: Final = 33
_FONT: Final = "font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
_MONO: Final = "font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:13px"
_QUIET: Final = "color:#5f6368"
_BADGE: Final = "margin:0 0 4px;font-size:13px;font-weight:600;letter-spacing:.04em"
_HEADLINE: Final = "margin:0 0 10px;font-size:19px;line-height:1.35;font-weight:600"
_CELL: Final = "padding:3px 14px 3px 0;vertical-align:top;text-align:left"


def html_of(letter: Letter) -> str:
    """Write the letter."""
    colour = _COLOURS[letter.tone]
    parts = [
        _line(f"{letter.state} · {letter.title}", f"{_BADGE};color:{colour}"),
        _line(letter.headline, _HEADLINE),
        *(_line(remark, "margin:0 0 6px") for remark in letter.remarks),
        *(_chart(chart, colour) for chart in letter.charts),
        *(_section(section) for section in letter.sections),
        _facts(letter.facts),
        *(_processes(found) for found in letter.processes),
        _commands(letter.commands),
    ]
    body = "\n".join(part for part in parts if part)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(letter.title)}</title></head>\n"
        f'<body style="margin:0;padding:16px;{_FONT};font-size:15px;line-height:1.45">\n'
        '<table role="presentation" cellpadding="0" cellspacing="0" style="max-width:680px">'
        f'<tr><td style="border-left:5px solid {colour};padding:2px 0 2px 16px">\n'
        f"{body}\n</td></tr></table>\n</body></html>\n"
    )


def _section(section: Section) -> str:
    rows = (
        _row((_quiet(row.time), f"<b>{escape(row.place)}</b>", escape(row.text)))
        for row in section.rows
    )
    more = _row(("", _quiet(f"and {section.more} more"), "")) if section.more else ""
    return _title(section.title) + _table((*rows, more))


def _chart(chart: Chart, colour: str) -> str:
    bars = "".join(
        '<td style="vertical-align:bottom;padding:0 1px 0 0">'
        f'<div style="width:6px;height:{height + 3}px;background:{colour};font-size:1px">&nbsp;'
        "</div></td>"
        if height is not None
        else f'<td style="vertical-align:bottom;width:7px;{_QUIET};font-size:9px">&middot;</td>'
        for height in heights(chart.trend.values, _BAR_LEVELS)
    )
    place = f"<b>{escape(chart.place)}</b> &nbsp;" if chart.place else ""
    return (
        '<table role="presentation" cellpadding="0" cellspacing="0" style="margin:10px 0 0">'
        f"<tr>{bars}</tr></table>"
        f'<p style="margin:2px 0 10px;font-size:13px;{_QUIET}">{place}{escape(chart.words)}</p>'
    )


def _facts(facts: Sequence[tuple[str, str]]) -> str:
    return _table(_row((_quiet(name), escape(value))) for name, value in facts)


def _processes(found: Processes) -> str:
    rows = (_row(tuple(escape(cell) for cell in row), mono=True) for row in found.rows)
    return _title(found.title) + _table(rows)


def _commands(commands: Sequence[tuple[str, str]]) -> str:
    style = f"{_MONO};background:#80808022;padding:1px 5px;border-radius:3px"
    rows = (
        _row((_quiet(purpose), f'<code style="{style}">{escape(command)}</code>'))
        for purpose, command in commands
    )
    return _table(rows) if commands else ""


def _table(rows: Iterable[str]) -> str:
    return (
        '<table role="presentation" cellpadding="0" cellspacing="0" '
        f'style="margin:10px 0 0;font-size:14px">{"".join(rows)}</table>'
    )


def _row(cells: Sequence[str], *, mono: bool = False) -> str:
    style = f"{_CELL};{_MONO}" if mono else _CELL
    return "<tr>" + "".join(f'<td style="{style}">{cell}</td>' for cell in cells) + "</tr>\n"


def _line(text: str, style: str) -> str:
    return f'<p style="{style}">{escape(text)}</p>'


def _title(text: str) -> str:
    return _line(text, "margin:14px 0 -6px;font-weight:600;font-size:14px")


def _quiet(text: str) -> str:
    return f'<span style="{_QUIET};white-space:nowrap">{escape(text)}</span>'
