"""What was recorded, in Parquet: the rows and columns of the other forms."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rollcall.console.parquet import parquet_rows
from rollcall.recorder.store import Store
from tests.support.recorded_story import recorded

parquet = pytest.importorskip("pyarrow.parquet", reason="there is no pyarrow for this machine")


def export(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "XDG_CONFIG_HOME": str(folder),
        "XDG_DATA_HOME": str(folder),
        "ROLLCALL_RECORDER__DATABASE": f"sqlite:///{folder / 'story.db'}",
    }
    return subprocess.run(
        [sys.executable, "-m", "rollcall.console", "export", "--yes", *words],
        env=environment, cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip


def test_parquet_has_the_same_rows_as_csv_in_types_of_its_own(
    tmp_path: Path,
) -> None:
    with Store(f"sqlite:///{tmp_path / 'story.db'}") as store:
        recorded(store)
    for every in ([], ["--every", "1h"]):
        export(tmp_path, "all.csv", *every)
        done = export(tmp_path, "all.parquet", *every)
        assert "gaps listed in all.gaps.csv" in done.stdout
        table = parquet.read_table(tmp_path / "all.parquet")
        with (tmp_path / "all.csv").open(encoding="utf-8", newline="") as opened:
            rows = list(csv.DictReader(opened))
        assert table.column_names == list(rows[0])
        assert str(table.schema.field("time").type) == "timestamp[ms, tz=UTC]"
        for read, written in zip(table.to_pylist(), rows, strict=True):
            assert read.pop("time").isoformat(timespec="milliseconds") == written.pop(
                "time"
            ).replace("Z", "+00:00")
            assert {key: type(read[key])(text) for key, text in written.items() if text} == {
                key: value for key, value in read.items() if value not in {None, ""}
            }


def test_parquet_comes_in_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rollcall.console.parquet._GROUP_ROWS", 10)
    file = tmp_path / "groups.parquet"
    with parquet_rows(file, ("node", "time", "ts", "value")) as write:
        for page in range(5):
            write(("pi-1", "unused", 1000 * page + n, 0.5) for n in range(6))
    found = parquet.ParquetFile(file)
    assert [found.metadata.row_group(n).num_rows for n in range(3)] == [12, 12, 6]
