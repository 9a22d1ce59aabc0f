"""What a recorder subscribes to, by its part among several.

A recorder alone hears everything. Several divide what comes in numbers, and may come to anybody in
any order, by shared subscriptions; one of them, the leader, hears by itself what has to be taken
in order (who is there) or is retained: a shared subscription gets nothing that is retained.
"""

from typing import Final

from rollcall.broker.topics import Kind, Topics, shared_filter
from rollcall.recorder.engine import Membership

_DIVIDED: Final = (Kind.METRICS, Kind.BACKLOG, Kind.EVENT)
_WHOLE: Final = (Kind.STATUS, Kind.INFO, Kind.APPLIED, Kind.NODE_REPLY)
_EVERY: Final = "+"

Subscription = tuple[str, int]


class Subscriptions:
    """The topic filters of one recorder, each with its QoS."""

    def __init__(self, topics: Topics, membership: Membership) -> None:
        self.own_status = topics.topic(Kind.SERVICE_STATUS, membership.name)
        self.own_commands = topics.topic(Kind.COMMAND, membership.name)
        # Heard from the start, also while the database is away.
        self.first: list[Subscription] = [
            (self.own_status, 1),
            (topics.topic_filter(Kind.RECEIPT, _EVERY), 0),
        ]
        self._divided: list[str] = []
        alone = [(every_topic(topics, kind), 1) for kind in (Kind.ALERT, Kind.FLEET)]
        if not membership.shared:
            self.of_leader: list[Subscription] = [(topics.nodes_filter, 1), *alone]
            return
        self._divided = [every_topic(topics, kind) for kind in _DIVIDED]
        self.of_leader = [*((every_topic(topics, kind), 1) for kind in _WHOLE), *alone]

    def of_member(self, group: str) -> list[Subscription]:
        """Give what every recorder hears, of several its share among those of `group`."""
        divided = [(shared_filter(group, topic_filter), 1) for topic_filter in self._divided]
        return [(self.own_commands, 1), *divided]


def every_topic(topics: Topics, kind: Kind) -> str:
    """Give the topic filter of all topics of `kind`."""
    return topics.topic_filter(kind, *[_EVERY] * topics.places(kind))
