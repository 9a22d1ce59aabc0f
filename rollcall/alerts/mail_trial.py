"""One real mail, on request, and the conversation with the mail server as the answer.

It takes the way of every mail, beside the outbox, on a thread of its own: a server that hangs holds
up neither the answers to others nor the mails.
"""

import queue
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Final, Protocol

from rollcall.alerts.delivery import Outcome, Sent
from rollcall.alerts.dialogue import Say
from rollcall.alerts.grouping import ID_BITS, incident_id
from rollcall.alerts.letter import Letter
from rollcall.alerts.mail import Letterhead, Stamp, compose_letter
from rollcall.alerts.settings import fault_of_address
from rollcall.broker.messages import Reply
from rollcall.broker.node_view import Now

_MAX_LINES: Final = 200
_LETTER: Final = Letter(
    state="TEST",
    tone="over",
    title="mail from Rollcall",
    headline="This is a test: mails from Rollcall reach you.",
    remarks=("Somebody asked for it with `rollcall alerts test`. There is nothing to do.",),
)


class Transport(Protocol):
    """A way out that tells how it goes."""

    def deliver(self, recipient: str, content: bytes, say: Say) -> Outcome:
        """Deliver one mail; `say` hears the conversation."""


class MailTrial:
    """Sends test mails, one at a time. `wake` is called when an answer has come.

    `recipient` gets them where a request names nobody.
    """

    def __init__(
        self,
        transport: Transport,
        head: Letterhead,
        recipient: str | None,
        *,
        draw: Callable[[int], int],
        wake: Callable[[], None],
    ) -> None:
        self._transport = transport
        self._head = head
        self._recipient = recipient
        self._draw = draw
        self._wake = wake
        self._replies: queue.SimpleQueue[Reply] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def start(self, command_id: str, to: str | None, now: Now) -> str:
        """Begin to send to `to`, or to the first reader of all; say why not, or nothing."""
        if self._thread is not None and self._thread.is_alive():
            return "a test is under way already; try again when it has ended"
        fault = fault_of_address("to", to) if to is not None else ""
        recipient = to or self._recipient
        if fault or recipient is None:
            return fault or "nobody gets mail: [mail] to is empty"
        head = self._head if to is None else replace(self._head, to=(to,))
        stamp = Stamp(incident_id(self._draw(ID_BITS)), 1, now.wall_s)
        content = compose_letter(_LETTER, head, stamp).as_bytes()
        self._thread = threading.Thread(
            target=self._run, args=(command_id, recipient, content), name="mail test", daemon=True
        )
        self._thread.start()
        return ""

    def replies(self) -> list[Reply]:
        """Give the answers that have come since the last call, without waiting."""
        found = []
        while not self._replies.empty():
            found.append(self._replies.get())
        return found

    def _run(self, command_id: str, recipient: str, content: bytes) -> None:
        lines: list[str] = []
        outcome = self._transport.deliver(recipient, content, lines.append)
        self._replies.put(
            Reply(
                id=command_id,
                ok=True,
                result={
                    "accepted": isinstance(outcome, Sent),
                    "to": recipient,
                    "why": getattr(outcome, "why", ""),
                    "dialogue": list(lines[:_MAX_LINES]),
                },
            )
        )
        self._wake()
