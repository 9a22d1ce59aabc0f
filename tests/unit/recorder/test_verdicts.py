"""What each error of each engine calls for: wait, reject the row, or give up."""

import sqlite3

import psycopg
import pytest
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DataError, IntegrityError, OperationalError

from rollcall.recorder.engine import Cause, Membership, Verdict
from rollcall.recorder.engines import database_of
from rollcall.recorder.postgresql import Postgresql

WAIT, POISON, BROKEN = Cause.WAIT, Verdict(Cause.POISON), Verdict(Cause.BROKEN)

STATES = [
    pytest.param("08006", Verdict(WAIT, "unreachable"), id="connection lost"),
    pytest.param("57P01", Verdict(WAIT, "unreachable"), id="shutting down"),
    pytest.param("57P03", Verdict(WAIT, "unreachable"), id="starting up"),
    pytest.param("57014", Verdict(WAIT, "interrupted"), id="statement cancelled"),
    pytest.param("25006", Verdict(WAIT, "read_only"), id="a standby"),
    pytest.param("28P01", Verdict(WAIT, "refused"), id="password changed"),
    pytest.param("3D000", Verdict(WAIT, "refused"), id="database gone"),
    pytest.param("40001", Verdict(WAIT, "conflict"), id="serialization"),
    pytest.param("40P01", Verdict(WAIT, "conflict"), id="deadlock"),
    pytest.param("53100", Verdict(WAIT, "full"), id="disk full"),
    pytest.param("53200", Verdict(WAIT, "out_of_memory"), id="out of memory"),
    pytest.param("53300", Verdict(WAIT, "overloaded"), id="too many connections"),
    pytest.param("55P03", Verdict(WAIT, "locked"), id="lock timeout"),
    pytest.param("58030", Verdict(WAIT, "input_output_error"), id="disk error"),
    pytest.param("22021", POISON, id="text that is none"),
    pytest.param("22003", POISON, id="number out of range"),
    pytest.param("23514", POISON, id="check violated"),
    pytest.param("54000", POISON, id="row that no index holds"),
    pytest.param("42P01", BROKEN, id="table gone"),
    pytest.param("XX001", BROKEN, id="corrupt"),
    pytest.param("0A000", BROKEN, id="not supported"),
]
CODES = [
    pytest.param(sqlite3.SQLITE_BUSY, Verdict(WAIT, "locked"), id="busy"),
    pytest.param(sqlite3.SQLITE_FULL, Verdict(WAIT, "full"), id="disk full"),
    pytest.param(
        sqlite3.SQLITE_IOERR_FSYNC, Verdict(WAIT, "input_output_error"), id="fsync failed"
    ),
    pytest.param(sqlite3.SQLITE_READONLY, Verdict(WAIT, "read_only"), id="read-only"),
    pytest.param(sqlite3.SQLITE_CANTOPEN, Verdict(WAIT, "cannot_open"), id="cannot be opened"),
    pytest.param(sqlite3.SQLITE_CORRUPT, BROKEN, id="corrupt"),
    pytest.param(sqlite3.SQLITE_NOTADB, BROKEN, id="no database"),
    pytest.param(sqlite3.SQLITE_ERROR, BROKEN, id="bad SQL"),
]


@pytest.mark.parametrize(("state", "verdict"), STATES)
def test_an_error_of_postgresql_calls_for(state: str, verdict: Verdict) -> None:
    database = Postgresql(make_url("postgresql://me@host/db"), Membership())
    raw = psycopg.errors.lookup(state)("said by the server")
    assert database.judge(raw) == verdict
    assert database.judge(OperationalError("SELECT 1", {}, raw)) == verdict


def test_a_connection_that_cannot_be_made_is_waited_for() -> None:
    database = Postgresql(make_url("postgresql://me@host/db"), Membership())
    raw = psycopg.OperationalError("connection refused")
    assert database.judge(OperationalError("", {}, raw)) == Verdict(WAIT, "unreachable")


@pytest.mark.parametrize(("code", "verdict"), CODES)
def test_an_error_of_sqlite_calls_for(code: int, verdict: Verdict) -> None:
    raw = sqlite3.OperationalError("said by the library")
    raw.sqlite_errorcode = code
    found = database_of("sqlite:////tmp/x.db").judge(OperationalError("SELECT 1", {}, raw))
    assert found == verdict


@pytest.mark.parametrize("url", ["sqlite:////tmp/x.db", "postgresql://me@host/db"])
def test_what_python_itself_refuses_costs_the_row(url: str) -> None:
    database = database_of(url)
    surrogate = UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed")
    raw = ValueError("no such value")
    errors = (surrogate, OverflowError(), DataError("", {}, raw), IntegrityError("", {}, raw))
    assert {database.judge(error) for error in errors} == {POISON}
