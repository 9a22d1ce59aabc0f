"""What a picture costs on the bus, beside RPLCD: `.venv/bin/python -m bench.lcd`.

Both drivers draw the same pictures on an emulated display each, which counts bytes, transactions
and microseconds of the wire at 100 kHz. The time of a program, of the kernel and of real sleeps
comes on top of both and is not counted; the sleeps that RPLCD asks for are, as long as it asks.
The limit is what the data alone takes: 4 bytes a character, 9 bits a byte.

Ends with 1 when a target is missed.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import RPLCD.common
import RPLCD.i2c
from rich.console import Console
from rich.table import Table

from rollcall.lcd_display.emulator import EmulatedBus
from rollcall.lcd_display.hd44780 import SIZES
from rollcall.lcd_display.i2c import open_port
from rollcall.lcd_display.panel import Panel

_BYTE_US: Final = 90.0
_BYTES_OF_A_CELL: Final = 4
_MOST_OVER_THE_LIMIT: Final = 1.03
_ONE_CHARACTER_US: Final = 1100.0

Lines = tuple[str, ...]
_PAGE: Final[Lines] = (
    "4/5 online !1  12:04",
    "CPU  23% ###        ",
    "RAM 11.6/20.0GB  58%",
    "hot pi-4 71C  cpu88%",
)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a picture took on the wire."""

    count_bytes: int
    transactions: int
    us: float


@dataclass(frozen=True, slots=True)
class Task:
    """A change of the glass: `cells` are what has to be written at least."""

    name: str
    size: str
    before: Lines
    after: Lines
    cells: int

    @property
    def limit_us(self) -> float:
        """What its characters alone take."""
        return self.cells * _BYTES_OF_A_CELL * _BYTE_US


def tasks() -> list[Task]:
    """Give the changes that are measured."""
    found = []
    for size, geometry in SIZES.items():
        blank, full = (
            tuple(cell * geometry.columns for _ in range(geometry.rows)) for cell in " x"
        )
        cells = geometry.columns * geometry.rows
        found.append(Task(f"full frame {size}", size, blank, full, cells))
    found += [
        Task("a changed character", "20x4", _PAGE, _with(1, 6, "4"), 1),
        Task("a changed number", "20x4", _PAGE, _with(1, 5, "100"), 3),
        Task("the clock", "20x4", _PAGE, _with(0, 15, "23:59"), 5),
        Task("four numbers in four rows", "20x4", _PAGE, _four_numbers(), 12),
        Task("unchanged", "20x4", _PAGE, _PAGE, 0),
    ]
    return found


def ours(task: Task) -> Cost:
    """Draw with our driver, and count."""
    bus = EmulatedBus(geometry=SIZES[task.size])
    panel = Panel(open_port(bus, "auto"), geometry=SIZES[task.size], sleep=bus.sleep)
    panel.make_ready(task.before, keep_memory=False)
    panel.check()
    return _counted(bus, task.after, lambda: panel.show(task.after))


def theirs(task: Task) -> Cost:
    """Draw with RPLCD, and count; it keeps no memory, so its user writes what has changed.

    A changed character or number is written at its place, anything larger row by row.
    """
    geometry, bus = SIZES[task.size], EmulatedBus(geometry=SIZES[task.size])
    RPLCD.i2c.SMBus = lambda _port: bus
    RPLCD.common.msleep = lambda ms: bus.sleep(ms / 1e3)
    RPLCD.common.usleep = lambda us: bus.sleep(us / 1e6)
    lcd = RPLCD.i2c.CharLCD(
        "PCF8574",
        bus.address,
        cols=geometry.columns,
        rows=geometry.rows,
        charmap="A00",
        auto_linebreaks=False,
    )
    _write_changes(lcd, (("",) * geometry.rows), task.before)
    return _counted(bus, task.after, lambda: _write_changes(lcd, task.before, task.after))


def judge(results: list[tuple[Task, Cost, Cost]]) -> list[str]:
    """Give the targets that are missed."""
    missed = []
    for task, cost, _ in results:
        full = task.name.startswith("full frame 20x4")
        if full and cost.us > task.limit_us * _MOST_OVER_THE_LIMIT:
            missed.append(f"{task.name}: {cost.us / task.limit_us:.3f} of the limit")
        if task.name == "unchanged" and cost.count_bytes:
            missed.append(f"unchanged: {cost.count_bytes} bytes")
        if task.name == "a changed character" and cost.us > _ONE_CHARACTER_US:
            missed.append(f"{task.name}: {cost.us:.0f} us")
    return missed


def main() -> int:
    """Measure, print a table, and say whether the targets are reached."""
    results = [(task, ours(task), theirs(task)) for task in tasks()]
    table = Table(title="On the bus, at 100 kHz: Rollcall | RPLCD 1.4, microseconds")
    for title in ("", "bytes", "calls", "us", "of limit", "bytes", "calls", "us", "times ours"):
        table.add_column(title, justify="right" if title else "left")
    for task, own, other in results:
        of_limit = f"{own.us / task.limit_us:.3f}" if task.cells else "-"
        times = f"{other.us / own.us:.1f}" if own.us else "-"
        table.add_row(task.name, *_cells(own), of_limit, *_cells(other), times)
    Console(width=110).print(table)
    missed = judge(results)
    print("missed: " + "; ".join(missed) if missed else "all targets are reached")
    return 1 if missed else 0


def _cells(cost: Cost) -> tuple[str, str, str]:
    return str(cost.count_bytes), str(cost.transactions), f"{cost.us:.0f}"


def _counted(bus: EmulatedBus, wanted: Lines, draw: Callable[[], object]) -> Cost:
    before = bus.bytes_written, bus.transactions, bus.now_us
    draw()
    assert bus.text() == list(wanted), (bus.text(), wanted)
    return Cost(bus.bytes_written - before[0], bus.transactions - before[1], bus.now_us - before[2])


def _write_changes(lcd: Any, before: Lines, after: Lines) -> None:
    for row, (old, new) in enumerate(zip(before, after, strict=True)):
        if old == new:
            continue
        changed = [place for place, cell in enumerate(new) if old[place : place + 1] != cell]
        lcd.cursor_pos = (row, changed[0])
        lcd.write_string(new[changed[0] : changed[-1] + 1])


def _with(row: int, column: int, text: str) -> Lines:
    line = _PAGE[row]
    changed = line[:column] + text + line[column + len(text) :]
    return (*_PAGE[:row], changed, *_PAGE[row + 1 :])


def _four_numbers() -> Lines:
    numbers = ("!@#", "456", "$&(", "=+-")
    return tuple(
        f"{line[:5]}{number}{line[8:]}" for line, number in zip(_PAGE, numbers, strict=True)
    )


if __name__ == "__main__":
    sys.exit(main())
