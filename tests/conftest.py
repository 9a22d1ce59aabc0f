"""Fixtures that several folders of tests share."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.support.mqtt import BrokerUnderTest
from tests.support.postgresql import PostgresqlUnderTest


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[BrokerUnderTest]:
    """A real Mosquitto of this test alone, on a random port, in a temporary folder."""
    with BrokerUnderTest(tmp_path / "broker") as running:
        yield running


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlUnderTest]:
    """A real PostgreSQL for all tests that break nothing of it."""
    with PostgresqlUnderTest() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def new_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], str]]:
    """Makes empty databases, on each engine in turn; gives their URLs."""
    if request.param == "sqlite":
        numbers = count(1)
        yield lambda: f"sqlite:///{tmp_path / f'rollcall-{next(numbers)}.db'}"
        return
    server: PostgresqlUnderTest = request.getfixturevalue("postgresql")
    with server.databases() as new:
        yield new


@pytest.fixture
def database_url(new_database: Callable[[], str]) -> str:
    """The URL of an empty database of this test alone, on each engine in turn."""
    return new_database()
