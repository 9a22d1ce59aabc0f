"""Finished mails: headers that no name can forge, text and HTML, threads.

All mails of an incident hang together in one thread: the subject changes in its bracket only, and
every later mail refers to the first. The Message-ID depends on incident, sequence and receiver
alone, so that a mail that is sent twice is recognised as one.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from typing import Final

from rollcall.alerts import wording
from rollcall.alerts.letter import Letter, letter_of, scope, told_members
from rollcall.alerts.mail_html import html_of
from rollcall.alerts.mail_text import text_of
from rollcall.alerts.notice import Gist, Notice

_MAX_SUBJECT: Final = 120
_MAX_CLUSTER: Final = 24
_MAX_MESSAGE_ID: Final = 70
_ROOM_FOR_VARIANT: Final = len(".short")


@dataclass(frozen=True, slots=True)
class Letterhead:
    """What is the same in all mails to one receiver; `install` tells two installations apart."""

    cluster: str
    sender: str
    to: tuple[str, ...]
    install: str
    receiver: str = "default"


@dataclass(frozen=True, slots=True)
class Stamp:
    """Which mail of which thread, and when (Unix seconds); `variant` is `late`, or nothing."""

    incident: str
    sequence: int
    at: float
    variant: str = ""


def compose(notice: Notice, head: Letterhead, *, unsent_since: float | None = None) -> EmailMessage:
    """Write the mail of a notice; with `unsent_since` as the late one that tells all."""
    incident = notice.incident
    letter = letter_of(notice, unsent_since=unsent_since)
    late = "late" if unsent_since is not None else ""
    return _mail(letter, head, Stamp(incident.id, incident.mails + 1, notice.at, late))


def compose_letter(letter: Letter, head: Letterhead, stamp: Stamp) -> EmailMessage:
    """Write the mail of a letter that tells something else than one incident."""
    return _mail(letter, head, stamp)


def gist_of(notice: Notice) -> Gist:
    """Give in short what the mail of a notice tells."""
    letter = letter_of(notice)
    incident = notice.incident
    return Gist(
        kind=notice.kind.value,
        rule=letter.title.partition(" on ")[0],
        scope=scope(notice),
        severity=incident.severity,
        text=letter.headline,
        firing=len(told_members(notice)),
        over=sum(member.is_news for member in incident.ended),
        at=incident.opened_at,
    )


def message_id(head: Letterhead, stamp: Stamp) -> str:
    """Give the Message-ID of a mail, at most 70 characters with any variant.

    From 78 on Python's email package folds ids, and no mail program finds the thread.
    """
    variant = f".{stamp.variant}" if stamp.variant else ""
    name = f"{stamp.incident.lower()}.{stamp.sequence}.{head.receiver}"
    local = f"{name}{variant}.{head.install}"
    room = _MAX_MESSAGE_ID - len(f"{name}.{head.install}") - _ROOM_FOR_VARIANT - len("<@>")
    return f"<{local}@{_domain(head.sender)[-room:].lstrip('.-')}>"


def short_subject(letter: Letter, head: Letterhead, incident: str) -> str:
    """Give the subject: at most 120 characters; the place gives way, alike in all of a thread."""
    cluster = wording.shortened(wording.clean(head.cluster), _MAX_CLUSTER)
    room = _MAX_SUBJECT - len(f"[LATE, firing 9999, 9999 back]  - {cluster} {incident}")
    title = wording.shortened(wording.clean(letter.title), room)
    return f"[{letter.state}] {title} - {cluster} {incident}"


def _mail(letter: Letter, head: Letterhead, stamp: Stamp) -> EmailMessage:
    mail = EmailMessage(policy=SMTP)
    mail["From"] = head.sender
    mail["To"] = ", ".join(head.to)
    mail["Subject"] = short_subject(letter, head, stamp.incident)
    mail["Date"] = format_datetime(datetime.fromtimestamp(int(stamp.at), UTC))
    mail["Message-ID"] = message_id(head, stamp)
    if stamp.sequence > 1:
        ids: Sequence[str] = [
            message_id(head, Stamp(stamp.incident, number, stamp.at))
            for number in (1, stamp.sequence - 1)
        ]
        mail["In-Reply-To"] = ids[0]
        mail["References"] = " ".join(dict.fromkeys(ids))
    mail["Auto-Submitted"] = "auto-generated"
    mail["List-Id"] = f"<{_slug(head.cluster)}.rollcall.{_domain(head.sender)}>"
    mail.set_content(text_of(letter), cte="quoted-printable")
    mail.add_alternative(html_of(letter), subtype="html", cte="quoted-printable")
    # The boundary would be random: the same notice is to give the same bytes.
    mail.set_boundary(f"rollcall-{stamp.incident.lower()}-{stamp.sequence}-{int(stamp.at)}")
    return mail


def _domain(sender: str) -> str:
    domain = parseaddr(sender)[1].rpartition("@")[2].lower()
    return re.sub(r"[^a-z0-9.-]+", "-", domain).strip(".-") or "localhost"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:30] or "cluster"
