"""Bring the database to the schema of this program, or refuse.

Tables come from the steps in `migrations`, views from `views`; all of it in one transaction, so
that a step either happened with its record or did not happen at all.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection

from rollcall.recorder import views
from rollcall.service.config import ConfigError, Fault

_STEPS: Final = Path(__file__).parent / "migrations"
_log = logging.getLogger(__name__)


def bring_up_to_date(connection: Connection, macros: Mapping[str, str], where: str) -> None:
    """Make or upgrade the schema within the transaction of `connection`.

    `where` names the database in errors. Raises ConfigError when it was made by a newer version
    of this program, or by something else.
    """
    # At INFO Alembic tells which contexts it made; what was done is said below.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = Config()
    config.set_main_option("script_location", str(_STEPS).replace("%", "%%"))
    config.attributes["connection"] = connection
    steps = ScriptDirectory.from_config(config)
    ours = steps.get_current_head()
    theirs = MigrationContext.configure(connection).get_current_revision()
    if theirs == ours:
        return
    if theirs is None and sqlalchemy.inspect(connection).get_table_names():
        raise _fault(where, "is no database of Rollcall; name another file")
    if theirs is not None and theirs not in {step.revision for step in steps.walk_revisions()}:
        raise _fault(
            where,
            f"has schema {theirs}, and this program knows schemas up to {ours}; "
            "install a newer Rollcall, or name another file",
        )
    views.drop_all(connection)
    command.upgrade(config, "head")
    views.create_all(connection, macros)
    _log.info("%s: schema %s", where, ours)


def identity(connection: Connection) -> str:
    """Give the UUID that was made with the database."""
    uuid: str = connection.execute(sqlalchemy.text("SELECT uuid FROM about")).scalar_one()
    return uuid


def _fault(where: str, text: str) -> ConfigError:
    return ConfigError("the configuration", [Fault("", f"[recorder] database: {where} {text}")])
