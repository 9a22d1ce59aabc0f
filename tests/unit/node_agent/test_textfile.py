"""Metrics in files."""

import os
import time
from pathlib import Path

import pytest

from rollcall.node_agent.collectors.declaration import Found
from rollcall.node_agent.collectors.textfile import Textfile, TextfileOptions, parse_labels
from rollcall.node_agent.host import LinuxHost


def collect(folder: Path, **options: object) -> Found:
    told = TextfileOptions.model_validate({"interval": 10, **options})
    return Textfile(folder, told).collect(LinuxHost())


def write(folder: Path, name: str, text: str, age_s: float = 0) -> None:
    path = folder / name
    path.write_text(text)
    os.utime(path, times=(time.time() - age_s,) * 2)


def test_samples_become_fields_and_labels_instances(tmp_path: Path) -> None:
    text = (
        "# HELP raid_disks Disks.\n# TYPE raid_disks gauge\n"
        'raid_disks{state="active",device="md0"} 2\n'
        "Backup:Size_bytes 1.5e9 1395066363000\n"
    )
    write(tmp_path, "raid.prom", text, age_s=30)
    write(tmp_path, "notes.txt", "ignored 1\n")
    found = collect(tmp_path)
    assert found.fields == {"backup_size_bytes": 1.5e9}
    assert found.instances is not None
    assert found.instances["device=md0,state=active"] == {"raid_disks": 2.0}
    assert 30 <= found.instances["raid.prom"]["age_seconds"] < 40
    assert (found.error, found.dropped_values) == (None, 0)


def test_a_file_that_is_too_old_tells_its_age_alone(tmp_path: Path) -> None:
    write(tmp_path, "old.prom", "a 1\n", age_s=500)
    write(tmp_path, "new.prom", "b 2\n", age_s=5)
    found = collect(tmp_path, max_age="5m")
    assert found.fields == {"b": 2.0}
    assert found.instances is not None
    assert 500 <= found.instances["old.prom"]["age_seconds"] < 510


def test_no_histogram_and_no_rubbish_is_taken_and_both_are_counted(tmp_path: Path) -> None:
    text = (
        '# TYPE wait histogram\nwait_bucket{le="+Inf"} 3\nwait_sum 1\nwait_count 3\n'
        'good 1\nrubbish\na{b="c} 1\nc{d=1} 2\ne one\n\x1b[2J 3\n'
    )
    write(tmp_path, "x.prom", text)
    found = collect(tmp_path)
    assert found.fields == {"good": 1.0}
    assert found.dropped_values == 8


def test_of_two_samples_of_one_series_the_first_stays(tmp_path: Path) -> None:
    write(tmp_path, "a.prom", "x 1\nx 2\n")
    write(tmp_path, "b.prom", "x 3\n")
    assert collect(tmp_path).fields == {"x": 1.0}


def test_what_is_no_file_or_too_large_is_named_and_hinders_no_other(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.prom")
    (tmp_path / "b.prom").mkdir()
    write(tmp_path, "c.prom", "x 1\n" * 300_000)
    (tmp_path / "d.prom").symlink_to("nowhere")
    write(tmp_path, "e.prom", "good 1\n")
    found = collect(tmp_path)
    assert found.fields == {"good": 1.0}
    assert found.error == "failed: a.prom: is no file"


def test_an_empty_folder_is_an_empty_report(tmp_path: Path) -> None:
    assert collect(tmp_path) == Found(None, {})


def test_a_folder_that_is_not_there_is_an_error_of_the_reading(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        collect(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        pytest.param('b="2",a="1"', "a=1,b=2", id="sorted"),
        pytest.param('a="x,y=\\"z\\"\\\\",', 'a=x,y="z"\\', id="escapes, and a comma at the end"),
        pytest.param('a="1" b="2"', None, id="no comma"),
        pytest.param("a", None, id="no value"),
        pytest.param("", "", id="none"),
    ],
)
def test_labels_become_a_name(text: str, name: str | None) -> None:
    assert parse_labels(text) == name
