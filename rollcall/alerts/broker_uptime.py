"""Whether the broker has restarted, by its own account: its uptime has fallen."""

import re
from typing import Final

from rollcall.broker.node_view import Now

_SECONDS: Final = re.compile(rb"([0-9]{1,15})\b")
# A retained figure of ten seconds ago is no restart.
_TOLERANCE_S: Final = 30.0


class BrokerUptime:
    """What `$SYS/broker/uptime` says, such as `123 seconds`."""

    def __init__(self) -> None:
        self._began_s: float | None = None

    def has_fallen(self, payload: bytes, now: Now) -> bool:
        """Take in a figure; say whether the broker has begun anew since the one before."""
        found = _SECONDS.match(payload)
        if found is None:
            return False
        began_s = now.monotonic_s - int(found[1])
        before, self._began_s = self._began_s, began_s
        return before is not None and began_s > before + _TOLERANCE_S
