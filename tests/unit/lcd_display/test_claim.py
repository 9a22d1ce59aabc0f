"""One process for one display, on a bus that several may share."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollcall.lcd_display.claim import claim, claimed_by
from rollcall.service.lock import AlreadyRunningError
from tests.support.waiting import wait_until

HOLDER = """
import os, sys, time
from rollcall.lcd_display.claim import claim
device = os.open(sys.argv[1], os.O_RDWR)
claim(device, 0x27, "/dev/i2c-1")
print("claimed", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process that holds the display at 0x27 of a bus, which a file stands for."""
    device = tmp_path / "i2c-1"
    device.touch()
    command = [sys.executable, "-c", HOLDER, str(device)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "claimed\n"
        yield process, device
        process.kill()


def test_a_display_in_use_is_refused_and_its_holder_named(
    holder: tuple[subprocess.Popen[str], Path],
) -> None:
    process, device = holder
    with device.open("r+") as opened:
        assert claimed_by(opened.fileno(), 0x27) == process.pid
        with pytest.raises(AlreadyRunningError, match=f"0x27 .* process {process.pid}"):
            claim(opened.fileno(), 0x27, "/dev/i2c-1")


def test_another_display_on_the_same_bus_is_free(
    holder: tuple[subprocess.Popen[str], Path],
) -> None:
    with holder[1].open("r+") as opened:
        claim(opened.fileno(), 0x3F, "/dev/i2c-1")
        assert claimed_by(opened.fileno(), 0x3F) is None


def test_a_killed_holder_lets_go(holder: tuple[subprocess.Popen[str], Path]) -> None:
    process, device = holder
    process.kill()
    with device.open("r+") as opened:
        wait_until(lambda: claimed_by(opened.fileno(), 0x27) is None)
        claim(opened.fileno(), 0x27, "/dev/i2c-1")
