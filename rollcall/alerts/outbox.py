"""Alerts, incidents and mails on disk: a restart forgets nothing and tells nothing twice.

One SQLite file of the alert service's own, one connection, used by the main thread only; no other
program's lock can stop a mail. What is put is written by the next `commit`, in one durable
transaction. A commit that fails (disk full) keeps what was put for the next one, so that mails
leave from memory meanwhile.
"""

import logging
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from sqlalchemy import URL, Connection, Table, create_engine, delete, event, func, insert, select
from sqlalchemy.exc import SQLAlchemyError

from rollcall.alerts import schema
from rollcall.alerts.delivery import MailKey, MailState, QueuedMail
from rollcall.alerts.grouping import Incident
from rollcall.alerts.state import Alert, Key
from rollcall.broker.cluster import Now

_log = logging.getLogger(__name__)

_KEEP_OVER_S: Final = 30 * 86_400.0
_OVER: Final = (MailState.SENT, MailState.DEAD)


class OutboxError(RuntimeError):
    """The database cannot be used; the text says why and what to try."""


class NewerSchemaError(OutboxError):
    """The database was written by a newer version."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What a start finds; `fleet` is the last good message of `control/fleet`, if any."""

    install: str
    fleet: bytes
    alerts: list[Alert]
    incidents: list[Incident]
    mails: list[QueuedMail]
    dead: int


@dataclass
class _Unsaved:
    alerts: dict[Key, Alert | None] = field(default_factory=dict)
    incidents: dict[str, Incident | None] = field(default_factory=dict)
    mails: dict[MailKey, QueuedMail] = field(default_factory=dict)
    fleet: bytes | None = None

    def __bool__(self) -> bool:
        return bool(self.alerts or self.incidents or self.mails or self.fleet is not None)


class Outbox:
    """The database `path`; a context manager. Entering raises OutboxError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._engine = create_engine(URL.create("sqlite", database=str(path)))
        event.listen(self._engine, "connect", _make_durable)
        self._connection: Connection | None = None
        self._unsaved = _Unsaved()
        self.fault = ""

    def __enter__(self) -> Self:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = self._engine.connect()
            self._prepare(self._connection)
        except NewerSchemaError:
            self._close()
            raise
        except (SQLAlchemyError, OSError) as error:
            self._close()
            raise OutboxError(
                f"{self._path} cannot be used: {_cause(error)}; "
                "move it aside to start with an empty one"
            ) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def load(self, now: Now) -> Stored:
        """Read everything that is still going on; times are laid onto the clocks of `now`."""
        connection = self._opened
        with connection.begin():
            kept = {row.name: row.value for row in connection.execute(select(schema.KEPT))}
            alerts = [schema.alert_from(row) for row in connection.execute(select(schema.ALERT))]
            members = [
                (row.incident, schema.member_from(row))
                for row in connection.execute(select(schema.MEMBER))
            ]
            incidents = [
                schema.incident_from(
                    row, [member for name, member in members if name == row.id], now
                )
                for row in connection.execute(select(schema.INCIDENT))
            ]
            unsent = (
                select(schema.MAIL).where(schema.MAIL.c.state.not_in(_OVER)).order_by(*_IN_ORDER)
            )
            mails = [schema.mail_from(row) for row in connection.execute(unsent)]
            dead = connection.execute(
                select(func.count()).where(schema.MAIL.c.state == MailState.DEAD)
            ).scalar_one()
        install = kept["install"].decode()
        return Stored(install, kept.get("fleet", b""), alerts, incidents, mails, dead)

    def put_alert(self, key: Key, alert: Alert | None) -> None:
        """Note an alert as it stands; None when it is over."""
        self._unsaved.alerts[key] = alert

    def put_incident(self, name: str, incident: Incident | None) -> None:
        """Note an incident as it stands; None when it is closed."""
        self._unsaved.incidents[name] = incident

    def put_mails(self, mails: Iterable[QueuedMail]) -> None:
        """Note mails as they stand."""
        self._unsaved.mails.update({mail.key: mail for mail in mails})

    def put_fleet(self, payload: bytes) -> None:
        """Note the message of `control/fleet` in force; empty when there is none."""
        self._unsaved.fleet = payload

    def commit(self, now: Now) -> bool:
        """Write what was put, durably, in one transaction; False when the disk refuses."""
        if not self._unsaved:
            return True
        try:
            with self._opened.begin():
                self._write(self._opened, self._unsaved, now)
        except SQLAlchemyError as error:
            if not self.fault:
                _log.error("%s cannot be written: %s", self._path, _cause(error))
            self.fault = f"alerts are not being stored: {_cause(error)}"
            return False
        self._unsaved = _Unsaved()
        self.fault = ""
        return True

    @property
    def _opened(self) -> Connection:
        if self._connection is None:
            raise OutboxError("the outbox is used before it is entered")
        return self._connection

    def _prepare(self, connection: Connection) -> None:
        with connection.begin():
            version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
            if version > schema.VERSION:
                raise NewerSchemaError(
                    f"{self._path} is of schema {version}, this version knows {schema.VERSION}; "
                    "install the newer Rollcall again, or move the file aside"
                )
            if version < schema.VERSION:
                schema.METADATA.create_all(connection)
                name = secrets.token_hex(4).encode()
                connection.execute(_replace(schema.KEPT), {"name": "install", "value": name})
                connection.exec_driver_sql(f"PRAGMA user_version = {schema.VERSION}")

    def _write(self, connection: Connection, unsaved: _Unsaved, now: Now) -> None:
        for key, alert in unsaved.alerts.items():
            if alert is None:
                connection.execute(delete(schema.ALERT).filter_by(**key._asdict()))
            else:
                connection.execute(_replace(schema.ALERT), schema.alert_row(alert))
        for name, incident in unsaved.incidents.items():
            connection.execute(delete(schema.MEMBER).where(schema.MEMBER.c.incident == name))
            if incident is None:
                connection.execute(delete(schema.INCIDENT).where(schema.INCIDENT.c.id == name))
                continue
            connection.execute(_replace(schema.INCIDENT), schema.incident_row(incident))
            if incident.members:
                connection.execute(_replace(schema.MEMBER), schema.member_rows(incident))
        for mail in unsaved.mails.values():
            connection.execute(_replace(schema.MAIL), schema.mail_row(mail))
        if unsaved.mails:
            old = schema.MAIL.c.created_at < now.wall_s - _KEEP_OVER_S
            connection.execute(delete(schema.MAIL).where(old, schema.MAIL.c.state.in_(_OVER)))
        if unsaved.fleet is not None:
            connection.execute(_replace(schema.KEPT), {"name": "fleet", "value": unsaved.fleet})

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._engine.dispose()


_IN_ORDER: Final = (
    schema.MAIL.c.created_at,
    schema.MAIL.c.incident,
    schema.MAIL.c.sequence,
    schema.MAIL.c.recipient,
)


def _make_durable(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")


def _replace(table: Table) -> Any:
    return insert(table).prefix_with("OR REPLACE")


def _cause(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error)
