"""The numbers of a row as they stand in a table. Pure."""

from rollcall.console.known_rows import CELSIUS, CPU, DISK, MEMORY, UPTIME
from rollcall.console.summary import Row
from rollcall.console.words import degrees, percent, span


def numbers(row: Row, *, unicode: bool) -> list[str]:
    """Give CPU, memory, disk, temperature and uptime; `-` for what is not known now.

    One that is only recorded, and no longer fresh, stands in brackets.
    """
    columns = (
        (row.cpu_percent, CPU, percent),
        (row.memory_percent, MEMORY, percent),
        (row.disk_percent, DISK, percent),
        (row.celsius, CELSIUS, degrees),
        (row.uptime_s, UPTIME, span),
    )
    told = []
    for number, metric, said in columns:
        last = row.last.get(metric)
        old = f"({said(last.number)})" if last is not None else "-"
        told.append(said(number) if number is not None else old)
    return told if unicode else [text.replace("°", "C") for text in told]
