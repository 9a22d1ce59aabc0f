"""What a Mosquitto ACL file allows, worked out without a broker: an independent second reading."""

from dataclasses import dataclass
from typing import Literal

Action = Literal["read", "write"]


@dataclass(frozen=True)
class Rule:
    verb: str
    topic_filter: str

    def holds_for(self, action: Action) -> bool:
        return self.verb in {action, "readwrite"}


class AccessList:
    """The rules of an ACL file; `may` answers for topics and for topic filters alike."""

    def __init__(self, text: str) -> None:
        self._by_user: dict[str, list[Rule]] = {}
        self._patterns: list[Rule] = []
        user = ""
        for line in text.splitlines():
            word, _, rest = line.partition(" ")
            if word == "user":
                user = rest
            elif word == "topic":
                self._by_user.setdefault(user, []).append(Rule(*rest.split(" ")))
            elif word == "pattern":
                self._patterns.append(Rule(*rest.split(" ")))

    def may(self, user: str, action: Action, topic: str) -> bool:
        """Whether everything that `topic` (perhaps a filter) stands for is allowed."""
        own = self._by_user.get(user, [])
        everyone = [
            Rule(rule.verb, rule.topic_filter.replace("%u", user)) for rule in self._patterns
        ]
        if any(rule.verb == "deny" and covers(rule.topic_filter, topic) for rule in own):
            return False
        return any(
            rule.holds_for(action) and covers(rule.topic_filter, topic)
            for rule in (*own, *everyone)
        )


def covers(wide: str, narrow: str) -> bool:
    """Whether every topic that `narrow` matches is matched by `wide` too (MQTT 5, 4.7.1)."""
    if narrow.startswith("$") and not wide.startswith("$"):
        return False
    left, right = wide.split("/"), narrow.split("/")
    for place, level in enumerate(left):
        if level == "#":
            return True
        if place >= len(right) or right[place] == "#" or level not in {"+", right[place]}:
            return False
    return len(left) == len(right)
