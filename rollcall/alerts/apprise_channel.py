"""Messages to people through Apprise, which knows chats and telephones; an optional package."""

import importlib
import importlib.util
import logging
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import default
from typing import Any, Final

from rollcall.alerts.delivery import Misconfigured, Outcome, Sent, TryAgain

_MAX_TEXT: Final = 4000
_PACKAGE: Final = "apprise"


def is_installed() -> bool:
    """Say whether the package is there."""
    return importlib.util.find_spec(_PACKAGE) is not None


@dataclass(frozen=True, slots=True)
class AppriseChannel:
    """Some Apprise URLs, which hold secrets and are told to nobody."""

    urls: tuple[str, ...] = field(repr=False)

    def deliver(self, _recipient: str, content: bytes) -> Outcome:
        """Send the subject and text of a finished mail; blocks as long as the services take."""
        apprise: Any = importlib.import_module(_PACKAGE)
        # Apprise names its URLs, with what is secret in them, in its own log.
        logging.getLogger(_PACKAGE).setLevel(logging.CRITICAL)
        services = apprise.Apprise()
        if not all(services.add(url) for url in self.urls):
            return Misconfigured("an Apprise URL is not understood; see apprise_file")
        mail = message_from_bytes(content, policy=default)
        part = mail.get_body(("plain",))
        text = part.get_content()[:_MAX_TEXT] if part is not None else ""
        if services.notify(title=str(mail["Subject"]), body=text):
            return Sent()
        return TryAgain("a service did not take the message", uncertain=True, away=True)
