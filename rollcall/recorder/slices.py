"""How SQLite orders the samples of open hours: by slices of twenty seconds, within one by series.

By time alone a commit writes fewest pages, but a question for one series reads everything. By
series alone a commit writes a page for each. In slices a commit writes some pages at the end, and
a question looks once into each slice. The column `slice` is `ts / SLICE_MS`; the planner of SQLite
leaps from slice to slice (it says `ANY(slice)`) because of the statistics that are stored with the
table. PostgreSQL has no slices: its partitions are ordered by series.
"""

from typing import Final

# A divisor of an hour, so that hours begin and end with a slice.
SLICE_MS: Final = 20_000


_LAST: Final = 4


def of_last_slices(row: str, ts: str) -> str:
    """Give the further condition with which `row` of `sample` is one of the minute before `ts`."""
    slices = ", ".join(f"{ts} / {SLICE_MS} - {back}" for back in range(_LAST))
    return f" AND {row}.slice IN ({slices})"


def of_slices_between(engine: str, row: str, start: str, stop: str) -> str:
    """Give the further condition with which rows of many series are looked for slice by slice.

    Named one by one the slices are found with one look for a series each; a leap needs two.
    """
    if engine != "sqlite":
        return ""
    return f"""
  AND {row}.slice IN (WITH RECURSIVE named(slice) AS (SELECT {start} / {SLICE_MS}
    UNION ALL SELECT slice + 1 FROM named WHERE slice < ({stop} - 1) / {SLICE_MS})
    SELECT slice FROM named)"""  # noqa: S608 - our own names and numbers


def of_same_slice(engine: str, row: str, ts: str) -> str:
    """Give the further condition with which `row` of `sample` at time `ts` is found at once."""
    return f" AND {row}.slice = {ts} / {SLICE_MS}" if engine == "sqlite" else ""
