"""Presence: when a node was there, and whose last will counts."""

from dataclasses import replace

import pytest

from rollcall.broker.messages import Offline, Online
from rollcall.recorder.findings import Seen, StatusFound
from rollcall.recorder.presence import HoldDown, Presence, with_sign_of_life, with_status
from rollcall.recorder.receipts import ReceiptSchedule

T0_MS = 1_767_225_600_000
A, B = "a" * 16, "b" * 16


def birth(at_s: float, *, since_s: float = 0, session: int = 1, epoch: str = A) -> StatusFound:
    since = T0_MS / 1000 + since_s
    status = Online(since=since, session=session, epoch=epoch, interval=10, seq=5)
    return StatusFound("pi-3", status, T0_MS + round(at_s * 1000))


def end(
    at_s: float, reason: str = "lost", *, since_s: float | None = None, session: int = 1,
    epoch: str = A,
) -> StatusFound:  # fmt: skip
    since = None if since_s is None else T0_MS / 1000 + since_s
    status = Offline(reason=reason, since=since, session=session, epoch=epoch)  # type: ignore[arg-type]
    return StatusFound("pi-3", status, T0_MS + round(at_s * 1000))


def story(
    *steps: StatusFound | float, listening_since_ms: int | None = T0_MS
) -> list[tuple[float, str, str | None]]:
    """Run through status messages and signs of life; give the changes, in seconds."""
    presence = Presence()
    changes: list[tuple[float, str, str | None]] = []
    for step in steps:
        if isinstance(step, StatusFound):
            heard = replace(step, listening_since_ms=listening_since_ms)
            presence, found = with_status(presence, heard)
        else:
            at_ms = T0_MS + round(step * 1000)
            presence, found = with_sign_of_life(presence, Seen("pi-3", at_ms, listening_since_ms))
        changes += [((each.ts - T0_MS) / 1000, *each[1:]) for each in found]
    return changes


STORIES = [
    pytest.param(
        [birth(1), 1.0, 11.0, end(40)],
        [(0, "online", None), (11, "offline", "lost")],
        id="the lost were lost when they were last seen",
    ),
    pytest.param(
        [birth(1), 11.0, end(13, "stopped", since_s=12)],
        [(0, "online", None), (12, "offline", "stopped")],
        id="who says goodbye says when",
    ),
    pytest.param(
        [birth(1), 11.0, 75.5, 80.0, end(90)],
        [(0, "online", None), (11, "stale", None), (75.5, "online", None), (80, "offline", "lost")],
        id="a long silence is kept when it is over",
    ),
    pytest.param(
        [birth(1), 11.0, end(201, "stopped", since_s=200)],
        [(0, "online", None), (11, "stale", None), (200, "offline", "stopped")],
        id="a long silence is kept when a goodbye ends it",
    ),
    pytest.param(
        [birth(1), 11.0, end(201, "stopped", since_s=12)],
        [(0, "online", None), (12, "offline", "stopped")],
        id="a goodbye that comes late ends no silence",
    ),
    pytest.param(
        [birth(1), 11.0, end(201)],
        [(0, "online", None), (11, "offline", "lost")],
        id="the lost were not silent before they were lost",
    ),
    pytest.param(
        [birth(1), 11.0, 55.0, 99.0],
        [(0, "online", None)],
        id="a short silence is none",
    ),
    pytest.param(
        [birth(1), 11.0, end(40), 200.0],
        [(0, "online", None), (11, "offline", "lost")],
        id="who is offline is not stale too",
    ),
    pytest.param(
        [birth(1), birth(61), birth(121)],
        [(0, "online", None)],
        id="a repeated birth changes nothing",
    ),
    pytest.param(
        [birth(1), end(20, session=1), birth(30, since_s=0, session=2)],
        [(0, "online", None), (20, "offline", "lost"), (30, "online", None)],
        id="who comes back is back when the birth arrives, not before the loss",
    ),
    pytest.param(
        [birth(1, session=5), end(20, session=4)],
        [(0, "online", None)],
        id="the will of an earlier session is ignored",
    ),
    pytest.param(
        [birth(1, session=5), end(20, session=9, epoch=B)],
        [(0, "online", None)],
        id="the will of another epoch is ignored",
    ),
    pytest.param(
        [birth(1, epoch=A), birth(9, session=1, epoch=B), end(20, epoch=A)],
        [(0, "online", None)],
        id="the will of a reinstalled host's former life is ignored",
    ),
    pytest.param(
        [end(20)],
        [(20, "offline", "lost")],
        id="a node that was never seen is lost from the message on",
    ),
    pytest.param(
        [birth(1, since_s=-1.7e9)],
        [(1, "online", None)],
        id="a clock that was not set dates nothing",
    ),
    pytest.param(
        [birth(1, since_s=3600)],
        [(1, "online", None)],
        id="nothing begins after its message",
    ),
    pytest.param(
        [birth(1, since_s=0), -50.0, end(20)],
        [(0, "online", None), (20, "offline", "lost")],
        id="no state begins before the one it replaces",
    ),
]


@pytest.mark.parametrize(("steps", "changes"), STORIES)
def test_the_changes_of(
    steps: list[StatusFound | float], changes: list[tuple[float, str, str | None]]
) -> None:
    assert story(*steps) == changes


def test_a_sign_of_life_never_goes_back() -> None:
    later, _ = with_sign_of_life(Presence(), Seen("pi-3", 7))
    assert with_sign_of_life(later, Seen("pi-3", 5))[0].last_seen_ts == 7


def test_what_happened_while_nobody_listened_is_not_called_silence() -> None:
    began = [(0, "online", None)]
    assert story(birth(1), 11.0, 500.0, listening_since_ms=None) == began
    assert story(birth(1), 11.0, 500.0, listening_since_ms=T0_MS + 470_000) == began
    assert story(birth(1), 11.0, 500.0, listening_since_ms=T0_MS + 400_000) == [
        *began, (400, "stale", None), (500, "online", None)
    ]  # fmt: skip
    goodbye = end(500, "stopped", since_s=500)
    gone = (500, "offline", "stopped")
    assert story(birth(1), 11.0, goodbye, listening_since_ms=None) == [*began, gone]
    assert story(birth(1), 11.0, goodbye, listening_since_ms=T0_MS + 400_000) == [
        *began, (400, "stale", None), gone
    ]  # fmt: skip


def test_loss_is_held_back_for_a_minute_after_connecting() -> None:
    hold = HoldDown()
    hold.connected(100)
    assert hold.holds(end(1), 101)
    assert hold.released(159) == []
    assert hold.released(160) == [end(1)]
    assert hold.released(161) == []


def test_a_node_that_comes_back_in_time_was_never_lost() -> None:
    hold = HoldDown()
    hold.connected(100)
    assert hold.holds(end(1), 101)
    assert not hold.holds(birth(2), 102)
    assert hold.released(200) == []


def test_loss_is_believed_at_once_for_a_node_heard_since_and_after_the_minute() -> None:
    hold = HoldDown()
    hold.connected(100)
    hold.heard("pi-3")
    assert not hold.holds(end(1), 101)
    hold.connected(200)
    assert hold.holds(end(1), 201)
    hold.connected(300)
    assert not hold.holds(end(1), 361)


def test_a_goodbye_is_never_held_back() -> None:
    hold = HoldDown()
    hold.connected(100)
    assert not hold.holds(end(1, "stopped"), 101)


def test_a_node_gets_a_receipt_at_most_once_a_second() -> None:
    schedule = ReceiptSchedule()
    assert schedule.wait_s(0) is None
    schedule.want(["a", "b"])
    assert schedule.due(10) == ["a", "b"]
    schedule.said("a", 10)
    schedule.want(["a"])
    assert schedule.due(10.5) == ["b"]
    schedule.said("b", 10.5)
    assert schedule.wait_s(10.5) == 0.5
    assert schedule.due(11) == ["a"]
