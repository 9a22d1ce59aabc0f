"""The recorder dies right before or right after its COMMIT: everything is stored once.

The process kills itself with SIGKILL at the very place, on both engines; the same messages come
again, in another order and some of them twice, as a broker and an agent would send them.
"""

import random
import signal
import subprocess
import sys

import pytest

from rollcall.recorder.store import Store
from tests.support.database import ask, reading, receipt

BATCH = 40
DIES = """
import os, signal, sys
from sqlalchemy import event
from rollcall.recorder.store import Store
from tests.support.database import reading

url, moment, first, last = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

with Store(url) as store:
    dialect = store.open().dialect
    if moment == "before":
        event.listen(store.open(), "commit", die)
    else:
        commit = dialect.do_commit
        dialect.do_commit = lambda connection: (commit(connection), die())
    store.commit([reading(seq) for seq in range(first, last)])
"""


def crash(url: str, moment: str, first: int, last: int) -> None:
    arguments = [sys.executable, "-c", DIES, url, moment, str(first), str(last)]
    assert subprocess.run(arguments, check=False).returncode == -signal.SIGKILL


@pytest.mark.parametrize(("moment", "stored"), [("before", 0), ("after", BATCH - 1)])
def test_a_batch_whose_recorder_died_around_the_commit_is_stored_once(
    database_url: str, moment: str, stored: int
) -> None:
    with Store(database_url):
        pass
    crash(database_url, moment, 1, BATCH)
    assert ask(database_url, "SELECT count(*) FROM samples") == [(stored,)]
    numbers = [*range(1, BATCH), *range(10, 20)]
    random.Random(7).shuffle(numbers)  # noqa: S311 - a story that can be told again
    with Store(database_url) as store:
        again = store.commit([reading(seq) for seq in numbers])
        assert again.reports == BATCH - 1 - stored
        assert again.duplicates == len(numbers) - again.reports
        assert receipt(store) == (BATCH - 1, [])
    values = ask(database_url, "SELECT count(*), count(DISTINCT ts) FROM samples")
    assert values == [(BATCH - 1, BATCH - 1)]
    assert ask(database_url, "SELECT * FROM gaps") == []


def test_crash_after_crash_leaves_no_hole_and_no_copy(database_url: str) -> None:
    for first in range(1, 21, 10):
        crash(database_url, "before", first, first + 10)
        crash(database_url, "after", first, first + 5)
    with Store(database_url) as store:
        stored = store.commit([reading(seq) for seq in range(20, 0, -1)])
        assert (stored.reports, stored.duplicates) == (10, 10)
        assert receipt(store) == (20, [])
    assert ask(database_url, "SELECT count(*) FROM samples") == [(20,)]
