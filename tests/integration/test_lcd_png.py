"""`rollcall lcd png` as its users run it: what a display would show now, as a picture."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rollcall.broker.mosquitto import free_port
from rollcall.lcd_display.photograph import photograph
from rollcall.service.settings import Lcd
from tests.support.mqtt import BrokerUnderTest
from tests.support.nodes import announce
from tests.support.pictures import decoded


def lcd_png(
    port: int, file: Path, *arguments: str, size: str = "20x4"
) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "XDG_CONFIG_HOME": str(file.parent),
        "ROLLCALL_BROKER__PORT": str(port),
        "ROLLCALL_LCD__SIZE": size,
    }
    command = [sys.executable, "-m", "rollcall.console", "lcd", "png", str(file), *arguments]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_the_picture_shows_the_cluster_as_the_broker_knows_it(
    broker: BrokerUnderTest, tmp_path: Path
) -> None:
    for name in ("pi-1", "pi-2"):
        announce(broker, name)
    file = tmp_path / "glass.png"
    done = lcd_png(broker.port, file, "--page", "addresses", size="16x2")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{file}: addresses, part 1 of 1\n"
    meant = ("pi-1           ↑", "pi-2           ↑")
    settings = Lcd.model_validate({"size": "16x2"})
    assert decoded(file.read_bytes()) == decoded(photograph(settings, meant, colour="blue"))


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--page", "worst"], 1, "has nothing to tell now"),
        (["--page", "alert"], 1, "has nothing to tell now"),
        (["--page", "nodes", "--part", "9"], 1, "has 1 parts"),
        (["--page", "clock"], 2, "is not one of"),
        (["--colour", "pink"], 2, "is not one of"),
    ],
    ids=["all is well", "nothing calls", "no such part", "no such page", "no such colour"],
)
def test_what_there_is_no_picture_of_is_said(
    broker: BrokerUnderTest, tmp_path: Path, arguments: list[str], code: int, said: str
) -> None:
    for name in ("pi-1", "pi-2"):
        announce(broker, name)
    done = lcd_png(broker.port, tmp_path / "glass.png", *arguments)
    assert done.returncode == code
    assert said in done.stderr
    assert not (tmp_path / "glass.png").exists()


def test_without_a_broker_the_exit_code_says_so_but_a_goodbye_needs_none(tmp_path: Path) -> None:
    port, file = free_port(), tmp_path / "glass.png"
    assert lcd_png(port, file).returncode == 5
    assert lcd_png(port, file, "--page", "goodbye").returncode == 0
    assert file.exists()
