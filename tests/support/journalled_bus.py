"""A display that outlives the programs that use it: what is written to it is kept in a file.

`python -m tests.support.journalled_bus JOURNAL MODULE ARGUMENTS...` runs a program whose smbus2
finds that display on every bus. It goes by the real clock. While there is a file JOURNAL.hang,
writes do not return.
"""

import os
import runpy
import sys
import time
from pathlib import Path
from typing import Any

import smbus2

from rollcall.lcd_display.emulator import EmulatedBus

_LENGTH_BYTES = 2


class JournalledBus(EmulatedBus):
    """The display of `journal`, in the state in which its writers have left it."""

    def __init__(self, journal: Path) -> None:
        super().__init__()
        self._hang = journal.with_suffix(".hang")
        self.fd = os.open(journal, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        written = os.read(self.fd, os.fstat(self.fd).st_size)
        while written:
            length = int.from_bytes(written[:_LENGTH_BYTES])
            self.sleep(0.02)
            message = written[_LENGTH_BYTES : _LENGTH_BYTES + length]
            super().i2c_rdwr(smbus2.i2c_msg.write(self.address, message))
            written = written[_LENGTH_BYTES + length :]
        self.sleep(1)
        self._began_us = time.monotonic() * 1e6 - self.now_us

    def i2c_rdwr(self, *messages: Any) -> None:
        (message,) = messages
        while self._hang.exists():
            time.sleep(0.05)
        self.now_us = max(self.now_us, time.monotonic() * 1e6 - self._began_us)
        record = bytes(message)
        os.write(self.fd, len(record).to_bytes(_LENGTH_BYTES) + record)
        super().i2c_rdwr(message)

    def close(self) -> None:
        os.close(self.fd)


def main() -> None:
    journal, module, *arguments = sys.argv[1:]
    vars(smbus2)["SMBus"] = lambda _number: JournalledBus(Path(journal))
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
