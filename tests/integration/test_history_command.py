"""`rollcall history`, as a user runs it."""

import datetime as dt
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from rollcall.console.history import change_words, last
from rollcall.console.moments import moment
from rollcall.recorder.rollups import HOUR_MS
from rollcall.recorder.store import Store
from tests.support.recorded_story import T0, recorded

Command = Callable[..., subprocess.CompletedProcess[str]]
NIGHT = ("--since", "2025-12-31T20:00Z", "--until", "2026-01-01T03:05Z")


@pytest.fixture
def command(tmp_path: Path, database_url: str) -> Command:
    def run(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "rollcall.console", "history", *words],
            env={
                **os.environ,
                "TZ": "UTC",
                "PYTHONUTF8": "1",
                "XDG_CONFIG_HOME": str(tmp_path),
                "XDG_DATA_HOME": str(tmp_path),
                "ROLLCALL_RECORDER__DATABASE": database_url,
                **more,
            },
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_a_night_is_told_in_order_and_in_words(command: Command, database_url: str) -> None:
    with Store(database_url) as store:
        recorded(store)
        done = command(*NIGHT)
    assert done.returncode == 0, done.stderr
    head, *lines = done.stdout.splitlines()
    assert head.startswith("Wed 31 Dec 20:00 to Thu 1 Jan 03:05 UTC    2 nodes    recorded ")
    assert [" ".join(line.split()) for line in lines[:4]] == [
        "00:00 · pi-3 event reboot",
        "01:00 ▲ pi-3 critical 1h 00m disk_full: disk / is full",
        "01:01 ? pi-4 gap 59m online, but nothing was recorded",
        "02:00 ✗ pi-4 offline stopped; not back",
    ]
    told = json.loads(command(*NIGHT, "--json", "pi-4").stdout)
    assert told["nodes"] == 1
    _, offline = told["story"]
    assert offline == {
        "node": "pi-4", "kind": "offline", "time": "2026-01-01T02:00:00.000Z",
        "ts": T0 + 2 * HOUR_MS, "until": None, "until_ts": None, "words": "stopped",
        "peak": None,
    }  # fmt: skip


@pytest.mark.parametrize("database_url", ["sqlite:///nowhere/rollcall.db"])
def test_what_cannot_be_told_is_said(command: Command, tmp_path: Path) -> None:
    assert command().returncode == 5
    assert command("--last-night", "--since", "2h").returncode == 2
    url = f"sqlite:///{tmp_path / 'rollcall.db'}"
    with Store(url) as store:
        recorded(store)
    missing = command("pi-9", *NIGHT, ROLLCALL_RECORDER__DATABASE=url)
    assert (missing.returncode, "of pi-9" in missing.stderr) == (1, True)
    plain = command(
        *NIGHT, ROLLCALL_RECORDER__DATABASE=url, PYTHONUTF8="0", PYTHONIOENCODING="ascii"
    )
    assert (plain.returncode, "CRIT" in plain.stdout) == (0, True)
    quiet = command("--last-night", ROLLCALL_RECORDER__DATABASE=url)
    assert quiet.returncode == 0, quiet.stderr
    assert " 20:00 to " in quiet.stdout


@pytest.mark.parametrize(
    ("now", "ends"),
    [
        pytest.param("2026-11-21T14:02", (21, 8), id="by day"),
        pytest.param("2026-11-21T06:30", (21, 6), id="before the morning"),
        pytest.param("2026-11-21T23:00", (21, 8), id="in the next evening"),
    ],
)
def test_the_last_night_began_yesterday_at_eight(now: str, ends: tuple[int, int]) -> None:
    start, stop = last(dt.datetime.fromisoformat(now).astimezone())
    assert (start.day, start.hour) == (20, 20)
    assert (stop.day, stop.hour) == ends


def test_only_what_changed_much_is_told() -> None:
    def change(metric: str, before: float, after: float) -> dict[str, object]:
        return {
            "node": "nas-1", "metric": metric, "instance": "", "before": before, "after": after
        }  # fmt: skip

    assert list(
        change_words(
            [
                change("diskio.read_bytes_per_second", 10, 310),
                change("load.load1", 3, 1),
                change("load.load5", 1, 1.2),
                change("cpu.percent", 5, 80),
                change("memory.used_percent", 1, 4),
            ]
        )
    ) == [
        "nas-1 diskio.read_bytes_per_second x31",
        "nas-1 load.load1 to 1/3",
        "nas-1 cpu.percent 5 % to 80 %",
    ]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        pytest.param("now", "2026-11-21T14:00:00+01:00", id="now"),
        pytest.param("36h", "2026-11-20T02:00:00+01:00", id="hours ago"),
        pytest.param("2w", "2026-11-07T14:00:00+01:00", id="weeks ago"),
        pytest.param("2026-11-01T22:00Z", "2026-11-01T22:00:00+00:00", id="with a zone"),
    ],
)
def test_moments_are_read(written: str, meant: str) -> None:
    now = dt.datetime(2026, 11, 21, 14, 0, tzinfo=ZoneInfo("Europe/Berlin"))
    assert moment(written, now) == dt.datetime.fromisoformat(meant)


def test_a_moment_without_a_zone_is_local() -> None:
    read = moment("2026-11-01", dt.datetime.now().astimezone())
    assert (read.hour, read.tzinfo is not None) == (0, True)
    with pytest.raises(ValueError, match="Invalid isoformat"):
        moment("yesterday", read)
