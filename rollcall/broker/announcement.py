"""Birth, last will and goodbye: how a client says that it lives."""

from collections.abc import Callable
from typing import Protocol

from pydantic import JsonValue

from rollcall.broker.codec import DecodeError
from rollcall.broker.messages import SERVICE_STATUS, ServiceOffline, ServiceOnline, encode
from rollcall.broker.topics import Kind, Topics


class Announcement(Protocol):
    """How a client says that it lives. `topic` is retained; payloads are JSON bytes."""

    @property
    def topic(self) -> str:
        """The status topic."""

    def will(self) -> bytes:
        """Begin a new connection and give its last will; runs on the network thread."""

    def birth(self) -> bytes:
        """Give the birth of the present connection; runs on either thread."""

    def goodbye(self) -> bytes:
        """Give the message that ends the session on purpose."""

    def is_denied_by(self, payload: bytes) -> bool:
        """Say whether `payload`, found on our own status topic, calls us dead."""


class ServiceAnnouncement:
    """The announcement of one of our own services.

    `health` gives the service's own account of how it fares and must be safe on any thread;
    `since` is when the service started, in Unix seconds.
    """

    def __init__(
        self,
        topics: Topics,
        name: str,
        *,
        version: str,
        since: float,
        health: Callable[[], dict[str, JsonValue]],
    ) -> None:
        self.topic = topics.topic(Kind.SERVICE_STATUS, name)
        self._version = version
        self._since = since
        self._health = health

    def will(self) -> bytes:
        """Give the last will: lost, at a time nobody knows."""
        return encode(ServiceOffline(reason="lost"))

    def birth(self) -> bytes:
        """Give the birth, with the health of this moment."""
        return encode(
            ServiceOnline(since=self._since, version=self._version, health=self._health())
        )

    def goodbye(self) -> bytes:
        """Give the message of a service that was told to stop."""
        return encode(ServiceOffline(reason="stopped"))

    def is_denied_by(self, payload: bytes) -> bool:
        """Say whether our own topic says offline, or anything but a status."""
        try:
            return isinstance(SERVICE_STATUS.decode(payload), ServiceOffline)
        except DecodeError:
            return True
