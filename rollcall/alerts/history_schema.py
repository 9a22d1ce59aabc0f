"""The tables for what is remembered of alerts and series: turns (flapping) and means."""

import json
from typing import Any, Final

from sqlalchemy import Column, Float, Integer, Row, String, Table

from rollcall.alerts.flapping import Turns
from rollcall.alerts.means import Mean
from rollcall.alerts.schema import METADATA
from rollcall.alerts.state import Key

TURNS: Final = Table(
    "turns",
    METADATA,
    Column("rule", String, primary_key=True),
    Column("node", String, primary_key=True),
    Column("instance", String, primary_key=True),
    Column("at", String, nullable=False),
    Column("flaps", Integer, nullable=False),
)
MEAN: Final = Table(
    "mean",
    METADATA,
    Column("rule", String, primary_key=True),
    Column("node", String, primary_key=True),
    Column("instance", String, primary_key=True),
    Column("at", Float, primary_key=True),
    Column("value", Float, nullable=False),
    Column("samples", Integer, nullable=False),
    Column("odd", Integer, nullable=False),
)


def turns_row(turns: Turns) -> dict[str, Any]:
    """Write the transitions of an alert as a row of `TURNS`."""
    return {**turns.key._asdict(), "at": json.dumps(turns.at), "flaps": int(turns.flaps)}


def turns_from(row: Row[Any]) -> Turns:
    """Read the transitions of an alert."""
    return Turns(Key(row.rule, row.node, row.instance), tuple(json.loads(row.at)), bool(row.flaps))


def mean_row(key: Key, mean: Mean) -> dict[str, Any]:
    """Write one mean of a series as a row of `MEAN`."""
    return {**key._asdict(), **mean._asdict(), "odd": int(mean.odd)}


def mean_from(row: Row[Any]) -> tuple[Key, Mean]:
    """Read one mean of a series, and which it belongs to."""
    mean = Mean(row.at, row.value, row.samples, bool(row.odd))
    return Key(row.rule, row.node, row.instance), mean
