"""The alert service killed at random moments: nobody misses anything, nobody is told twice."""

from pathlib import Path

from tests.support.alert_monkey import Monkey


def test_fifteen_kills_lose_no_incident_and_double_none(tmp_path: Path) -> None:
    found = Monkey(tmp_path, seed=20_260_105, nodes=4).run(kills=15)
    assert found.faults == []
    assert (found.kills, found.lost, found.doubled) == (15, 0, 0)
    assert found.incidents >= 4
