"""What has to be written so that the glass shows a new frame: differences as runs.

A run is a stretch of cells in the order of the display's memory, behind one set-address. A gap
costs six bytes on the wire and a cell four, so runs with one clean cell between are joined.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from rollcall.lcd_display.charset import Bank
from rollcall.lcd_display.hd44780 import (
    SET_CGRAM,
    SET_DDRAM,
    Geometry,
    Transfer,
    address_after,
)

_JOINED_GAP: Final = 1


@dataclass(frozen=True, slots=True)
class Run:
    """Codes for adjacent cells; `address` is the DDRAM address of the first."""

    address: int
    codes: tuple[int, ...]


def difference(shown: Sequence[int] | None, wanted: Sequence[int], geometry: Geometry) -> list[Run]:
    """Give the runs that turn `shown` (None: unknown) into `wanted`, codes row by row."""
    runs: list[tuple[int, list[int]]] = []
    clean: list[int] = []
    expected = None
    for cell in geometry.in_memory_order:
        address, code = geometry.addresses[cell], wanted[cell]
        adjacent = address == expected
        expected = address_after(address)
        if not adjacent:
            clean = [0] * (_JOINED_GAP + 1)
        if shown is not None and shown[cell] == code:
            clean.append(code)
        elif runs and len(clean) <= _JOINED_GAP:
            runs[-1][1].extend((*clean, code))
            clean = []
        else:
            runs.append((address, [code]))
            clean = []
    return [Run(address, tuple(codes)) for address, codes in runs]


def text_transfers(runs: Iterable[Run]) -> list[Transfer]:
    """Give what the controller has to receive for `runs`."""
    found: list[Transfer] = []
    for run in runs:
        found.append(Transfer(SET_DDRAM | run.address))
        found.extend(Transfer(code, to_memory=True) for code in run.codes)
    return found


def glyph_transfers(bank: Bank) -> list[Transfer]:
    """Give what the controller has to receive to hold the eight glyphs of `bank`."""
    rows = b"".join(bank.rows)
    return [Transfer(SET_CGRAM), *(Transfer(row, to_memory=True) for row in rows)]


def address_behind(run: Run) -> int:
    """Give the address counter after `run` has been written."""
    address = run.address
    for _ in run.codes:
        address = address_after(address)
    return address
