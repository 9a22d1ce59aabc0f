"""Where mails go without a mail server: files that a person finds and any mail program opens.

As in a maildir a mail is written under `tmp/` and renamed into `new/`, so that whoever looks there
sees whole mails only. The name begins with the time, so that the newest is the last.
"""

import os
import re
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from email.policy import default
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final

from rollcall.alerts.delivery import Outcome, Sent, TryAgain
from rollcall.alerts.dialogue import Say, hush

RECIPIENT: Final = "folder"


@dataclass(frozen=True, slots=True)
class MailFolder:
    """A folder that takes the place of a mail server; made when the first mail comes."""

    path: Path

    def deliver(self, _recipient: str, content: bytes, say: Say = hush) -> Outcome:
        """Write one mail to `new/<time>-<subject>.eml`; the same mail again is the same file."""
        name = _name(content)
        try:
            for folder in ("tmp", "new"):
                (self.path / folder).mkdir(parents=True, exist_ok=True)
            target = _free(self.path / "new" / f"{name}.eml", content)
            partial = self.path / "tmp" / target.name
            with partial.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(target)
            say(f"* written to {target}")
        except OSError as error:
            return TryAgain(f"{self.path}: {error.strerror}", away=True)
        return Sent()


def _free(wanted: Path, content: bytes) -> Path:
    path, number = wanted, 1
    while path.exists() and path.read_bytes() != content:
        number += 1
        path = wanted.with_name(f"{wanted.stem}-{number}.eml")
    return path


def _name(content: bytes) -> str:
    headers = BytesHeaderParser(policy=default).parsebytes(content)
    time = parsedate_to_datetime(headers["Date"]).strftime("%Y-%m-%dT%H%M%SZ")
    subject = re.sub(r"[^a-z0-9]+", "-", headers["Subject"].lower()).strip("-")
    return f"{time}-{subject[:120]}"
