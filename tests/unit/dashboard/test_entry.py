"""Who may come in: links once, sessions for a month, a password that is never kept as it is."""

from pathlib import Path

import pytest

from rollcall.dashboard.entry import LINK_LASTS_S, SESSION_LASTS_S, Entry

NOW_S = 1_767_225_600.0


def _text_of_all(folder: Path) -> str:
    return "".join(
        f"{path}{path.read_text('ascii')}" for path in folder.rglob("*") if path.is_file()
    )


def test_a_link_works_once(tmp_path: Path) -> None:
    entry = Entry(tmp_path)
    token = entry.make_link(NOW_S)
    assert entry.use_link(token, NOW_S + 1)
    assert not entry.use_link(token, NOW_S + 2)


def test_a_link_is_over_after_five_minutes(tmp_path: Path) -> None:
    entry = Entry(tmp_path)
    token = entry.make_link(NOW_S)
    assert not entry.use_link(token, NOW_S + LINK_LASTS_S + 1)
    assert list((tmp_path / "links").iterdir()) == []


@pytest.mark.parametrize("token", ["", "x", "../sessions/x", "\0", "a" * 10_000, "ü"])
def test_what_was_never_a_link_is_none(tmp_path: Path, token: str) -> None:
    entry = Entry(tmp_path)
    entry.make_link(NOW_S)
    assert not entry.use_link(token, NOW_S)


def test_a_session_outlives_a_restart_and_ends_after_a_month(tmp_path: Path) -> None:
    secret = Entry(tmp_path).open_session(NOW_S)
    entry = Entry(tmp_path)
    assert entry.has_session(secret, NOW_S + SESSION_LASTS_S - 1)
    assert not entry.has_session(secret, NOW_S + SESSION_LASTS_S + 1)
    assert not entry.has_session("x", NOW_S)


def test_a_session_can_be_closed(tmp_path: Path) -> None:
    entry = Entry(tmp_path)
    secret = entry.open_session(NOW_S)
    entry.close_session(secret)
    assert not entry.has_session(secret, NOW_S)


def test_no_secret_is_kept_as_it_is_and_the_files_are_their_owners_alone(tmp_path: Path) -> None:
    entry = Entry(tmp_path)
    entry.set_password("correct horse")
    secrets = [entry.make_link(NOW_S), entry.open_session(NOW_S), "correct horse"]
    kept = _text_of_all(tmp_path)
    assert all(secret not in kept for secret in secrets)
    modes = {path.stat().st_mode & 0o777 for path in tmp_path.rglob("*") if path.is_file()}
    assert modes == {0o600}


@pytest.mark.long
def test_a_password_is_known_until_it_is_taken_away_and_changing_it_ends_sessions(
    tmp_path: Path,
) -> None:
    entry = Entry(tmp_path)
    assert not entry.knows_password("")
    secret = entry.open_session(NOW_S)
    entry.set_password("correct horse")
    assert not entry.has_session(secret, NOW_S)
    assert entry.knows_password("correct horse")
    assert not entry.knows_password("correct horsf")
    entry.set_password(None)
    assert not entry.has_password
    assert not entry.knows_password("correct horse")


def test_a_short_password_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 10 characters"):
        Entry(tmp_path).set_password("short")


def test_a_damaged_session_file_opens_nothing(tmp_path: Path) -> None:
    entry = Entry(tmp_path)
    secret = entry.open_session(NOW_S)
    for file in (tmp_path / "sessions").iterdir():
        file.write_text("[]", "ascii")
    assert not entry.has_session(secret, NOW_S)
