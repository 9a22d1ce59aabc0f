"""Whether a broker of our own still answers: one connection of its operator, kept, and asked."""

import contextlib
import time
from types import TracebackType
from typing import Final, Self

from rollcall.broker.broker_folder import BrokerFolder, BrokerFolderError
from rollcall.broker.broker_reload import operator_door
from rollcall.broker.client.probe import Door, Probe
from rollcall.broker.mosquitto_conf import Profile
from rollcall.broker.session import BrokerError

_ASK_EVERY_S: Final = 5.0
_ANSWER_WITHIN_S: Final = 2.0


class BrokerWatch:
    """Asks the broker of a folder; a context manager.

    That its socket takes a connection proves nothing: the kernel does that for a broker that hangs.
    """

    def __init__(self, broker: BrokerFolder) -> None:
        self._broker = broker
        self._open = contextlib.ExitStack()
        self._probe: Probe | None = None
        self._due_s = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()

    def answers(self) -> bool:
        """Say whether it answers; one that did is asked again after five seconds."""
        if time.monotonic() < self._due_s:
            return True
        try:
            if self._probe is None:
                self._probe = self._open.enter_context(self._connected())
            self._probe.settle()
        except (BrokerError, BrokerFolderError):
            self._open.close()
            self._probe = None
            return False
        self._due_s = time.monotonic() + _ASK_EVERY_S
        return True

    def _connected(self) -> Probe:
        plan = self._broker.plan
        is_open = plan.profile is Profile.LOOPBACK
        door = Door(port=plan.port) if is_open else operator_door(self._broker)
        return Probe(door, timeout_s=_ANSWER_WITHIN_S)
