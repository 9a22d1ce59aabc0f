"""Bring the database to the schema of this program, or refuse.

Tables come from the steps in `migrations`, views from `views`; all of it in one transaction, so
that a step either happened with its record or did not happen at all.
"""

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection

from rollcall.recorder import views
from rollcall.recorder.errors import NewerSchemaError
from rollcall.service.config import ConfigError, Fault

_STEPS: Final = Path(__file__).parent / "migrations"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a database stands: its schema (None: empty), ours, and the steps between, in order."""

    theirs: str | None
    ours: str
    pending: tuple[str, ...]

    @property
    def is_old(self) -> bool:
        """Whether it holds something that the steps would change."""
        return self.theirs is not None and bool(self.pending)


def standing(connection: Connection, where: str) -> Standing:
    """Look where the database stands; `where` names it in errors.

    Raises ConfigError when it was made by a newer version of this program (NewerSchemaError), or by
    something else.
    """
    steps = ScriptDirectory.from_config(_config(connection))
    known = [step.revision for step in reversed(list(steps.walk_revisions()))]
    theirs = MigrationContext.configure(connection).get_current_revision()
    if theirs is None:
        if sqlalchemy.inspect(connection).get_table_names():
            raise _fault(where, "is no database of Rollcall; name another one")
        return Standing(None, known[-1], tuple(known))
    if theirs not in known:
        newer = f"has schema {theirs}, and this program knows schemas up to {known[-1]}; "
        remedy = "install a newer Rollcall, or name another database"
        raise NewerSchemaError(*_told(where, newer + remedy))
    return Standing(theirs, known[-1], tuple(known[known.index(theirs) + 1 :]))


def bring_up_to_date(
    connection: Connection,
    macros: Mapping[str, str],
    where: str,
    done: Callable[[str], None] = lambda _step: None,
) -> None:
    """Make or upgrade the schema within the transaction of `connection`; tell each step `done`.

    Raises what `standing` raises.
    """
    found = standing(connection, where)
    if not found.pending:
        return
    views.drop_all(connection)
    config = _config(connection)
    config.attributes["done"] = done
    command.upgrade(config, "head")
    views.create_all(connection, macros)
    _log.info("%s: schema %s", where, found.ours)


def _config(connection: Connection) -> Config:
    # At INFO Alembic tells which contexts it made; what was done is said by us.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = Config()
    config.set_main_option("script_location", str(_STEPS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def identity(connection: Connection) -> str:
    """Give the UUID that was made with the database, or when it was restored from a backup."""
    return identities(connection)[0]


def identities(connection: Connection) -> list[str]:
    """Give the UUID, and those before it of the databases that this one was restored over."""
    query = sqlalchemy.text("SELECT uuid FROM about ORDER BY made_ts DESC, uuid")
    return [str(uuid) for uuid in connection.execute(query).scalars()]


def _fault(where: str, text: str) -> ConfigError:
    return ConfigError(*_told(where, text))


def _told(where: str, text: str) -> tuple[str, list[Fault]]:
    return "the configuration", [Fault("", f"[recorder] database: {where} {text}")]


def group(connection: Connection) -> str:
    """Give the name under which the recorders of this database divide their work.

    Nobody else can guess it. Mosquitto lets every client join a shared subscription whose name it
    knows, and gives it its share, even of what it may not read and then does not get.
    """
    query = "SELECT uuid, made_ts FROM about ORDER BY made_ts DESC, uuid LIMIT 1"
    row = connection.execute(sqlalchemy.text(query)).one()
    return hashlib.sha256(f"{row.uuid} {row.made_ts}".encode()).hexdigest()[:32]
