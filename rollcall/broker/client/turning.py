"""paho's client, made to show that its network thread moves, and to take messages together."""

import select
import time

from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTErrorCode


class TurningClient(Client):
    """Counts the turns of the network thread, at least one a second while there is a connection.

    When nothing is left to read it lets messages come together for `gather_s`: to wake up for one
    costs several times what reading it does.
    """

    turns = 0
    gather_s = 0.0
    _turns_seen = 0

    def loop_misc(self) -> MQTTErrorCode:
        """Do what paho does at the end of each turn, and count it."""
        self.turns += 1
        if self.gather_s and not self._is_more_there():
            time.sleep(self.gather_s)
        return super().loop_misc()

    def has_turned(self) -> bool:
        """Say whether the network thread has turned since the last time it was asked."""
        turns = self.turns
        has_turned, self._turns_seen = turns != self._turns_seen, turns
        return has_turned

    def _is_more_there(self) -> bool:
        opened = self.socket()
        if opened is None:
            return True
        # TLS may have read more than was asked for.
        pending = getattr(opened, "pending", lambda: 0)()
        return bool(pending or select.select([opened], [], [], 0)[0])
