"""How Alembic runs the steps: on the caller's connection, within the caller's transaction."""

from collections.abc import Collection, Mapping
from typing import Any

from alembic import context
from alembic.runtime.migration import MigrationContext, MigrationInfo

_attributes = context.config.attributes


def _tell(
    ctx: MigrationContext,  # noqa: ARG001 - Alembic passes all of them by name
    step: MigrationInfo,
    heads: Collection[Any],  # noqa: ARG001
    run_args: Mapping[str, Any],  # noqa: ARG001
) -> None:
    if done := _attributes.get("done"):
        done(step.up_revision_id)


context.configure(
    connection=_attributes["connection"], transactional_ddl=True, on_version_apply=_tell
)
with context.begin_transaction():
    context.run_migrations()
