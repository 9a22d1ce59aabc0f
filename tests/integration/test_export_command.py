"""`rollcall export`, as a user runs it, on both engines."""

import csv
import gzip
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rollcall.recorder import export
from rollcall.recorder.export import Export, Wanted
from rollcall.recorder.rollups import HOUR_MS, MINUTE_MS
from rollcall.recorder.store import Store
from tests.support.database import ask
from tests.support.recorded_story import T0, recorded

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def url(database_url: str) -> Iterator[str]:
    """A recorded story, its recorder still at work."""
    with Store(database_url) as store:
        recorded(store)
        yield database_url


@pytest.fixture
def file_url(tmp_path: Path) -> str:
    """The same in a SQLite file that its recorder has closed."""
    url = f"sqlite:///{tmp_path / 'closed.db'}"
    with Store(url) as store:
        recorded(store)
    return url


@pytest.fixture
def command(tmp_path: Path) -> Command:
    def run(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "rollcall.console", "export", *arguments],
            env=environment(tmp_path, url),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    return run


def environment(folder: Path, url: str) -> dict[str, str]:
    return {
        **os.environ,
        "XDG_CONFIG_HOME": str(folder / "config"),
        "XDG_DATA_HOME": str(folder / "data"),
        "ROLLCALL_RECORDER__DATABASE": url,
    }


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


def test_everything_is_written_exactly_once(command: Command, url: str, tmp_path: Path) -> None:
    done = command(url, "all.csv")
    assert done.returncode == 0, done.stderr
    found = rows_of(tmp_path / "all.csv")
    expected = ask(url, "SELECT node, metric, instance, time, ts, value, unit FROM samples")
    assert len(expected) == 185
    assert sorted((row["node"], int(row["ts"]), row["time"]) for row in found) == sorted(
        (node, ts, time) for node, _, _, time, ts, _, _ in expected
    )
    assert {row["unit"] for row in found} == {"percent"}
    assert "Wrote all.csv: 185 rows" in done.stdout
    assert not list(tmp_path.glob("*.part"))


def test_a_window_a_node_and_a_metric_are_chosen(
    command: Command, url: str, tmp_path: Path
) -> None:
    window = ("--since", "2026-01-01T01:00Z", "--until", "2026-01-01T01:30Z")
    done = command(url, "some.jsonl.gz", *window, "--node", "pi-[34]", "--metric", "cpu.*")
    assert done.returncode == 0, done.stderr
    with gzip.open(tmp_path / "some.jsonl.gz", "rt", encoding="utf-8") as opened:
        found = [json.loads(line) for line in opened]
    assert len(found) == 31
    assert [row["ts"] for row in found if row["node"] == "pi-3"] == [
        T0 + HOUR_MS + n * MINUTE_MS for n in range(30)
    ]
    assert found[-1] | found[0] == {
        "node": "pi-3", "metric": "cpu.percent", "instance": "", "unit": "percent",
        "time": "2026-01-01T01:00:00.000Z", "ts": T0 + HOUR_MS, "value": 10.0,
    }  # fmt: skip
    nothing = command(url, "none.csv", "--node", "web-*", "--json")
    assert json.loads(nothing.stdout)["rows"] == 0


@pytest.mark.parametrize(("every", "view"), [("1m", "minutely"), ("1h", "hourly"), ("1d", "daily")])
def test_roll_ups_are_those_of_the_views(
    command: Command, url: str, tmp_path: Path, every: str, view: str
) -> None:
    done = command(url, "rolled.csv", "--every", every)
    assert done.returncode == 0, done.stderr
    found = rows_of(tmp_path / "rolled.csv")
    names = ("min", "avg", "max", "last", "samples")
    told = [(row["node"], int(row["ts"]), *(float(row[name]) for name in names)) for row in found]
    query = f"SELECT node, ts, min, avg, max, last, samples FROM {view}"
    assert sorted(told) == sorted(
        (node, ts, *map(float, values)) for node, ts, *values in ask(url, query)
    )


def test_what_is_not_there_is_listed(command: Command, url: str, tmp_path: Path) -> None:
    told = json.loads(command(url, "all.csv", "--json").stdout)
    found = rows_of(Path(tmp_path / told["gaps_file"]))
    assert len(found) == told["gaps"]
    offline = next(row for row in found if row["what"] == "offline")
    assert (offline["node"], offline["why"]) == ("pi-4", "stopped")
    assert offline["since"] == "2026-01-01T02:00:00.000Z"
    missing = [row for row in found if row["what"] == "missing" and row["node"] == "pi-3"]
    assert [(row["first_seq"], row["last_seq"], row["why"]) for row in missing] == [
        ("185", "189", "open")
    ]


def test_without_its_package_parquet_says_what_to_install(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "sys.modules['pyarrow'] = None\n"
        "from rollcall.console.__main__ import main\n"
        "sys.argv[1:] = ['export', 'all.parquet']\n"
        "sys.exit(main())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(tmp_path, "sqlite://"), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, "rollcall-mqtt[parquet]" in done.stderr) == (1, True)


def test_pages_follow_one_another_without_a_hole(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "PAGE_ROWS", 7)
    for resolution, count in (("raw", 185), ("minutely", 185)):
        with Export.opened(url, Wanted(0, 1 << 52, resolution=resolution)) as found:
            pages = list(found.pages())
            assert max(len(page.rows) for page in pages) == 7
            times = [(series.node, row[0]) for page in pages for series, row in page.rows]
            assert len(times) == len(set(times)) == count
            done = [page.done_ms for page in pages]
            assert done == sorted(done)
            assert done[-1] <= found.span_ms


def test_a_file_that_is_there_stays_unless_yes(
    command: Command, file_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "all.csv"
    file.write_text("mine", "utf-8")
    asked = command(file_url, "all.csv")
    assert (asked.returncode, file.read_text("utf-8")) == (2, "mine")
    assert command(file_url, "all.csv", "--yes").returncode == 0
    assert len(rows_of(file)) == 185


@pytest.mark.parametrize(
    ("words", "code"),
    [
        pytest.param(["all.xlsx"], 2, id="a format we have not"),
        pytest.param(["all.csv", "--since", "yesterday"], 2, id="a time we cannot read"),
        pytest.param(["nowhere/all.csv"], 1, id="a folder that is not there"),
    ],
)
def test_what_is_wrong_is_said(
    command: Command, file_url: str, words: list[str], code: int
) -> None:
    done = command(file_url, *words)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr


def test_a_database_that_is_away_is_5_and_leaves_no_file(command: Command, tmp_path: Path) -> None:
    done = command(f"sqlite:///{tmp_path / 'none.db'}", "all.csv")
    assert (done.returncode, "cannot be asked" in done.stderr) == (5, True)
    assert not list(tmp_path.glob("all*"))


def test_a_terminal_shows_the_rate(file_url: str, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "rollcall.console", "export", "all.csv"],
        env={**environment(tmp_path, file_url), "TERM": "xterm"},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=theirs,
        check=False,
    )
    shown = os.read(ours, 65_536).decode()
    os.close(ours)
    os.close(theirs)
    assert done.returncode == 0
    assert "185 rows" in shown
    assert "/s" in shown
