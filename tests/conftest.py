"""Fixtures that several folders of tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.mqtt import BrokerUnderTest


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[BrokerUnderTest]:
    """A real Mosquitto of this test alone, on a random port, in a temporary folder."""
    with BrokerUnderTest(tmp_path / "broker") as running:
        yield running
