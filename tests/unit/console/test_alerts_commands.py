"""`rollcall alerts check` and `rollcall alerts try`, with real files and a real database."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from rollcall.console.app import rollcall
from rollcall.console.options import CommandError
from tests.support.database import birth, end, filled, message, report

TEST = """
[[test]]
name = "hot"
series = [ { metric = "cpu.percent", values = "95x40" } ]
mails = [ { at = "310s", kind = "fire" } ]
"""
HOUR_S = 3600


def told(*arguments: object) -> Result:
    return CliRunner().invoke(
        rollcall, [str(each) for each in arguments], standalone_mode=False, catch_exceptions=False
    )


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database of three hours: web-1 is busy for 20 min, later lost for 10 min; no broker."""
    path = tmp_path / "rollcall.db"
    now_s = int(time.time()) // 10 * 10
    begin_s = now_s - 3 * HOUR_S
    messages = [message("node/web-1/status", birth(begin_s * 1000), begin_s * 1000)]
    for seq, at_s in enumerate(range(begin_s, now_s, 10), 1):
        busy = HOUR_S <= at_s - begin_s < HOUR_S + 1200
        fields = {"percent": 95.0 if busy else 20.0}
        payload = report(seq, at_s * 1000, fields)
        messages.append(message("node/web-1/metrics/cpu", payload, at_s * 1000))
    lost_s = now_s - HOUR_S
    messages.append(message("node/web-1/status", end("lost"), lost_s * 1000))
    back = birth((lost_s + 600) * 1000, session=2)
    messages.append(message("node/web-1/status", back, (lost_s + 600) * 1000))
    with filled(path, messages):
        pass
    monkeypatch.setenv("ROLLCALL_RECORDER__DATABASE", f"sqlite:///{path}")
    monkeypatch.setenv("ROLLCALL_BROKER__PORT", "1")
    return tmp_path


def tried(*arguments: object) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(told("alerts", "try", *arguments, "--json").stdout)
    return found


def test_check_says_ok_and_gives_0(tmp_path: Path) -> None:
    file = tmp_path / "tests.toml"
    file.write_text(TEST, "utf-8")
    result = told("alerts", "check", file)
    assert (result.return_value, result.stdout) == (
        0,
        "ok      tests.toml: hot\n1 of 1 tests passed\n",
    )


def test_check_shows_the_time_line_of_what_fails_and_gives_1(tmp_path: Path) -> None:
    file = tmp_path / "tests.toml"
    file.write_text(TEST.replace("310s", "10s"), "utf-8")
    result = told("alerts", "check", file)
    assert result.return_value == 1
    assert "at 10s: no mail fire" in result.stdout
    assert "300s  cpu_high node-1: pending -> firing" in result.stdout


def test_check_takes_the_rules_of_the_fleet_document_beside_it(tmp_path: Path) -> None:
    (tmp_path / "fleet.toml").write_text(
        '[groups]\nall = ["*"]\n[templates.all]\ngroups = ["all"]\nrules = ["cpu_high"]\n'
        '[rules.cpu_high]\nfor = "0s"\n',
        "utf-8",
    )
    file = tmp_path / "tests.toml"
    file.write_text('fleet = "fleet.toml"\n' + TEST.replace("310s", "10s"), "utf-8")
    assert told("alerts", "check", file).return_value == 0


@pytest.mark.parametrize("text", ["x =", "test = 3", '[[test]]\nname = "a"\nnothing = 1'])
def test_check_gives_78_for_a_bad_file(tmp_path: Path, text: str) -> None:
    file = tmp_path / "tests.toml"
    file.write_text(text, "utf-8")
    with pytest.raises(CommandError) as refused:
        told("alerts", "check", file)
    assert refused.value.code == 78


@pytest.mark.long
def test_try_counts_the_mails_of_a_recorded_busy_spell(configured: Path) -> None:
    found = tried("cpu_high", "--since", "1d")
    (today,) = found["tried"]
    assert (today["mails"], today["fired"], today["nodes"]) == (2, 1, 1)
    assert today["firing_s"] == pytest.approx(900, abs=20)
    assert any("Raw data reaches back to" in remark for remark in found["remarks"])
    assert any("the broker does not answer" in remark for remark in found["remarks"])


@pytest.mark.long
def test_try_puts_a_new_document_beside_todays_rule(configured: Path) -> None:
    file = configured / "new.toml"
    file.write_text(
        '[groups]\nall = ["*"]\n[templates.all]\ngroups = ["all"]\nrules = ["cpu_high"]\n'
        '[rules.cpu_high]\nfor = "30m"\n',
        "utf-8",
    )
    found = tried("cpu_high", "--fleet", file)
    assert [(each["title"], each["mails"]) for each in found["tried"]] == [
        ("today", 2),
        ("new.toml", 0),
    ]


@pytest.mark.long
def test_try_replays_availability_to_a_presence_rule(configured: Path) -> None:
    (today,) = tried("node_offline", "--node", "web-1")["tried"]
    assert (today["mails"], today["fired"]) == (2, 1)


@pytest.mark.long
def test_try_prints_a_table_the_mails_and_how_far_data_reaches(configured: Path) -> None:
    told_ = told("alerts", "try", "cpu_high", "--since", "2h").stdout
    assert "fire (cpu_high on web-1)" in told_
    assert "Raw data reaches back over all of it." in told_


@pytest.mark.long
def test_try_names_the_nearest_rule(configured: Path) -> None:
    with pytest.raises(CommandError, match="cpu_high"):
        told("alerts", "try", "cpu_hi")


@pytest.mark.long
def test_try_without_a_database_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROLLCALL_RECORDER__DATABASE", f"sqlite:///{tmp_path / 'none.db'}")
    monkeypatch.setenv("ROLLCALL_BROKER__PORT", "1")
    with pytest.raises(CommandError) as refused:
        told("alerts", "try", "cpu_high")
    assert refused.value.code == 5
