"""Which alerts are not told because another one says more: a node's, while the node is offline.

While a rule fires on a node, what it inhibits there is decided and published, not told. When that
ends, what was held back waits for two fresh samples: the first may still be of before.
"""

from collections.abc import Callable, Iterable
from typing import Final

from rollcall.alerts.rules import Rule
from rollcall.alerts.state import Alert, Key

_FRESH: Final = 2
_LIFTED: Final = "inhibited until now, and not yet confirmed by two fresh samples"

RuleOf = Callable[[Key], Rule | None]


class Inhibition:
    """Remembers what is held back, so that it is let go only on fresh evidence."""

    def __init__(self) -> None:
        self._held: dict[Key, int] = {}

    def step(self, alerts: Iterable[Alert], rule_of: RuleOf) -> dict[Key, str]:
        """Give the alerts that are not to be told now, and why."""
        known = {alert.key: alert for alert in alerts}
        now = _inhibited(known.values(), rule_of)
        for key in now:
            self._held[key] = known[key].samples
        for key, samples in list(self._held.items()):
            alert = known.get(key)
            if alert is None or (key not in now and alert.samples >= samples + _FRESH):
                del self._held[key]
        return {key: now.get(key, _LIFTED) for key in self._held}


def _inhibited(alerts: Iterable[Alert], rule_of: RuleOf) -> dict[Key, str]:
    inhibitors: dict[str, list[tuple[Key, Rule]]] = {}
    candidates: list[tuple[Key, Rule]] = []
    for alert in alerts:
        rule = rule_of(alert.key)
        if rule is None:
            continue
        candidates.append((alert.key, rule))
        if alert.is_told and rule.inhibits:
            inhibitors.setdefault(alert.key.node, []).append((alert.key, rule))
    found = {}
    for key, rule in candidates:
        for by, inhibitor in inhibitors.get(key.node, ()):
            if inhibitor.does_inhibit(rule) and _is_same_place(by, key):
                found[key] = f"inhibited by {by.rule}"
                break
    return found


def _is_same_place(by: Key, key: Key) -> bool:
    return not by.instance or not key.instance or by.instance == key.instance
