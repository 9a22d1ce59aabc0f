"""What is replayed to a rule comes out of either engine alike."""

from pathlib import Path

import pytest

from rollcall.alerts.replay import RecordedSample, Span
from rollcall.console.options import EXIT_OUT_OF_REACH, CommandError
from rollcall.console.recorded import Recorded
from rollcall.recorder.rollups import HOUR_MS
from rollcall.recorder.store import Store
from tests.support.recorded_story import T0, recorded


def test_nodes_samples_and_states_are_read(database_url: str) -> None:
    with Store(database_url) as store:
        recorded(store)
        database = Recorded(database_url)
        span = Span(T0 / 1000, (T0 + 2 * HOUR_MS + 1) / 1000)
        samples = database.samples("pi-3", ["cpu.percent", "load.load1"], span)
        states = database.availability("pi-4", span)
        assert database.nodes() == ["pi-3", "pi-4"]
    assert len(samples) == 120
    assert samples[0] == RecordedSample(T0 / 1000 + 60, "cpu.percent", "", 1.0)
    assert [(state.state, state.reason) for state in states] == [
        ("online", None),
        ("offline", "stopped"),
    ]


def test_a_database_that_is_not_there_is_said_with_what_to_try(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read") as failed:
        Recorded(f"sqlite:///{tmp_path / 'nowhere.db'}").nodes()
    assert failed.value.code == EXIT_OUT_OF_REACH
