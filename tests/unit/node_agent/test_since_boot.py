"""What was seen since the host started outlives the agent, and not the host."""

from pathlib import Path

import pytest

from rollcall.node_agent.since_boot import SinceBoot

BOOT = "6d1e3c52-7b0a-4a8e-9f50-2f0f6f4f2a11"


def kept(folder: Path, boot: str = BOOT) -> SinceBoot:
    return SinceBoot(folder / "since_boot.json", boot)


def test_another_agent_in_the_same_boot_knows_it(tmp_path: Path) -> None:
    kept(tmp_path).keep({"throttled", "under_voltage"})
    assert kept(tmp_path).recall() == {"throttled", "under_voltage"}


def test_in_another_boot_nothing_has_happened_yet(tmp_path: Path) -> None:
    kept(tmp_path).keep({"throttled"})
    assert kept(tmp_path, "another").recall() == set()


def test_a_boot_without_a_name_is_never_the_same(tmp_path: Path) -> None:
    kept(tmp_path, "").keep({"throttled"})
    assert kept(tmp_path, "").recall() == set()


def test_nothing_is_written_while_nothing_is_new(tmp_path: Path) -> None:
    flags = kept(tmp_path)
    flags.keep(set())
    assert list(tmp_path.iterdir()) == []
    flags.keep({"throttled"})
    (file,) = tmp_path.iterdir()
    file.unlink()
    flags.keep({"throttled"})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"boot": 1}', '{"flags": 5}', "null", "\x00"])
def test_a_file_that_cannot_be_read_is_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "since_boot.json").write_text(text)
    flags = kept(tmp_path)
    assert flags.recall() == set()
    flags.keep({"throttled"})
    assert kept(tmp_path).recall() == {"throttled"}


def test_a_disk_that_refuses_is_told_once_and_written_when_it_heals(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    flags = kept(tmp_path / "missing")
    flags.keep({"throttled"})
    flags.keep({"throttled"})
    assert len(caplog.records) == 1
    (tmp_path / "missing").mkdir()
    flags.keep({"throttled"})
    assert kept(tmp_path / "missing").recall() == {"throttled"}
