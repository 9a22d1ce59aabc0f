"""The thread that sends: a slow mail server holds up nothing else."""

import logging
import queue
import threading
from collections.abc import Callable
from typing import Final

from rollcall.alerts.delivery import MailKey, Outcome, QueuedMail, TryAgain

_log = logging.getLogger(__name__)

_STOP_WITHIN_S: Final = 10.0

Deliver = Callable[[str, bytes], Outcome]


def _stay_asleep() -> None:
    """Wake nobody."""


class Sender:
    """Delivers one message at a time with `deliver(recipient, content)`, on a thread of its own.

    `wake` is called on that thread whenever an outcome has come.

    The thread starts with the first mail. It keeps no process alive: a mail that a stop interrupts
    is still marked as sending, and goes again, with the same Message-ID, after the next start.
    """

    def __init__(self, deliver: Deliver, wake: Callable[[], None] = _stay_asleep) -> None:
        self._deliver = deliver
        self._wake = wake
        self._mailbox: queue.SimpleQueue[QueuedMail | None] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[tuple[MailKey, Outcome]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._under_way = 0

    @property
    def is_idle(self) -> bool:
        """Whether every mail handed in has come back with its outcome."""
        return self._under_way == 0

    def submit(self, mail: QueuedMail) -> None:
        """Hand in a mail; its outcome comes with `results`."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="mail sender", daemon=True)
            self._thread.start()
        self._under_way += 1
        self._mailbox.put(mail)

    def results(self) -> list[tuple[MailKey, Outcome]]:
        """Give the outcomes that have come since the last call, without waiting."""
        found = []
        while not self._results.empty():
            found.append(self._results.get())
            self._under_way -= 1
        return found

    def stop(self) -> None:
        """End the thread; wait at most ten seconds for a mail under way."""
        if self._thread is None:
            return
        self._mailbox.put(None)
        self._thread.join(_STOP_WITHIN_S)
        if self._thread.is_alive():
            _log.warning("the mail server does not answer; the mail goes again at the next start")

    def _run(self) -> None:
        while (mail := self._mailbox.get()) is not None:
            try:
                outcome = self._deliver(mail.key.recipient, mail.content)
            except Exception as error:  # noqa: BLE001 - one mail is this thread's unit of work
                _log.exception("fault while sending mail %s", mail.message_id)
                outcome = TryAgain(f"{type(error).__name__} while sending", uncertain=True)
            self._results.put((mail.key, outcome))
            self._wake()
