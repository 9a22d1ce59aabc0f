"""What doctor makes of what it saw, where no real fault is planted for it."""

import datetime as dt
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcall.broker.broker_check import Finding as BrokerFinding
from rollcall.console.doctor import broker_checks, host_checks, looking, node_checks
from rollcall.console.doctor.broker_checks import BrokerSeen
from rollcall.console.doctor.findings import Finding, bounded, exit_code, worst_first
from rollcall.console.doctor.redaction import redacted
from rollcall.console.doctor.telling import lines
from rollcall.console.doctor.within import within
from rollcall.console.identity import may_read_answers
from tests.support.doctor import found, require_runnable

NOW = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
FAILED = {"ActiveState": "failed", "StatusText": "waits for the database"}


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        pytest.param(["ok"], 0, id="well"),
        pytest.param(["ok", "unknown"], 3, id="not known"),
        pytest.param(["stale", "ok"], 3, id="stale"),
        pytest.param(["warning", "offline"], 4, id="offline"),
    ],
)
def test_the_exit_code_is_that_of_the_worst(verdicts: list[str], code: int) -> None:
    told = [Finding("x", verdict, "") for verdict in verdicts]  # type: ignore[arg-type]
    assert exit_code(told) == code


def test_a_wrong_configuration_counts_more_than_what_is_away_and_that_more_than_critical() -> None:
    codes = [Finding("x", "critical", ""), Finding("x", "critical", "", code=5)]
    assert exit_code(codes) == 5
    assert exit_code([*codes, Finding("x", "critical", "", code=78)]) == 78


def test_of_many_findings_of_one_kind_ten_are_told_and_the_rest_is_counted() -> None:
    many = [Finding(f"pi-{number}", "offline", "gone", remedy="x") for number in range(42)]
    told = bounded(many, "nodes are offline", "rollcall status")
    assert len(told) == 11
    assert (told[-1].text, told[-1].remedy) == ("32 more nodes are offline", "rollcall status")


def test_findings_are_sorted_and_told_in_ascii_where_nothing_else_can_be_shown() -> None:
    told = worst_first([Finding("a", "ok", "fine"), Finding("b", "critical", "bad", "w", "t")])
    assert [line.plain for line in lines(told, unicode=False)] == [
        " CRIT  b  bad",
        "     why: w",
        "     try: t",
        " ok    a  fine",
    ]
    assert lines(told, unicode=True)[0].plain == " ▲ b  bad"


def test_control_characters_of_others_do_not_reach_the_terminal() -> None:
    (line,) = lines([Finding("junk", "ok", "\x1b[2Jgone\nnext")], unicode=True)
    assert line.plain == " ✓ junk  \\u001b[2Jgone next"


def test_a_unit_that_failed_is_found(tmp_path: Path) -> None:
    units = tmp_path / "etc/systemd/system"
    units.mkdir(parents=True)
    (units / "rollcall-alerts.service").touch()
    told = list(host_checks.host(looking.host(tmp_path, lambda _unit: FAILED)))
    finding = found(told, "unit", "rollcall-alerts.service is failed: waits for the database")
    assert finding.verdict == "critical"
    require_runnable(finding.remedy)


@pytest.mark.parametrize(
    ("command_line", "controllers", "works"),
    [
        pytest.param("quiet", "cpu io memory pids", True, id="there"),
        pytest.param("cgroup_disable=memory quiet", "cpu io", False, id="switched off"),
        pytest.param("cgroup_disable=memory cgroup_enable=memory", "memory", True, id="on again"),
        pytest.param("quiet", "cpu io pids", False, id="not built in"),
        pytest.param("quiet", "", None, id="older cgroups"),
    ],
)
def test_whether_memory_limits_work(
    tmp_path: Path, command_line: str, controllers: str, *, works: bool | None
) -> None:
    files = {"proc/cmdline": command_line, "sys/fs/cgroup/cgroup.controllers": controllers}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(f"{text}\n")
    assert looking.host(tmp_path, None).memory_limits is works


@pytest.mark.parametrize(
    ("host", "tcp", "tcp6", "only"),
    [
        pytest.param("127.0.0.1", "0100007F:075B", "", True, id="loopback"),
        pytest.param("localhost", "0100007F:075B", f"{'0' * 24}01000000:075B", True, id="both"),
        pytest.param("127.0.0.1", "00000000:075B", "", False, id="every address"),
        pytest.param("127.0.0.1", "", f"{'0' * 32}:075B", False, id="every address, IPv6"),
        pytest.param("127.0.0.1", "0100007F:1111", "", False, id="another port"),
        pytest.param("hub.lan", "0100007F:075B", "", False, id="another machine"),
    ],
)
def test_which_addresses_listen(
    tmp_path: Path, host: str, tcp: str, tcp6: str, *, only: bool
) -> None:
    (tmp_path / "net").mkdir()
    for name, address in (("tcp", tcp), ("tcp6", tcp6)):
        line = f"   0: {address} 00000000:0000 0A 0 0\n" if address else ""
        (tmp_path / "net" / name).write_text(f"  sl  local_address rem_address st\n{line}")
    assert looking.only_loopback_listens(host, 1883, tmp_path) is only


def test_an_old_mosquitto_and_a_small_one_are_found() -> None:
    old = list(broker_checks.broker(BrokerSeen("hub:1883", NOW, version=(1, 6, 12))))
    assert "is too old" in found(old, "broker", "mosquitto 1.6.12").text
    small = BrokerSeen("hub:1883", NOW, too_small=("max_packet_size", "packets end at 9 bytes"))
    require_runnable(found(list(broker_checks.broker(small)), "broker", "9 bytes").remedy)


def test_a_broker_that_lets_anybody_in_is_found() -> None:
    told = list(broker_checks.broker(BrokerSeen("hub:1883", NOW, is_open=True)))
    require_runnable(found(told, "listener", "lets anybody in").remedy)


def test_what_broker_check_finds_is_taken_over_once() -> None:
    folder = [
        BrokerFinding("listener", "only 127.0.0.1 listens", "rollcall broker init"),
        BrokerFinding("access list", "it refuses nothing", "rollcall broker init", is_fatal=True),
        BrokerFinding("admin", "gets in"),
    ]
    seen = BrokerSeen("127.0.0.1:1883", NOW, only_here=True, folder=folder)
    told = list(broker_checks.broker(seen))
    assert [one.subject for one in told if one.verdict != "ok"] == ["listener", "access list"]


@pytest.mark.parametrize(
    ("version", "order"),
    [("0.9.9", -1), ("1.0.0", 0), ("1.0.0rc1", 0), ("1.0.1", 1), ("1.10.0", 1)],
)
def test_versions_are_compared_by_their_numbers(version: str, order: int) -> None:
    assert node_checks.compared(version, "1.0.0") == order


@pytest.mark.parametrize(
    ("identity", "may"),
    [(None, True), ("admin", True), ("admin-anna", True), ("recorder", True), ("dashboard", True),
     ("lcd", False), ("homeassistant", False), ("pi-3", False)],
)  # fmt: skip
def test_who_may_read_what_nodes_answer(identity: str | None, *, may: bool) -> None:
    assert may_read_answers(identity) is may


def test_what_hangs_is_left_alone() -> None:
    with pytest.raises(TimeoutError, match=r"within 0\.05 s"):
        within(0.05, lambda: time.sleep(0.5))
    with pytest.raises(ZeroDivisionError):
        within(5, lambda: 1 / 0)
    assert within(5, lambda: 7) == 7


@given(secret=st.text(st.characters(categories=["L", "N"]), min_size=6), around=st.text())
def test_no_known_secret_survives(secret: str, around: str) -> None:
    assert secret not in redacted(f"{around}{secret}{around}", [secret])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:hunter2@db/r", "postgresql://***@db/r"),
        ("postgresql://me@db/r", "postgresql://***@db/r"),
        ("to anna.b+x@example.org, now", "to ***, now"),
        ("https://hub:8443/join/pi-7#Qm7x", "https://hub:8443/join/***"),
        ("http://127.0.0.1:8080/login/Xvc05Jidh", "http://127.0.0.1:8080/login/***"),
        ('"password": "hunter2", "x": 1', '"password": "***", "x": 1'),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("api_token=abc&x=1", "api_token=***&x=1"),
        ("broker.password_file = null", "broker.password_file = null"),
        ("a -----BEGIN PRIVATE KEY-----\nMIG\n-----END PRIVATE KEY----- b", "a *** b"),
        ("cut -----BEGIN EC PRIVATE KEY-----\nMIGHAgEA", "cut ***"),
        ("disk / is 97 % full", "disk / is 97 % full"),
    ],
)
def test_what_looks_like_a_secret_goes(text: str, shown: str) -> None:
    assert redacted(text, []) == shown
