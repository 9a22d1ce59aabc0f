"""A notice as rows for the outbox: for each receiver the finished bytes, one row a recipient."""

from collections.abc import Callable, Iterable, Sequence

from rollcall.alerts.delivery import Hold, MailKey, MailState, QueuedMail
from rollcall.alerts.digest import digest_letter
from rollcall.alerts.mail import Letterhead, Stamp, compose, compose_letter, gist_of
from rollcall.alerts.notice import Gist, Notice
from rollcall.alerts.receivers import Receiver, is_person
from rollcall.alerts.webhook import body_of

LateSince = Callable[[str], float | None]


def rows_of(
    notice: Notice,
    receiver: Receiver,
    recipients: Iterable[str],
    head: Letterhead,
    *,
    hold: Hold,
    late_since: LateSince,
) -> list[QueuedMail]:
    """Give the rows of one receiver.

    `hold` keeps back those of people; `late_since(recipient)` says since when (Unix seconds)
    nothing of the incident has got out to a recipient, if that is to be told.
    """
    incident = notice.incident
    gist = gist_of(notice).to_json()
    finished: dict[tuple[bool, float | None], tuple[str, bytes]] = {}
    rows = []
    for recipient in recipients:
        person = is_person(recipient)
        since = late_since(recipient) if person else None
        if (person, since) not in finished:
            finished[person, since] = _finished(notice, head, since, person=person)
        message_id, content = finished[person, since]
        held = hold if person else Hold.NONE
        rows.append(
            QueuedMail(
                key=MailKey(incident.id, incident.mails + 1, recipient),
                message_id=message_id,
                content=content,
                created_at=notice.at,
                state=MailState.HELD if held else MailState.QUEUED,
                receiver=receiver.name,
                hold=held,
                gist=gist,
            )
        )
    return rows


def digest_rows(
    held: Sequence[QueuedMail], receiver: Receiver, head: Letterhead, incident: str, at: float
) -> list[QueuedMail]:
    """Give the rows of the digest that tells what the `held` ones would have told."""
    newest = {row.key.incident: row for row in held}
    gists = [Gist.from_json(row.gist) for row in newest.values() if row.gist]
    letter = digest_letter(gists, held[0].hold, receiver.max_rate, at)
    mail = compose_letter(letter, head, Stamp(incident, 1, at))
    content = mail.as_bytes()
    return [
        QueuedMail(
            key=MailKey(incident, 1, recipient),
            message_id=mail["Message-ID"],
            content=content,
            created_at=at,
            receiver=receiver.name,
        )
        for recipient in dict.fromkeys(row.key.recipient for row in held)
    ]


def _finished(
    notice: Notice, head: Letterhead, since: float | None, *, person: bool
) -> tuple[str, bytes]:
    mail = compose(notice, head, unsent_since=since)
    if person:
        return mail["Message-ID"], mail.as_bytes()
    return mail["Message-ID"], body_of(notice, head, mail["Message-ID"])
