"""What several tests of the agent need."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rollcall.node_agent.spool import Spool
from tests.support.agent_stage import Stage


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """An agent and its surroundings, whose clock is faster than any thread: it waits for them."""
    monkeypatch.setattr("rollcall.node_agent.collection._PATIENCE_S", 5.0)
    monkeypatch.setattr("rollcall.node_agent.snapshot._APART_S", 0.0)
    with Spool(tmp_path) as spool:
        yield Stage(spool)
