"""The display service as a process, with its glass in a file."""

import json
import time
from pathlib import Path
from typing import Any

from tests.support.program import ProgramUnderTest
from tests.support.waiting import wait_until


class DisplayUnderTest(ProgramUnderTest):
    """`python -m rollcall.lcd_display` with standard output in a file."""

    def __init__(self, folder: Path, port: int, *arguments: str, **further: str) -> None:
        self.port = port
        settings = {
            "ROLLCALL_BROKER__PORT": port,
            "ROLLCALL_AGENT__NODE": "pi-1",
            "ROLLCALL_LCD__PAGES": '["overview"]',
            **further,
        }
        super().__init__("rollcall.lcd_display", folder, arguments=arguments, settings=settings)

    def glasses(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.output.read_text("utf-8").splitlines()]

    def rows(self) -> list[str]:
        shown = self.glasses()
        rows: list[str] = shown[-1]["rows"] if shown else ["", "", "", ""]
        return rows

    def wait_for(self, text: str, timeout_s: float = 10) -> float:
        """Wait until `text` is on the glass; give the seconds it took."""
        began_s = time.monotonic()
        try:
            wait_until(lambda: text in "\n".join(self.rows()), timeout_s, what=text)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.rows()}\n{self.log.read_text()}") from None
        return time.monotonic() - began_s
