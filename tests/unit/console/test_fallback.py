"""A machine without what reads a database is told of the broker, and of nothing else."""

import sys

import pytest

from rollcall.console.fallback import from_database, newest_recorded
from rollcall.console.options import CommandError
from rollcall.console.top_past import Database

AWAY = CommandError("the broker is out of reach", "rollcall up", 5)


def test_without_the_packages_the_broker_is_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "rollcall.console.from_database", None)
    monkeypatch.delattr("rollcall.console.from_database", raising=False)
    with pytest.raises(CommandError) as failed:
        from_database(AWAY, lambda: 1)
    assert failed.value is AWAY
    assert newest_recorded("sqlite:///nowhere/rollcall.db") is None
    assert "is not installed" in Database("sqlite:///nowhere/rollcall.db").then(1.0).failure


def test_a_driver_that_is_missing_is_said_beside_the_broker() -> None:
    def question() -> int:
        raise ModuleNotFoundError("No module named 'psycopg'", name="psycopg")

    with pytest.raises(CommandError, match=r"(?s)the broker is out of reach.*psycopg") as failed:
        from_database(AWAY, question)
    assert failed.value.code == 5
