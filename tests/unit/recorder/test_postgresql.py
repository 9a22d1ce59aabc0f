"""What is PostgreSQL's own: durable sessions, days made ahead, locks among members."""

import time
from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import text

from rollcall.recorder import queries
from rollcall.recorder.engine import Membership
from rollcall.recorder.postgresql import partition_of
from rollcall.recorder.store import Store
from rollcall.service.lock import AlreadyRunningError
from tests.support.database import NOW_MS, ask, filled, message, reading, report
from tests.support.postgresql import PostgresqlUnderTest
from tests.support.waiting import wait_until

DAY_MS = 86_400_000
MEMBERS = [Membership(name, shared=True) for name in ("recorder", "recorder-2")]


@pytest.fixture
def url(postgresql: PostgresqlUnderTest) -> Iterator[str]:
    with postgresql.databases() as new:
        yield new()


def partitions(url: str) -> set[str]:
    query = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'sample'::regclass"
    return {name for (name,) in ask(url, query)}


def test_commits_are_durable_whatever_the_server_does_by_default(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off".encode())
    with Store(url) as store:
        shown = store.apply(lambda c: c.execute(text("SHOW synchronous_commit")).scalar_one())
    assert shown == "on"


def test_a_database_without_an_encoding_is_used_like_any_other(
    postgresql: PostgresqlUnderTest,
) -> None:
    name = "without_encoding"
    postgresql.run(f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' TEMPLATE template0")
    url = postgresql.url(name)
    told = report(1, NOW_MS, {}, instances={"/mnt/Küche": {"used_percent": 40}})
    disk = message("node/pi-3/metrics/disk", told, NOW_MS)
    with filled(url, [disk]), queries.reading(url) as engine, engine.connect() as connection:
        found = connection.execute(text("SELECT DISTINCT instance FROM samples")).scalars().all()
    postgresql.run(f"DROP DATABASE {name} WITH (FORCE)")
    assert found == ["/mnt/Küche"]


def test_days_are_made_ahead_and_none_takes_what_has_no_day(url: str) -> None:
    today = time.time_ns() // 1_000_000 // DAY_MS
    with filled(url, [reading(1)]):
        ahead = {partition_of(today + days) for days in range(3)}
        old = partition_of(reading(1).received_ms // DAY_MS)
        assert partitions(url) == ahead | {old}
    default = "SELECT partdefid FROM pg_partitioned_table WHERE partrelid = 'sample'::regclass"
    assert ask(url, default) == [(0,)]


def test_a_batch_across_midnight_is_in_two_days(url: str) -> None:
    midnight = NOW_MS // DAY_MS * DAY_MS
    batch = [
        message("node/pi-3/metrics/cpu", report(seq, at, {"percent": seq}), at)
        for seq, at in ((1, midnight - 1), (2, midnight))
    ]
    with filled(url, batch):
        for offset in (-1, 0):
            day = partition_of(midnight // DAY_MS + offset)
            assert ask(url, f"SELECT count(*) FROM {day}") == [(1,)]


def test_two_members_store_each_number_once_and_one_leads(url: str) -> None:
    one, two = MEMBERS
    with Store(url, one) as first, Store(url, two) as second:
        assert (first.leads(), second.leads(), first.leads()) == (True, False, True)
        assert first.group == second.group
        assert first.commit([reading(1), reading(2)]).reports == 2
        stored = second.commit([reading(2), reading(3)])
        assert (stored.reports, stored.duplicates) == (1, 1)
        assert first.commit([reading(3), reading(4)]).duplicates == 1
        second.refresh(["pi-3"])
        said = second.receipt("pi-3")
        assert said is not None
        assert (said.through, said.missing) == (4, [])
    assert ask(url, "SELECT first_seq, last_seq FROM ledger") == [(1, 4)]
    assert ask(url, "SELECT count(*) FROM samples") == [(4,)]


def test_a_series_that_two_members_make_is_one_and_begins_with_its_oldest_sample(url: str) -> None:
    one, two = MEMBERS
    with Store(url, one) as first, Store(url, two) as second:
        first.commit([reading(5)])
        second.commit([reading(3)])
        assert ask(url, "SELECT count(*), min(first_ts) FROM series") == [(1, NOW_MS - 97_000)]
        first.commit([reading(4)])
        assert ask(url, "SELECT count(*), min(first_ts) FROM series") == [(1, NOW_MS - 97_000)]
    assert ask(url, "SELECT count(*) FROM samples") == [(3,)]


def test_who_leads_is_followed_by_the_next_one(url: str) -> None:
    one, two = MEMBERS
    with Store(url, two) as second:
        with Store(url, one) as first:
            assert (first.leads(), second.leads()) == (True, False)
        wait_until(second.leads, what="the lead")


@pytest.mark.parametrize(
    ("there", "comes"),
    [
        pytest.param(MEMBERS[0], MEMBERS[0], id="a second one of the same name"),
        pytest.param(Membership(), MEMBERS[1], id="a member beside one alone"),
        pytest.param(MEMBERS[1], Membership(), id="one alone beside a member"),
    ],
)
def test_a_place_that_is_taken_is_refused(
    url: str, monkeypatch: pytest.MonkeyPatch, there: Membership, comes: Membership
) -> None:
    monkeypatch.setattr("rollcall.recorder.postgresql._ALREADY_AFTER_S", 0.3)
    with Store(url, there), pytest.raises(AlreadyRunningError, match="shared = true"):
        Store(url, comes).__enter__()


def test_of_several_servers_the_one_that_can_be_written_is_taken(
    postgresql: PostgresqlUnderTest, url: str
) -> None:
    name = url.partition("@/")[2].partition("?")[0]
    hosts = f"host=127.0.0.1:1&host={postgresql.folder}:5432&target_session_attrs=read-write"
    with Store(f"postgresql://rollcall@/{name}?{hosts}") as store:
        assert store.commit([reading(1)]).reports == 1


def test_a_password_is_never_shown(url: str) -> None:
    secret = "postgresql://me:s3cret@127.0.0.1:1/db"
    with Store(secret) as store:
        assert "s3cret" not in store._database.where
