"""What is on disk, and what of it a restart finds."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from rollcall.alerts import schema
from rollcall.alerts.delivery import MailKey, MailState, QueuedMail
from rollcall.alerts.grouping import Incident, Told, opened
from rollcall.alerts.outbox import NewerSchemaError, Outbox, OutboxError
from rollcall.alerts.rules import Rule
from rollcall.alerts.silences import Silence
from rollcall.alerts.state import Alert, AlertState, Change, Key
from rollcall.broker.node_view import Now

FIRST_VERSION = Path(__file__).parents[2] / "fixtures" / "alerts" / "version-1.sql"
NOW = Now(1_767_582_807.0, 5000.0)
LATER = Now(NOW.wall_s + 600, 20.0)
KEY = Key("disk_full", "nas-1", "/")


def an_alert() -> Alert:
    return Alert(
        KEY,
        AlertState.PENDING,
        since=NOW.wall_s,
        value=97.1,
        summary="97.1 %",
        evaluated=NOW.wall_s,
        held_s=40,
        counted_s=5000,
    )


def an_incident() -> Incident:
    incident = opened(Rule("disk_full", "critical", 60), 7, NOW)
    fired = replace(an_alert(), state=AlertState.FIRING)
    return incident.with_change(Change(KEY, None, fired), NOW).with_mail(NOW)


def a_mail(state: MailState = MailState.SENDING, recipient: str = "a@b") -> QueuedMail:
    key = MailKey("000007", 1, recipient)
    return QueuedMail(key, "<000007.1@b>", b"content", created_at=NOW.wall_s, state=state)


def test_a_restart_finds_alerts_with_what_they_have_held(tmp_path: Path) -> None:
    with Outbox(tmp_path / "alerts.db") as outbox:
        outbox.put_alert(KEY, an_alert())
        assert outbox.commit(NOW)
    with Outbox(tmp_path / "alerts.db") as outbox:
        assert outbox.load(LATER).alerts == [replace(an_alert(), counted_s=None)]


def test_a_restart_finds_incidents_with_their_ages_on_the_new_clock(tmp_path: Path) -> None:
    with Outbox(tmp_path / "alerts.db") as outbox:
        outbox.put_incident("000007", an_incident())
        outbox.commit(NOW)
    with Outbox(tmp_path / "alerts.db") as outbox:
        (found,) = outbox.load(LATER).incidents
    assert found == replace(an_incident(), opened_s=20, told_s=20 - 600)
    assert found.members[KEY].told is Told.FIRING


def test_a_restart_finds_the_same_bytes_of_a_mail_that_was_being_sent(tmp_path: Path) -> None:
    with Outbox(tmp_path / "alerts.db") as outbox:
        done = replace(a_mail(MailState.SENT, "done@b"), content=b"")
        outbox.put_mails([a_mail(), done, a_mail(MailState.DEAD, "gone@b")])
        outbox.commit(NOW)
    with Outbox(tmp_path / "alerts.db") as outbox:
        stored = outbox.load(LATER)
    assert stored.mails == [a_mail()]
    assert stored.dead == 1


def test_what_is_over_is_gone(tmp_path: Path) -> None:
    with Outbox(tmp_path / "alerts.db") as outbox:
        outbox.put_alert(KEY, an_alert())
        outbox.put_incident("000007", an_incident())
        outbox.put_fleet(b"{}")
        outbox.commit(NOW)
        outbox.put_alert(KEY, None)
        outbox.put_incident("000007", None)
        outbox.commit(NOW)
        stored = outbox.load(NOW)
    assert (stored.alerts, stored.incidents, stored.fleet) == ([], [], b"{}")
    with closing(sqlite3.connect(tmp_path / "alerts.db")) as file:
        assert file.execute("SELECT count(*) FROM member").fetchone() == (0,)


def test_an_installation_keeps_its_name(tmp_path: Path) -> None:
    names = set()
    for _ in range(2):
        with Outbox(tmp_path / "alerts.db") as outbox:
            names.add(outbox.load(NOW).install)
    assert len(names) == 1


def test_what_was_put_and_not_committed_is_not_there(tmp_path: Path) -> None:
    with Outbox(tmp_path / "alerts.db") as outbox:
        outbox.put_alert(KEY, an_alert())
    with Outbox(tmp_path / "alerts.db") as outbox:
        assert outbox.load(NOW).alerts == []


def test_writing_is_durable(tmp_path: Path) -> None:
    with Outbox(tmp_path / "alerts.db") as outbox:
        ask = outbox._opened.exec_driver_sql
        assert ask("PRAGMA journal_mode").scalar_one() == "wal"
        assert ask("PRAGMA synchronous").scalar_one() == 2


def test_a_full_disk_loses_nothing_once_there_is_room_again(tmp_path: Path) -> None:
    with Outbox(tmp_path / "alerts.db") as outbox:
        ask = outbox._opened.exec_driver_sql
        pages = ask("PRAGMA page_count").scalar_one()
        ask(f"PRAGMA max_page_count = {pages}")
        outbox._opened.commit()
        outbox.put_mails([replace(a_mail(), content=b"x" * 200_000)])
        assert not outbox.commit(NOW)
        assert "full" in outbox.fault
        outbox.put_alert(KEY, an_alert())
        assert not outbox.commit(NOW)
        ask("PRAGMA max_page_count = 100000")
        outbox._opened.commit()
        assert outbox.commit(NOW)
        stored = outbox.load(NOW)
        assert (len(stored.mails), len(stored.alerts), outbox.fault) == (1, 1, "")


def test_mails_that_were_over_long_ago_are_forgotten(tmp_path: Path) -> None:
    with Outbox(tmp_path / "alerts.db") as outbox:
        outbox.put_mails([a_mail(MailState.SENT, "old@b"), a_mail(MailState.DEAD, "gone@b")])
        outbox.commit(NOW)
        outbox.put_mails([replace(a_mail(MailState.SENT), created_at=NOW.wall_s + 31 * 86_400)])
        outbox.commit(Now(NOW.wall_s + 31 * 86_400, 0))
    with closing(sqlite3.connect(tmp_path / "alerts.db")) as file:
        assert file.execute("SELECT recipient FROM mail").fetchall() == [("a@b",)]


def test_a_newer_database_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "alerts.db"
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA user_version = 99")
    with pytest.raises(NewerSchemaError, match="schema 99"), Outbox(path):
        pass
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA user_version").fetchone() == (99,)
        assert file.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,)


def test_a_damaged_database_is_an_error_with_advice(tmp_path: Path) -> None:
    (tmp_path / "alerts.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(OutboxError, match="move it aside"), Outbox(tmp_path / "alerts.db"):
        pass


def test_a_restart_finds_silences_and_small_things(tmp_path: Path) -> None:
    silence = Silence("S1AB", ("web-*", "group:pis"), "disk_*", "*", 1000, 2000, "by ann")
    with Outbox(tmp_path / "alerts.db") as outbox:
        outbox.put_silence("S1AB", silence)
        outbox.put_silence("S2CD", replace(silence, id="S2CD"))
        outbox.put_kept("rate:default", b"3.5")
        outbox.commit(NOW)
        outbox.put_silence("S2CD", None)
        outbox.commit(NOW)
    with Outbox(tmp_path / "alerts.db") as outbox:
        stored = outbox.load(LATER)
    assert stored.silences == [silence]
    assert stored.kept["rate:default"] == b"3.5"


def test_a_database_of_the_first_version_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "alerts.db"
    with closing(sqlite3.connect(path)) as file:
        file.executescript(FIRST_VERSION.read_text("utf-8"))
    with Outbox(path) as outbox:
        stored = outbox.load(LATER)
        outbox.put_mails([replace(mail, receiver="ops") for mail in stored.mails])
        assert outbox.commit(LATER)
    assert stored.install == "5f2a90c1"
    assert stored.mails == [replace(a_mail(MailState.WAITING), error="busy", attempts=2)]
    assert [alert.held_s for alert in stored.alerts] == [40]
    (incident,) = stored.incidents
    assert incident.members[KEY].told is Told.FIRING
    assert incident.receivers == ("default",)
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA user_version").fetchone() == (schema.VERSION,)
        assert file.execute("SELECT receiver FROM mail").fetchall() == [("ops",)]
