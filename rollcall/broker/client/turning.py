"""paho's client, made to show that its network thread moves."""

from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTErrorCode


class TurningClient(Client):
    """Counts the turns of the network thread, at least one a second while there is a connection."""

    turns = 0
    _turns_seen = 0

    def loop_misc(self) -> MQTTErrorCode:
        """Do what paho does at the end of each turn, and count it."""
        self.turns += 1
        return super().loop_misc()

    def has_turned(self) -> bool:
        """Say whether the network thread has turned since the last time it was asked."""
        turns = self.turns
        has_turned, self._turns_seen = turns != self._turns_seen, turns
        return has_turned
