"""A browser for the whole session; for each test a broker, a dashboard and a visitor who is in."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.support.browser import DashboardUnderTest, Visitor, chromium, visiting
from tests.support.mqtt import BrokerUnderTest


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def dashboard(tmp_path: Path, broker: BrokerUnderTest) -> Iterator[DashboardUnderTest]:
    with DashboardUnderTest(tmp_path, broker) as running:
        yield running


@pytest.fixture
def visitor(browser: Browser, dashboard: DashboardUnderTest) -> Iterator[Visitor]:
    """A browser that has used a login link; at the end nothing may have gone wrong on its page."""
    with visiting(browser, dashboard) as guest:
        yield guest


@pytest.fixture
def now_s() -> float:
    """The present, taken in the test: Unix seconds."""
    return time.time()
