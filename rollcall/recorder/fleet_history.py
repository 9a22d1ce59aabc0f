"""The fleet documents that were in force, and which groups they put each node into."""

import json
from collections.abc import Mapping
from typing import Final

from sqlalchemy import text
from sqlalchemy.engine import Connection

from rollcall.broker import fleet
from rollcall.recorder.findings import FleetFound

_NEWEST: Final = text("SELECT document FROM fleet_revision ORDER BY ts DESC, revision DESC LIMIT 1")
_REVISION: Final = text(
    "INSERT INTO fleet_revision (revision, digest, ts, document) "
    "VALUES (:revision, :digest, :ts, :document) ON CONFLICT (revision, digest) DO NOTHING"
)
_GROUPS: Final = text("UPDATE node SET groups = :groups WHERE node_id = :node_id")


def newest(connection: Connection) -> fleet.Fleet | None:
    """Give the document that was heard of last; None where there is none we understand."""
    document = connection.execute(_NEWEST).scalar_one_or_none()
    return None if document is None else _understood(document)


def write(connection: Connection, found: FleetFound) -> fleet.Fleet | None:
    """Keep a document, and give it; None where it is withdrawn or one we do not understand.

    One that we do not understand is kept too: a newer version may have put it into force.
    """
    if found.document is None:
        return None
    values = {"revision": found.revision, "digest": found.digest, "ts": found.ts}
    connection.execute(_REVISION, {**values, "document": found.document})
    return _understood(found.document)


def write_groups(
    connection: Connection,
    in_force: fleet.Fleet | None,
    labels_of: Mapping[str, Mapping[str, str]],
    ids: Mapping[str, int],
) -> None:
    """Write the groups of the nodes in `labels_of`, as JSON text; NULL without a document."""
    rows = [
        {
            "node_id": ids[node],
            "groups": in_force and json.dumps(in_force.groups_of(node, labels)),
        }
        for node, labels in labels_of.items()
    ]
    if rows:
        connection.execute(_GROUPS, rows)


def _understood(document: str) -> fleet.Fleet | None:
    try:
        return fleet.read(json.loads(document))
    except fleet.FleetError:
        return None
