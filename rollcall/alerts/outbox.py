"""Alerts, incidents and mails on disk: a restart forgets nothing and tells nothing twice.

One SQLite file of the alert service's own, one connection, used by the main thread only; no other
program's lock can stop a mail. What is put is written by the next `commit`, in one durable
transaction. A commit that fails (disk full) keeps what was put for the next one, so that mails
leave from memory meanwhile.
"""

import logging
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from sqlalchemy import URL, Connection, Table, create_engine, delete, event, func, insert, select
from sqlalchemy.exc import SQLAlchemyError

from rollcall.alerts import history_schema, schema
from rollcall.alerts.delivery import MailKey, MailState, QueuedMail
from rollcall.alerts.flapping import Turns
from rollcall.alerts.grouping import Incident
from rollcall.alerts.means import Mean
from rollcall.alerts.silences import Silence
from rollcall.alerts.state import Alert, Key
from rollcall.broker.node_view import Now

_log = logging.getLogger(__name__)

_KEEP_OVER_S: Final = 30 * 86_400.0
_KEEP_MEANS_S: Final = 35 * 86_400.0
_OVER: Final = (MailState.SENT, MailState.DEAD, MailState.SUPERSEDED)


class OutboxError(RuntimeError):
    """The database cannot be used; the text says why and what to try."""


class NewerSchemaError(OutboxError):
    """The database was written by a newer version."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What a start finds; `fleet` is the last good message of `control/fleet`, if any.

    `kept` holds small things by name that programs of this package wrote with `put_kept`.
    """

    install: str
    fleet: bytes
    alerts: list[Alert]
    incidents: list[Incident]
    mails: list[QueuedMail]
    dead: int
    silences: list[Silence] = field(default_factory=list)
    kept: dict[str, bytes] = field(default_factory=dict)
    turns: list[Turns] = field(default_factory=list)
    means: dict[Key, list[Mean]] = field(default_factory=dict)


@dataclass
class _Unsaved:
    alerts: dict[Key, Alert | None] = field(default_factory=dict)
    incidents: dict[str, Incident | None] = field(default_factory=dict)
    mails: dict[MailKey, QueuedMail] = field(default_factory=dict)
    silences: dict[str, Silence | None] = field(default_factory=dict)
    kept: dict[str, bytes] = field(default_factory=dict)
    turns: dict[Key, Turns | None] = field(default_factory=dict)
    means: list[tuple[Key, Mean]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return any(getattr(self, each.name) for each in fields(self))


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
            silences = [
                schema.silence_from(row) for row in connection.execute(select(schema.SILENCE))
            ]
            turns = [
                history_schema.turns_from(row)
                for row in connection.execute(select(history_schema.TURNS))
            ]
            means: dict[Key, list[Mean]] = {}
            by_time = select(history_schema.MEAN).order_by(history_schema.MEAN.c.at)
            for key, mean in map(history_schema.mean_from, connection.execute(by_time)):
                means.setdefault(key, []).append(mean)
        install, fleet = kept["install"].decode(), kept.get("fleet", b"")
        return Stored(install, fleet, alerts, incidents, mails, dead, silences, kept, turns, means)

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
        self.put_kept("fleet", payload)

    def put_silence(self, name: str, silence: Silence | None) -> None:
        """Note a silence; None when it is over."""
        self._unsaved.silences[name] = silence

    def put_turns(self, key: Key, turns: Turns | None) -> None:
        """Note the transitions of an alert; None when they are to be forgotten."""
        self._unsaved.turns[key] = turns

    def put_means(self, means: Iterable[tuple[Key, Mean]]) -> None:
        """Note means of series that no sample changes any more."""
        self._unsaved.means.extend(means)

    def put_kept(self, name: str, value: bytes) -> None:
        """Note a small thing under a name of its own."""
        self._unsaved.kept[name] = value

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
                schema.bring_up_to_date(connection)
                name = secrets.token_hex(4).encode()
                connection.execute(
                    insert(schema.KEPT).prefix_with("OR IGNORE"),
                    {"name": "install", "value": name},
                )
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
        for name, value in unsaved.kept.items():
            connection.execute(_replace(schema.KEPT), {"name": name, "value": value})
        _write_silences(connection, unsaved)
        _write_history(connection, unsaved, now)

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


def _write_silences(connection: Connection, unsaved: _Unsaved) -> None:
    for name, silence in unsaved.silences.items():
        if silence is None:
            connection.execute(delete(schema.SILENCE).where(schema.SILENCE.c.id == name))
        else:
            connection.execute(_replace(schema.SILENCE), schema.silence_row(silence))


def _write_history(connection: Connection, unsaved: _Unsaved, now: Now) -> None:
    for key, turns in unsaved.turns.items():
        if turns is None:
            connection.execute(delete(history_schema.TURNS).filter_by(**key._asdict()))
        else:
            connection.execute(_replace(history_schema.TURNS), history_schema.turns_row(turns))
    if unsaved.means:
        rows = [history_schema.mean_row(key, mean) for key, mean in unsaved.means]
        connection.execute(_replace(history_schema.MEAN), rows)
        old = history_schema.MEAN.c.at < now.wall_s - _KEEP_MEANS_S
        connection.execute(delete(history_schema.MEAN).where(old))


def _replace(table: Table) -> Any:
    return insert(table).prefix_with("OR REPLACE")


def _cause(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error)
