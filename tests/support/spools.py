"""A spool filled, settled, broken and looked into."""

import sqlite3
from pathlib import Path

from rollcall.broker.messages import Receipt
from rollcall.node_agent.spool import Spool
from rollcall.node_agent.spooled import Item, Taken

AMPLE = 10**12
DAY_MS = 86_400_000


def at(seconds: float, boot: str = "boot-1") -> Taken:
    return Taken(boot, round(seconds * 1000), 1_767_225_600_000 + round(seconds * 1000))


def items(count: int, size: int = 20) -> list[Item]:
    return [Item("cpu", f'{{"n":"{"x" * size}"}}') for _ in range(count)]


def take(spool: Spool, count: int, now: Taken | None = None, size: int = 20) -> list[int]:
    with spool.transaction():
        return [stored.seq for stored in spool.take(items(count, size), now or at(0))]


def settle(spool: Spool, through: int, *missing: tuple[int, int], epoch: str = "") -> bool:
    receipt = Receipt(
        database="db-1", epoch=epoch or spool.epoch, through=through, missing=list(missing)
    )
    with spool.transaction():
        return spool.settle(receipt)


def held(spool: Spool) -> list[int]:
    return [stored.seq for stored in spool.waiting(10**9, [], 10**6)]


def unclean(path: Path) -> None:
    """Make a closed file look as if its process had ended with the power."""
    with sqlite3.connect(path) as db:
        db.execute("INSERT INTO meta SELECT 'open', ifnull(max(boot), '') FROM report")
    db.close()


def brought_into_the_file(path: Path) -> int:
    """Give the newest number that does not stand in the WAL alone."""
    with sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True) as db:
        made = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'report'").fetchone()
        found = db.execute("SELECT max(seq) FROM report").fetchone()[0] if made else None
    db.close()
    return found or 0


def fill_disk(spool: Spool) -> None:
    (pages,) = spool._db.execute("PRAGMA page_count").fetchone()
    spool._db.execute(f"PRAGMA max_page_count = {pages}")
