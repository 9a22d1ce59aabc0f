"""The mails, letter for letter, and what no name may do to them."""

from dataclasses import replace
from email import message_from_bytes
from email.policy import default

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcall.alerts import mail, rule_words, wording
from rollcall.alerts.grouping import MailKind, Member
from rollcall.alerts.mail import Letterhead, Stamp
from rollcall.alerts.rules import Rule
from rollcall.alerts.sparkline import sparkline
from rollcall.alerts.state import Key
from tests.support import mail_scenes
from tests.support.mail_scenes import GOLDEN, HEAD, LOST, RULES

SCENES = mail_scenes.scenes()


@pytest.mark.parametrize("name", SCENES, ids=lambda name: name.replace("_", " "))
def test_a_mail_reads_as_it_should(name: str) -> None:
    for ending, text in mail_scenes.parts(SCENES[name]).items():
        assert text == (GOLDEN / f"{name}{ending}").read_text("utf-8")


def test_a_mail_is_these_bytes() -> None:
    expected = (GOLDEN / "disk_full.eml").read_bytes()
    assert SCENES["disk_full"].as_bytes() == expected


def test_every_golden_mail_is_written_by_a_test() -> None:
    names = {path.stem for path in GOLDEN.iterdir()}
    assert names == set(SCENES)


def test_a_resolve_hangs_in_the_thread_of_its_fire() -> None:
    first, last = SCENES["node_offline"], SCENES["node_back"]
    assert last["In-Reply-To"] == first["Message-ID"]
    assert first["Message-ID"] in last["References"]
    assert last["Subject"].partition("] ")[2] == first["Subject"].partition("] ")[2]
    assert last["Message-ID"] != first["Message-ID"]


def test_the_same_notice_makes_the_same_bytes() -> None:
    again = mail.compose(mail_scenes.node_offline(), HEAD)
    assert again.as_bytes() == SCENES["node_offline"].as_bytes()


def test_what_is_silenced_is_not_told_but_counted() -> None:
    told = mail_scenes.rack_offline()
    hidden = dict.fromkeys(list(told.incident.members)[:10], "silenced")
    letter = mail.compose(replace(told, suppressed=hidden), HEAD)
    body = letter.get_body(("plain",))
    assert body is not None
    text = body.get_content()
    assert letter["Subject"].startswith("[FIRING 20] ")
    assert "10 more are silenced or held back." in text
    assert "a-05" not in text


@pytest.mark.parametrize(
    "hostile",
    [
        pytest.param("pi\r\nBcc: victim@example.org\r\n\r\nbody", id="line ends"),
        pytest.param("pi\x00\x07\x9b", id="control characters"),
        pytest.param("pi\u202egnp.exe", id="reversed text"),
        pytest.param("pi\u2028Subject: no", id="a unicode line mark"),
        pytest.param("x" * 5000, id="very long"),
        pytest.param("\ud800", id="half a surrogate pair"),
        pytest.param("<script>alert(1)</script>&lt;", id="markup"),
        pytest.param("=?utf-8?q?=0D=0ABcc=3A_victim=40example.org?=", id="an encoded word"),
    ],
)
def test_hostile_names_inject_nothing(hostile: str) -> None:
    notice = mail_scenes.hostile(hostile)
    head = replace(HEAD, cluster=hostile)
    parsed = message_from_bytes(mail.compose(notice, head).as_bytes(), policy=default)
    assert parsed.get_all("Bcc") is None
    assert len(parsed.get_all("Subject") or []) == 1
    assert len(parsed["Subject"]) <= 120
    assert parsed["Subject"].endswith(notice.incident.id)
    for kind in ("plain", "html"):
        part = parsed.get_body((kind,))
        assert part is not None
        assert not any(c in part.get_content() for c in "\x00\x07\u202e\u2028\x9b")
        assert kind == "plain" or "<script" not in part.get_content()


@given(
    domain=st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,90}[a-z0-9])?", fullmatch=True),
    sequence=st.integers(1, 99_999),
    receiver=st.from_regex(r"[a-z][a-z0-9_-]{0,19}", fullmatch=True),
    variant=st.sampled_from(["", "late", "short"]),
)
def test_a_message_id_is_never_folded(
    domain: str, sequence: int, receiver: str, variant: str
) -> None:
    head = Letterhead("home", f"rollcall@{domain}", ("a@b",), "5f2a90c1", receiver)
    made = mail.message_id(head, Stamp("A7F3K2", sequence, 0, variant))
    assert len(made) <= 70
    middle = f".{variant}" if variant else ""
    assert made.startswith(f"<a7f3k2.{sequence}.{receiver}{middle}.5f2a90c1@")
    assert not made.endswith("@>")


def test_fifty_rows_are_enough() -> None:
    incident = mail_scenes.incident_of("node_offline")
    for number in range(60):
        incident = mail_scenes.fires(incident, Key("node_offline", f"a-{number:02}"), LOST)
    body = mail.compose(mail_scenes.note(MailKind.FIRE, incident, 10), HEAD).get_body(("plain",))
    assert body is not None
    text = body.get_content()
    assert "a-49" in text
    assert "a-50" not in text
    assert "and 10 more" in text


@pytest.mark.parametrize(
    ("values", "drawn"),
    [
        ((0.0, 50.0, None, 100.0), "▁▅·█"),
        ((7.0, 7.0), "▄▄"),
        ((None, None), "··"),
        ((), ""),
    ],
)
def test_values_are_drawn_between_their_smallest_and_largest(
    values: tuple[float | None, ...], drawn: str
) -> None:
    assert sparkline(values) == drawn


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
    told = [rule_words.rule_in_words(RULES[name]) for name in ("cpu_high", "node_offline")]
    assert told == [
        "cpu.percent > 90 % for 5 min; over at 80 %",
        "lost or stale for 30 s; over after 30 s in the clear",
    ]
    assert rule_words.rule_in_words(Rule("r", "info", 0)) == "lost or stale"


def test_a_member_that_never_ended_has_no_end() -> None:
    assert Member(Key("r", "n"), 0, None, "").fires
