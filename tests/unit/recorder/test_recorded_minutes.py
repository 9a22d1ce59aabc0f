"""When nothing was recorded of any node."""

import pytest

from rollcall.recorder.overviews import ask
from rollcall.recorder.recorded_minutes import gaps, holes, minutes
from rollcall.recorder.rollups import DAY_MS, HOUR_MS, MINUTE_MS, close_oldest
from rollcall.recorder.store import Store
from tests.support.recorded_story import NOW, T0, cpu


@pytest.mark.parametrize(
    ("known", "stop", "found"),
    [
        pytest.param([], 100, [], id="nothing was ever recorded"),
        pytest.param([0, 1, 2, 3], 4, [], id="every minute"),
        pytest.param([0, 1, 2, 5, 6], 7, [], id="two minutes are none"),
        pytest.param([0, 1, 2, 6, 7], 8, [(3, 6)], id="three are"),
        pytest.param([0, 1, 2], 9, [(3, 9)], id="up to the end"),
        pytest.param([0, 30, 60, 90], 100, [], id="who reports each half hour is not silent"),
        pytest.param([0, 30, 60, 90, 300], 301, [(91, 300)], id="but after hours"),
        pytest.param([5], 6, [], id="a single minute"),
    ],
)
def test_longer_than_usual_is_a_gap(
    known: list[int], stop: int, found: list[tuple[int, int]]
) -> None:
    told = holes([minute * MINUTE_MS for minute in known], stop * MINUTE_MS)
    assert [(begin // MINUTE_MS, end // MINUTE_MS) for begin, end in told] == found


def test_one_node_that_goes_on_is_enough_on_either_engine(database_url: str) -> None:
    of_one = [n for n in range(185) if not 30 <= n < 40 and not 150 <= n < 170]
    of_other = [n for n in range(185) if 35 <= n < 50]
    with Store(database_url) as store:
        store.commit([cpu(n + 1, T0 + n * MINUTE_MS, 1.0) for n in of_one])
        store.commit([cpu(n + 1, T0 + n * MINUTE_MS, 1.0, "pi-4") for n in of_other])
        while store.apply(lambda connection: close_oldest(connection, NOW)):
            pass
        found = ask(database_url, lambda asked: gaps(asked, T0, NOW))
        clipped = ask(database_url, lambda asked: gaps(asked, T0 + 32 * MINUTE_MS, T0 + HOUR_MS))
        known = ask(database_url, lambda asked: minutes(asked, T0, NOW))
        assert ask(database_url, lambda asked: gaps(asked, T0 - 40 * DAY_MS, NOW)) == []
    assert found == [
        (T0 + 30 * MINUTE_MS, T0 + 35 * MINUTE_MS),
        (T0 + 150 * MINUTE_MS, T0 + 170 * MINUTE_MS),
    ]
    assert clipped == [(T0 + 32 * MINUTE_MS, T0 + 35 * MINUTE_MS)]
    assert len(known) == len({*of_one, *of_other})
