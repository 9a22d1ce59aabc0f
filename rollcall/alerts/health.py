"""The alert service's own account of how it fares, for its status topic."""

from collections.abc import Iterable, Mapping, Sequence

from pydantic import JsonValue

from rollcall.alerts.delivery import MAIL_CHANNEL, DeliveryQueue
from rollcall.alerts.state import Alert


class Health:
    """The newest account; read on any thread, replaced as a whole by the main one."""

    def __init__(self) -> None:
        self._account: dict[str, JsonValue] = {}

    def account(self) -> dict[str, JsonValue]:
        """Give the newest account."""
        return self._account

    def update(self, account: dict[str, JsonValue]) -> bool:
        """Take a new account; say whether more than an age has changed."""
        changed = _without_age(account) != _without_age(self._account)
        self._account = account
        return changed


def account_of(
    *,
    queue: DeliveryQueue,
    alerts: Iterable[Alert],
    rules: int,
    rules_from: str,
    problems: Sequence[str],
    lost: Mapping[str, int],
    wall_s: float,
    blind: bool = False,
) -> dict[str, JsonValue]:
    """Give the account: the mail channel, the alerts, what is wrong, and what was `lost`, counted.

    `mail` is `ok`, `waiting` (the server is out of reach or puts us off) or `paused` (somebody has
    to mend the configuration); `oldest_s` is the age of the oldest message that is not out, and
    `dead` counts those that were given up. `blind`: nothing can be seen or nothing gets through.
    """
    told = [alert.is_told for alert in alerts]
    shown = [*problems, *queue.faults]
    return {
        "mail": queue.channel_state(MAIL_CHANNEL),
        "queued": len(queue),
        "oldest_s": round(queue.oldest_s(wall_s)),
        "dead": queue.dead,
        "blind": blind,
        "problems": [problem for problem in shown if problem],
        "rules": rules,
        "rules_from": rules_from,
        "firing": sum(told),
        "pending": len(told) - sum(told),
        **lost,
    }


def _without_age(account: dict[str, JsonValue]) -> dict[str, JsonValue]:
    return {name: value for name, value in account.items() if name != "oldest_s"}
