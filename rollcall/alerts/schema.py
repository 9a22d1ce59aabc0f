"""The tables of the alert service, and how its values become rows and come back.

A database of an older version gets the tables and columns that it lacks when it is opened, and goes
on: a column that is not of the first version therefore has a `server_default` or may be null.
"""

import json
from dataclasses import astuple
from typing import Any, Final

from sqlalchemy import (
    Column,
    Connection,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    String,
    Table,
    inspect,
)
from sqlalchemy.schema import CreateColumn

from rollcall.alerts.delivery import Hold, MailKey, MailState, QueuedMail
from rollcall.alerts.grouping import Acknowledgement, Group, Incident, Member, Told
from rollcall.alerts.silences import Silence
from rollcall.alerts.state import Alert, AlertState, Key
from rollcall.broker.node_view import Now

VERSION: Final = 2

METADATA: Final = MetaData()
KEPT: Final = Table(
    "kept",
    METADATA,
    Column("name", String, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)
ALERT: Final = Table(
    "alert",
    METADATA,
    Column("rule", String, primary_key=True),
    Column("node", String, primary_key=True),
    Column("instance", String, primary_key=True),
    Column("state", String, nullable=False),
    Column("since", Float, nullable=False),
    Column("value", Float),
    Column("summary", String, nullable=False),
    Column("evaluated", Float, nullable=False),
    Column("held_s", Float, nullable=False),
    Column("cleared_s", Float, nullable=False),
)
INCIDENT: Final = Table(
    "incident",
    METADATA,
    Column("id", String, primary_key=True),
    Column("rule", String, nullable=False),
    Column("severity", String, nullable=False),
    Column("opened_at", Float, nullable=False),
    Column("scope", String, nullable=False),
    Column("mails", Integer, nullable=False),
    Column("told_at", Float),
    Column("receivers", String, nullable=False, server_default='["default"]'),
    Column("grouped_by", String, nullable=False, server_default="[]"),
    Column("acknowledged", String, nullable=False, server_default=""),
)
MEMBER: Final = Table(
    "member",
    METADATA,
    Column("incident", String, primary_key=True),
    Column("rule", String, primary_key=True),
    Column("node", String, primary_key=True),
    Column("instance", String, primary_key=True),
    Column("since", Float, nullable=False),
    Column("value", Float),
    Column("summary", String, nullable=False),
    Column("told", String, nullable=False),
    Column("ended_at", Float),
    Column("reason", String, nullable=False),
    Column("flaps", Integer, nullable=False, server_default="0"),
    Column("told_flapping", Integer, nullable=False, server_default="0"),
    Column("tells_its_end", Integer, nullable=False, server_default="1"),
)
MAIL: Final = Table(
    "mail",
    METADATA,
    Column("incident", String, primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("recipient", String, primary_key=True),
    Column("message_id", String, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("state", String, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("uncertain", Integer, nullable=False),
    Column("error", String, nullable=False),
    Column("receiver", String, nullable=False, server_default="default"),
    Column("hold", String, nullable=False, server_default=""),
    Column("gist", String, nullable=False, server_default=""),
    Column("short", Integer, nullable=False, server_default="0"),
    Column("failing_since", Float),
)
SILENCE: Final = Table(
    "silence",
    METADATA,
    Column("id", String, primary_key=True),
    Column("nodes", String, nullable=False),
    Column("rule", String, nullable=False),
    Column("instance", String, nullable=False),
    Column("starts_at", Float, nullable=False),
    Column("ends_at", Float, nullable=False),
    Column("comment", String, nullable=False),
)


def bring_up_to_date(connection: Connection) -> None:
    """Create the tables and columns that are missing."""
    METADATA.create_all(connection)
    found = inspect(connection)
    for table in METADATA.sorted_tables:
        present = {column["name"] for column in found.get_columns(table.name)}
        for column in table.columns:
            if column.name not in present:
                words = CreateColumn(column).compile(dialect=connection.dialect)
                connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {words}")


def alert_row(alert: Alert) -> dict[str, Any]:
    """Write an alert as a row of `ALERT`."""
    return {
        **alert.key._asdict(),
        "state": alert.state.value,
        "since": alert.since,
        "value": alert.value,
        "summary": alert.summary,
        "evaluated": alert.evaluated,
        "held_s": alert.held_s,
        "cleared_s": alert.cleared_s,
    }


def alert_from(row: Row[Any]) -> Alert:
    """Read an alert; its clock pauses until the next sample."""
    return Alert(
        key=Key(row.rule, row.node, row.instance),
        state=AlertState(row.state),
        since=row.since,
        value=row.value,
        summary=row.summary,
        evaluated=row.evaluated,
        held_s=row.held_s,
        cleared_s=row.cleared_s,
    )


def incident_row(incident: Incident) -> dict[str, Any]:
    """Write an incident, without its members, as a row of `INCIDENT`."""
    acknowledged = incident.acknowledged
    return {
        "id": incident.id,
        "rule": incident.rule,
        "severity": incident.severity,
        "opened_at": incident.opened_at,
        "scope": incident.scope,
        "mails": incident.mails,
        "told_at": incident.told_at,
        "receivers": json.dumps(incident.receivers),
        "grouped_by": json.dumps(incident.group.values),
        "acknowledged": json.dumps(astuple(acknowledged)) if acknowledged else "",
    }


def incident_from(row: Row[Any], members: list[Member], now: Now) -> Incident:
    """Read an incident; its times are laid onto the monotonic clock of `now`."""
    quiet_s = None if row.told_at is None else max(now.wall_s - row.told_at, 0.0)
    values = tuple((name, value) for name, value in json.loads(row.grouped_by))
    # A database of the first version knew only incidents of one rule.
    values = values or (("rule", row.rule),)
    return Incident(
        id=row.id,
        rule=row.rule,
        severity=row.severity,
        opened_at=row.opened_at,
        opened_s=now.monotonic_s,
        members={member.key: member for member in members},
        scope=row.scope,
        mails=row.mails,
        told_at=row.told_at,
        told_s=None if quiet_s is None else now.monotonic_s - quiet_s,
        group=Group(tuple(json.loads(row.receivers)), values, row.severity == "info"),
        acknowledged=Acknowledgement(*json.loads(row.acknowledged)) if row.acknowledged else None,
    )


def member_rows(incident: Incident) -> list[dict[str, Any]]:
    """Write the members of an incident as rows of `MEMBER`."""
    return [
        {
            "incident": incident.id,
            **member.key._asdict(),
            "since": member.since,
            "value": member.value,
            "summary": member.summary,
            "told": member.told.value,
            "ended_at": member.ended_at,
            "reason": member.reason,
            "flaps": int(member.flaps),
            "told_flapping": int(member.told_flapping),
            "tells_its_end": int(member.tells_its_end),
        }
        for member in incident.members.values()
    ]


def member_from(row: Row[Any]) -> Member:
    """Read a member of an incident."""
    return Member(
        key=Key(row.rule, row.node, row.instance),
        since=row.since,
        value=row.value,
        summary=row.summary,
        told=Told(row.told),
        ended_at=row.ended_at,
        reason=row.reason,
        flaps=bool(row.flaps),
        told_flapping=bool(row.told_flapping),
        tells_its_end=bool(row.tells_its_end),
    )


def mail_row(mail: QueuedMail) -> dict[str, Any]:
    """Write a mail as a row of `MAIL`."""
    return {
        **mail.key._asdict(),
        "message_id": mail.message_id,
        "content": mail.content,
        "created_at": mail.created_at,
        "state": mail.state.value,
        "attempts": mail.attempts,
        "uncertain": int(mail.uncertain),
        "error": mail.error,
        "receiver": mail.receiver,
        "hold": mail.hold.value,
        "gist": mail.gist,
        "short": int(mail.short),
        "failing_since": mail.failing_since,
    }


def mail_from(row: Row[Any]) -> QueuedMail:
    """Read a mail; it may be tried at once."""
    return QueuedMail(
        key=MailKey(row.incident, row.sequence, row.recipient),
        message_id=row.message_id,
        content=row.content,
        created_at=row.created_at,
        state=MailState(row.state),
        attempts=row.attempts,
        uncertain=bool(row.uncertain),
        error=row.error,
        receiver=row.receiver,
        hold=Hold(row.hold),
        gist=row.gist,
        short=bool(row.short),
        failing_since=row.failing_since,
    )


def silence_row(silence: Silence) -> dict[str, Any]:
    """Write a silence as a row of `SILENCE`."""
    return {
        "id": silence.id,
        "nodes": json.dumps(silence.nodes),
        "rule": silence.rule,
        "instance": silence.instance,
        "starts_at": silence.starts_at,
        "ends_at": silence.ends_at,
        "comment": silence.comment,
    }


def silence_from(row: Row[Any]) -> Silence:
    """Read a silence."""
    return Silence(
        id=row.id,
        nodes=tuple(json.loads(row.nodes)),
        rule=row.rule,
        instance=row.instance,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        comment=row.comment,
    )
