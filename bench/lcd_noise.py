"""What noise on the wire does to the display: `.venv/bin/python -m bench.lcd_noise`.

Every bit of a full frame is turned over once, and once there is a stray pulse on E behind every
byte, on an emulated display that is kept as the service keeps it. Counted is how often the glass
is wrong afterwards, how often that is noticed by reading back (at once; within 1.6 s), and how
often it is still wrong after half a minute, which is never to be: that ends with 1.
"""

import logging
import sys
from typing import Final

from rich.console import Console
from rich.table import Table

from tests.support.noise import Outcome, flips, outcome_of, pulses

_BYTES: Final = {"16x2": 139, "20x4": 325}


def main() -> int:
    """Disturb, count, and print a table."""
    logging.disable(logging.CRITICAL)
    table = Table(title="Noise on the wire")
    for title in ("", "cases", "glass wrong", "noticed at once", "within 1.6 s", "wrong for ever"):
        table.add_column(title, justify="right" if title else "left")
    unhealed = 0
    for size, count in _BYTES.items():
        for name, cases, found in (
            ("a bit turned over", count * 8, outcome_of(flips(count, 1), size)),
            ("a stray pulse", count, outcome_of(pulses(count), size)),
        ):
            table.add_row(f"{name}, {size}", str(cases), *_cells(found))
            unhealed += found.unhealed
    Console(width=100).print(table)
    return 1 if unhealed else 0


def _cells(found: Outcome) -> tuple[str, ...]:
    counts = (found.wrong, found.noticed_at_once, found.noticed_later, found.unhealed)
    return tuple(map(str, counts))


if __name__ == "__main__":
    sys.exit(main())
