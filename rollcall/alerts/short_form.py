"""The short form of a mail that a server has refused once it had read it.

Some servers refuse HTML, some words, or long texts. What is left is the subject and the first lines
as plain ASCII, in the same thread, under an id of its own.
"""

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP, default
from typing import Final

_LINES: Final = 12
_LINE_LENGTH: Final = 160
_KEPT: Final = (
    *("From", "To", "Subject", "Date", "In-Reply-To", "References"),
    *("Auto-Submitted", "List-Id"),
)


def shortened(content: bytes) -> tuple[str, bytes] | None:
    """Give (Message-ID, bytes) of the short form; None for what is no mail of ours."""
    mail = message_from_bytes(content, policy=default)
    if mail["Message-ID"] is None:
        return None
    body = mail.get_body(("plain",))
    lines = body.get_content().splitlines() if body is not None else []
    first = [line[:_LINE_LENGTH] for line in lines if line.strip()][:_LINES]
    text = "\n".join((*first, "", "(shortened: the mail server refused the whole text)", ""))
    short = EmailMessage(policy=SMTP)
    for name in _KEPT:
        if mail[name] is not None:
            short[name] = str(mail[name])
    local, _, rest = str(mail["Message-ID"]).partition("@")
    before, _, install = local.rpartition(".")
    short["Message-ID"] = f"{before}.short.{install}@{rest}"
    short.set_content(text.encode("ascii", "replace").decode("ascii"), cte="7bit")
    return short["Message-ID"], short.as_bytes()
