"""How a node says that it lives: birth, last will and goodbye on its status topic."""

from collections.abc import Callable

from rollcall.broker.codec import DecodeError
from rollcall.broker.messages import STATUS, Offline, Online, encode
from rollcall.broker.topics import Kind, Topics
from rollcall.node_agent.farewell import Reason


class NodeAnnouncement:
    """The announcement of one node.

    `next_session` counts a connection durably and is called on the network thread. `epoch`, `seq`
    (the newest number taken) and `interval_s` (the shortest in force) are set by the agent.
    `reason` is asked at the end.
    """

    def __init__(
        self,
        topics: Topics,
        node: str,
        *,
        next_session: Callable[[], int],
        wall_s: Callable[[], float],
        epoch: str,
        seq: int,
        interval_s: int,
        reason: Callable[[], Reason] = lambda: "stopped",
    ) -> None:
        self.topic = topics.topic(Kind.STATUS, node)
        self.epoch = epoch
        self.seq = seq
        self.interval_s = interval_s
        self._next_session = next_session
        self._wall_s = wall_s
        self._reason = reason
        self._session = 0
        self._since_s = 0.0

    def will(self) -> bytes:
        """Count a session and give its last will: lost, at a time nobody knows."""
        self._session = self._next_session()
        self._since_s = self._wall_s()
        return encode(Offline(reason="lost", session=self._session, epoch=self.epoch))

    def birth(self) -> bytes:
        """Give the birth of the present session; `since` is when it began."""
        return encode(
            Online(
                since=self._since_s,
                session=self._session,
                epoch=self.epoch,
                interval=self.interval_s,
                seq=self.seq,
            )
        )

    def goodbye(self) -> bytes:
        """Give the message of an agent that was told to stop, or whose host goes down."""
        return encode(
            Offline(
                reason=self._reason(),
                since=self._wall_s(),
                session=self._session,
                epoch=self.epoch,
            )
        )

    def is_denied_by(self, payload: bytes) -> bool:
        """Say whether our own topic says offline, or anything but a status."""
        try:
            return isinstance(STATUS.decode(payload), Offline)
        except DecodeError:
            return True
