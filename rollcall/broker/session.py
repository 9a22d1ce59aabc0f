"""What a session with the broker is asked for, and what comes out of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class BrokerError(RuntimeError):
    """The way to the broker cannot be used; the text says why and what to try."""


class Endpoint(Protocol):
    """Where the broker is and how to get in: the `[broker]` section, or anything like it."""

    @property
    def host(self) -> str: ...  # noqa: D102 - the names are those of the configuration
    @property
    def port(self) -> int: ...  # noqa: D102
    @property
    def ca_file(self) -> Path | None: ...  # noqa: D102
    @property
    def certificate_file(self) -> Path | None: ...  # noqa: D102
    @property
    def key_file(self) -> Path | None: ...  # noqa: D102
    @property
    def username(self) -> str | None: ...  # noqa: D102
    @property
    def password_file(self) -> Path | None: ...  # noqa: D102
    @property
    def keep_alive(self) -> int: ...  # noqa: D102
    @property
    def will_delay(self) -> int: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message. `replayed`: retained, sent at subscribing; `at_s`: monotonic seconds."""

    topic: str
    payload: bytes
    replayed: bool
    at_s: float
    generation: int
    mid: int
    qos: int


@dataclass(frozen=True, slots=True)
class Ready:
    """Subscriptions are in place and the broker has taken our birth: publishing may begin.

    What was retained for QoS 0 subscriptions has arrived before it. `resumed`: the broker kept our
    session, and messages with it that may be old.
    """

    generation: int
    resumed: bool = False


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection is gone (it comes back by itself), or was refused."""

    reason: str


Item = Arrived | Ready | Lost


@dataclass(frozen=True, slots=True)
class Session:
    """What a client asks of the broker.

    `expiry_s` 0 is a clean start each time; above, the broker keeps the session so long.
    `ends_at_once`: the session ends with the connection, and the last will comes without delay.
    `receive_maximum` bounds what is under way to us unacknowledged (None: the broker's 20).
    `manual_acknowledgement`: nothing is acknowledged but by `acknowledge`.
    `gather_s` is how long a message may wait for others, where there are many and none is urgent.
    """

    expiry_s: int = 0
    ends_at_once: bool = False
    receive_maximum: int | None = None
    manual_acknowledgement: bool = False
    inbox_limit: int = 20_000
    gather_s: float = 0.0
