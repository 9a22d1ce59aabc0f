"""Fixtures that several folders of tests share."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import hypothesis
import pytest

from tests.support.mqtt import BrokerUnderTest
from tests.support.postgresql import PostgresqlUnderTest

# The same examples in every run, so that a change is judged by what it changes, on a machine of any
# speed; to look for new ones: `.venv/bin/pytest --hypothesis-profile=explore`.
hypothesis.settings.register_profile(
    "steady",
    derandomize=True,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.register_profile("explore", max_examples=500, deadline=None)
hypothesis.settings.load_profile("steady")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what asks for the server by itself, so that `./run check` can do without it."""
    for item in items:
        if "postgresql" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.postgresql)


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


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
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
