"""When nothing of a node was recorded, on both engines."""

from collections.abc import Callable

import pytest

from rollcall.recorder.findings import Intake
from rollcall.recorder.overviews import ask
from rollcall.recorder.rollups import DAY_MS, HOUR_MS, MINUTE_MS, close_oldest
from rollcall.recorder.silences import Silence, silences
from rollcall.recorder.store import Store
from tests.support.database import message, report
from tests.support.recorded_story import T0, cpu

STOP = T0 + 4 * HOUR_MS


def each_minute(node: str, minutes: range, every: int = 1) -> list[Intake]:
    """A reading at the beginning of each minute but those of `minutes`, for four hours."""
    return [
        cpu(n + 1, T0 + n * MINUTE_MS, 5.0, node) for n in range(0, 240, every) if n not in minutes
    ]


def load(n: int) -> Intake:
    at_ms = T0 + n * MINUTE_MS
    return message("node/pi-3/metrics/load", report(500 + n, at_ms, {"load1": 1.0}), at_ms)


@pytest.mark.parametrize("closed", [False, True], ids=["open hours", "closed hours"])
@pytest.mark.parametrize(
    ("story", "found"),
    [
        pytest.param(each_minute("pi-3", range(0)), [], id="nothing-is-missing"),
        pytest.param(
            each_minute("pi-3", range(100, 130)),
            [Silence("pi-3", T0 + 100 * MINUTE_MS, T0 + 130 * MINUTE_MS)],
            id="half-an-hour-is-missing",
        ),
        pytest.param(
            [*each_minute("pi-3", range(100, 130)), load(105), load(125)],
            [],
            id="something-else-was-recorded-meanwhile",
        ),
        pytest.param(each_minute("pi-3", range(0), 10), [], id="every-ten-minutes-is-usual-here"),
        pytest.param(
            each_minute("pi-3", range(200, 240)),
            [Silence("pi-3", T0 + 200 * MINUTE_MS, STOP)],
            id="silent-up-to-the-end",
        ),
        pytest.param(
            [*each_minute("pi-3", range(0)), cpu(1, T0 - DAY_MS, 5.0, "pi-4")],
            [Silence("pi-4", T0, STOP)],
            id="one-was-not-heard-of-at-all",
        ),
    ],
)
def test_a_silence_is_longer_than_usual_and_whole(
    new_database: Callable[[], str], story: list[Intake], found: list[Silence], *, closed: bool
) -> None:
    url = new_database()
    with Store(url) as store:
        store.commit(story)
        while closed and store.apply(lambda connection: close_oldest(connection, STOP + HOUR_MS)):
            pass
        assert ask(url, lambda connection: silences(connection, T0, STOP)) == found


def test_a_long_window_is_answered_by_hours(
    new_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rollcall.recorder.silences._MOST_BUCKETS", 60)
    url = new_database()
    with Store(url) as store:
        before = cpu(900, T0 - HOUR_MS, 5.0)
        store.commit([before, *each_minute("pi-3", range(60, 180))])
        while store.apply(lambda connection: close_oldest(connection, STOP + HOUR_MS)):
            pass
        found = ask(url, lambda connection: silences(connection, T0 - HOUR_MS, STOP))
    assert found == [Silence("pi-3", T0 + HOUR_MS, T0 + 3 * HOUR_MS)]
