"""A connection on which nobody introduces himself does not stay for ever.

Mosquitto allows it a minute and a half, and has no setting for that.
"""

import select
import time

import pytest

from tests.faults.conftest import Unfinished

_WITHIN_S = 110.0


@pytest.mark.timeout(180)
@pytest.mark.parametrize("said", ["nothing", "half a CONNECT", "nothing, before TLS"])
def test_the_broker_closes_a_connection_without_a_connect(
    unfinished: Unfinished, said: str
) -> None:
    idle = unfinished.sockets[said]
    left_s = unfinished.since_s + _WITHIN_S - time.monotonic()
    readable, _, _ = select.select([idle], [], [], max(0.0, left_s))
    assert readable == [idle]
    assert idle.recv(1) == b""
