"""Ten agents, and everything killed every few seconds: every number is there once."""

from pathlib import Path

import pytest

from tests.support.monkey import monkey
from tests.support.postgresql import PostgresqlUnderTest

RAGE_S = 8.0
PAUSE_S = (0.5, 1.5)
SETTLE_S = 100.0


def check(folder: Path, url: str, server: PostgresqlUnderTest | None) -> None:
    with monkey(folder, url, server=server) as cluster:
        cluster.rage(RAGE_S, PAUSE_S)
        cluster.settle(SETTLE_S)
        account = cluster.account()
    assert account.is_exact, account
    assert account.issued > 500


@pytest.mark.timeout(240)
def test_a_monkey_costs_no_report_on_sqlite(tmp_path: Path) -> None:
    check(tmp_path, f"sqlite:///{tmp_path / 'rollcall.db'}", None)


@pytest.mark.timeout(240)
def test_a_monkey_costs_no_report_on_postgresql(tmp_path: Path) -> None:
    with PostgresqlUnderTest() as server, server.databases() as new:
        check(tmp_path, new(), server)
