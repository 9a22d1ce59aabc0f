"""The mails, letter for letter, and what no name may do to them."""

from collections.abc import Callable
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcall.alerts import mail, wording
from rollcall.alerts.engine import Engine
from rollcall.alerts.grouping import Incident, MailKind, Member, opened
from rollcall.alerts.mail import Letterhead, Notification
from rollcall.alerts.rules import Rule
from rollcall.alerts.state import Alert, AlertState, Change, Key
from rollcall.broker import fleet
from rollcall.broker.cluster import Now
from rollcall.broker.messages import Info

GOLDEN = Path(__file__).parents[2] / "golden" / "mails"
AT = 1_767_582_807.0  # 2026-01-05 03:13:27 UTC
HEAD = Letterhead("home", "Rollcall <rollcall@example.org>", ("admin@example.org",), "5f2a90c1")
RULES = Engine(fleet.built_in()).rules
LOST = "offline: its connection ended without a goodbye (last will)"
FULL = "disk.used_percent / is 97.1 % (limit 95 %)"
A7F3K2 = 0b01010_00111_01111_00011_10011_00010
INFO = Info(
    hostname="pi-3",
    model="Raspberry Pi 4 Model B Rev 1.5",
    addresses=["192.168.1.13"],
    agent="1.0.0",
    description="rack 2, top",
    interval=10,
)


def now(after_s: float) -> Now:
    return Now(AT + after_s, 1000.0 + after_s)


def fires(
    incident: Incident, node: str, summary: str, after_s: float, instance: str = ""
) -> Incident:
    alert = Alert(
        Key(incident.rule, node, instance),
        AlertState.FIRING,
        since=AT + after_s,
        value=97.1 if instance else None,
        summary=summary,
        evaluated=AT + after_s,
    )
    return incident.with_change(Change(alert.key, None, alert), now(after_s))


def ends(
    incident: Incident, key: Key, after_s: float, words: str, reason: str = "recovered"
) -> Incident:
    return incident.with_change(Change(key, None, None, reason, words), now(after_s))


def note(kind: MailKind, incident: Incident, after_s: float, rule: str = "") -> Notification:
    return Notification(
        kind=kind,
        incident=incident,
        rule=RULES.get(rule or incident.rule),
        nodes={"pi-3": INFO},
        source="built-in rules",
        at=AT + after_s,
    )


def _lost() -> Incident:
    return fires(opened(RULES["node_offline"], A7F3K2, now(30)), "pi-3", LOST, 0)


def _three() -> Incident:
    incident = opened(RULES["node_offline"], A7F3K2, now(30))
    for place, node in enumerate(("a-01", "a-02", "a-03")):
        incident = fires(incident, node, LOST, place)
    return incident


def node_offline() -> Notification:
    return note(MailKind.FIRE, _lost(), 44)


def node_back() -> Notification:
    told = _lost().with_mail(now(44))
    over = ends(told, Key("node_offline", "pi-3"), 1671, "online again")
    return note(MailKind.END, over, 1671)


def disk_full() -> Notification:
    incident = fires(opened(RULES["disk_full"], A7F3K2, now(60)), "nas-1", FULL, 0, "/")
    return note(MailKind.FIRE, incident, 70)


def several_nodes() -> Notification:
    return note(MailKind.FIRE, _three(), 44)


def one_of_several_back() -> Notification:
    told = _three().with_mail(now(44))
    return note(MailKind.UPDATE, ends(told, Key("node_offline", "a-02"), 300, "online again"), 344)


def reminder() -> Notification:
    return note(MailKind.REMINDER, _lost().with_mail(now(44)), 43_244)


def rule_removed() -> Notification:
    told = _lost().with_mail(now(44))
    over = ends(told, Key("node_offline", "pi-3"), 600, LOST, "rule_removed")
    return note(MailKind.END, over, 600, rule="gone")


CASES = [
    node_offline,
    node_back,
    disk_full,
    several_nodes,
    one_of_several_back,
    reminder,
    rule_removed,
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__.replace("_", " "))
def test_a_mail_reads_as_it_should(case: Callable[[], Notification]) -> None:
    expected = (GOLDEN / f"{case.__name__}.eml").read_bytes()
    assert mail.compose(case(), HEAD).as_bytes() == expected


def test_a_resolve_hangs_in_the_thread_of_its_fire() -> None:
    first = mail.compose(node_offline(), HEAD)
    last = mail.compose(node_back(), HEAD)
    assert last["In-Reply-To"] == first["Message-ID"]
    assert first["Message-ID"] in last["References"]
    assert last["Subject"].partition("] ")[2] == first["Subject"].partition("] ")[2]
    assert last["Message-ID"] != first["Message-ID"]


def test_the_same_notification_makes_the_same_bytes() -> None:
    assert (
        mail.compose(node_offline(), HEAD).as_bytes()
        == mail.compose(node_offline(), HEAD).as_bytes()
    )


@pytest.mark.parametrize(
    "hostile",
    [
        pytest.param("pi\r\nBcc: victim@example.org\r\n\r\nbody", id="line ends"),
        pytest.param("pi\x00\x07\x9b", id="control characters"),
        pytest.param("pi\u202egnp.exe", id="reversed text"),
        pytest.param("pi\u2028Subject: no", id="a unicode line mark"),
        pytest.param("x" * 5000, id="very long"),
        pytest.param("\ud800", id="half a surrogate pair"),
    ],
)
def test_hostile_names_inject_nothing(hostile: str) -> None:
    rule = RULES["disk_full"]
    incident = fires(opened(rule, 1, now(0)), "nas-1", hostile[:1000], 0, hostile)
    told = note(MailKind.FIRE, incident, 10)
    nodes = {"nas-1": INFO.model_copy(update={"description": hostile, "model": hostile})}
    told = Notification(told.kind, told.incident, told.rule, nodes, told.source, told.at)
    head = Letterhead(hostile, HEAD.sender, HEAD.to, HEAD.install)
    raw = mail.compose(told, head).as_bytes()
    parsed = message_from_bytes(raw, policy=default)
    assert parsed.get_all("Bcc") is None
    assert len(parsed.get_all("Subject") or []) == 1
    assert len(parsed["Subject"]) <= 120
    assert parsed["Subject"].endswith(incident.id)
    body = parsed.get_content()
    assert not any(c in body for c in "\x00\x07\u202e\u2028\x9b")


@given(
    domain=st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,90}[a-z0-9])?", fullmatch=True),
    sequence=st.integers(1, 99_999),
)
def test_a_message_id_is_never_folded(domain: str, sequence: int) -> None:
    head = Letterhead("home", f"rollcall@{domain}", ("a@b",), "5f2a90c1")
    made = mail.message_id("A7F3K2", sequence, head)
    assert len(made) <= 70
    assert made.startswith(f"<a7f3k2.{sequence}.default.5f2a90c1@")
    assert not made.endswith("@>")


def test_fifty_rows_are_enough() -> None:
    incident = opened(RULES["node_offline"], 1, now(0))
    for number in range(60):
        incident = fires(incident, f"a-{number:02}", LOST, 0)
    text = mail.compose(note(MailKind.FIRE, incident, 10), HEAD).get_content()
    assert "a-49" in text
    assert "a-50" not in text
    assert "and 10 more" in text


@pytest.mark.parametrize(
    ("number", "metric", "words"),
    [
        (97.12, "disk.used_percent", "97.1 %"),
        (95, "disk.used_percent", "95 %"),
        (81.25, "temperature.celsius", "81.2 °C"),
        (1_610_612_736, "disk.free_bytes", "1.5 GiB"),
        (2048, "network.receive_bytes_per_second", "2 KiB/s"),
        (3700, "system.uptime_seconds", "1 h 1 min"),
        (0.012, "load.one", "0.012"),
        (2e21, "disk.free_bytes", "1776356.8 PiB"),
    ],
)
def test_numbers_carry_their_unit(number: float, metric: str, words: str) -> None:
    assert wording.quantity(number, metric) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59.6, "1 min"), (1671, "27 min 51 s"), (43_200, "12 h"), (90_061, "1 d 1 h")],
)
def test_spans_are_written_in_two_units(seconds: float, words: str) -> None:
    assert wording.duration(seconds) == words


def test_a_rule_is_told_with_its_for_and_its_way_out() -> None:
    told = [wording.rule_in_words(RULES[name]) for name in ("cpu_high", "node_offline")]
    assert told == [
        "cpu.percent > 90 % for 5 min; over at 80 %",
        "lost or stale for 30 s; over after 30 s in the clear",
    ]
    assert wording.rule_in_words(Rule("r", "info", 0)) == "lost or stale"


def test_a_member_that_never_ended_has_no_end() -> None:
    assert Member(Key("r", "n"), 0, None, "").fires
