"""Mails as files, where there is no mail server."""

from pathlib import Path

from rollcall.alerts.delivery import Sent, TryAgain
from rollcall.alerts.folder import MailFolder

MAIL = (
    b"Subject: [FIRING] node_offline on pi-3 - home A7F3K2\r\n"
    b"Date: Mon, 05 Jan 2026 03:14:11 +0000\r\n\r\npi-3 is offline.\r\n"
)
NAME = "2026-01-05T031411Z-firing-node-offline-on-pi-3-home-a7f3k2"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "new").iterdir())


def test_a_mail_is_a_file_named_by_time_and_subject(tmp_path: Path) -> None:
    assert MailFolder(tmp_path / "mail").deliver("folder", MAIL) == Sent()
    assert names(tmp_path / "mail") == [f"{NAME}.eml"]
    assert (tmp_path / "mail" / "new" / f"{NAME}.eml").read_bytes() == MAIL
    assert list((tmp_path / "mail" / "tmp").iterdir()) == []


def test_the_same_mail_again_is_the_same_file(tmp_path: Path) -> None:
    for _ in range(2):
        MailFolder(tmp_path).deliver("folder", MAIL)
    assert names(tmp_path) == [f"{NAME}.eml"]


def test_another_mail_of_the_same_name_overwrites_nothing(tmp_path: Path) -> None:
    MailFolder(tmp_path).deliver("folder", MAIL)
    MailFolder(tmp_path).deliver("folder", MAIL + b"more\r\n")
    assert names(tmp_path) == [f"{NAME}-2.eml", f"{NAME}.eml"]


def test_a_folder_that_cannot_be_made_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "mail").write_text("a file")
    outcome = MailFolder(tmp_path / "mail").deliver("folder", MAIL)
    assert isinstance(outcome, TryAgain)
    assert "mail" in outcome.why
