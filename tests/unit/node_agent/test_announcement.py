"""Birth, last will and goodbye of a node."""

from itertools import count
from typing import Any

import pytest

from rollcall.broker.messages import STATUS
from rollcall.broker.topics import Topics
from rollcall.node_agent.announcement import NodeAnnouncement

EPOCH = "9f3c21d07a5be4c8"


def announcement(**changes: Any) -> NodeAnnouncement:
    sessions, seconds = count(17), count(1000)
    told: dict[str, Any] = {
        "next_session": lambda: next(sessions),
        "wall_s": lambda: float(next(seconds)),
        "epoch": EPOCH,
        "seq": 41,
        "interval_s": 1,
    }
    return NodeAnnouncement(Topics(), "pi-3", **(told | changes))


def decoded(payload: bytes) -> dict[str, Any]:
    return STATUS.decode(payload).model_dump(exclude_none=True)


def test_will_birth_and_goodbye_speak_of_one_session() -> None:
    made = announcement()
    common = {"session": 17, "epoch": EPOCH}
    assert decoded(made.will()) == {"state": "offline", "reason": "lost", **common}
    made.interval_s, made.seq = 10, 42
    born = {"state": "online", "since": 1000.0, "interval": 10, "seq": 42, **common}
    assert decoded(made.birth()) == born
    assert decoded(made.birth()) == born
    gone = {"state": "offline", "reason": "stopped", "since": 1001.0, **common}
    assert decoded(made.goodbye()) == gone


def test_every_will_begins_a_new_session() -> None:
    made = announcement()
    assert [decoded(made.will())["session"] for _ in range(3)] == [17, 18, 19]


@pytest.mark.parametrize(
    ("payload", "denied"),
    [
        pytest.param(b'{"state":"offline","reason":"lost","session":1,"epoch":"%s"}', True, id="o"),
        pytest.param(b"", True, id="emptied by an administrator"),
        pytest.param(b"rubbish", True, id="rubbish"),
    ],
)
def test_anything_but_a_birth_on_our_topic_denies_us(payload: bytes, *, denied: bool) -> None:
    made = announcement()
    made.will()
    assert made.is_denied_by(payload.replace(b"%s", EPOCH.encode())) is denied
    assert not made.is_denied_by(made.birth())
