"""Make a broker folder, or find what it lacks.

What has to be done is worked out first, as a list of changes with words: a dry run prints them, a
second run finds none. Keys and certificates that are good stay as they are.
"""

import datetime as dt
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rollcall.broker import certificates, passwords
from rollcall.broker.acl import access_list
from rollcall.broker.broker_folder import (
    OPERATOR,
    BrokerFolder,
    BrokerFolderError,
    Identity,
    Plan,
    account_ids,
)
from rollcall.broker.broker_reload import try_access_list
from rollcall.broker.credentials import Authority, new_password
from rollcall.broker.mosquitto_conf import LONGEST_SOCKET_PATH, Profile
from rollcall.broker.private_files import make_private_folder, write_private
from rollcall.broker.topics import Topics

# A year's list is signed anew when a day of it is used up: an expired one locks everybody out.
_REVOCATIONS_KEPT: Final = certificates.REVOCATIONS_VALID - dt.timedelta(days=1)
_RENEW_BEFORE: Final = dt.timedelta(days=132)
_LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Change:
    """Something that has to be done, in words, and how."""

    text: str
    do: Callable[[], None]


def changes(broker: BrokerFolder, now: dt.datetime) -> Iterator[Change]:
    """Give what the folder lacks, each to be done before the next is asked for, or none done.

    Raises BrokerFolderError, CredentialError, OSError.
    """
    if broker.account:
        _require_passable(broker)
    if len(os.fsencode(broker.socket)) > LONGEST_SOCKET_PATH:
        raise BrokerFolderError(
            f"{broker.socket} is too long a path for a socket; try: a shorter --folder"
        )
    if not broker.folder.is_dir():
        yield _folder(broker.folder)
    if broker.plan.profile is not Profile.LOOPBACK:
        yield from _authority(broker, now)
        yield from _identities(broker, now)
        yield from _access_list(broker)
    yield from _text(broker.configuration_file, broker.configuration)
    if not broker.state.is_dir():
        yield _folder(broker.state)
    yield from _modes(broker)
    # Last: what it says is there, and a run that was cut short goes on where it ended.
    yield from _text(broker.plan_file, broker.plan.model_dump_json(indent=1) + "\n")


def _authority(broker: BrokerFolder, now: dt.datetime) -> Iterator[Change]:
    authority, plan = broker.authority, broker.plan
    said = f"certificate for {', '.join((*plan.hosts, *plan.addresses))}"
    issue = _issuing_server(authority, plan, now)
    if not authority.exists:
        name = f"Rollcall on {plan.hosts[0]}"[:64]

        def create() -> None:
            Authority.create(authority.folder, name=name, now=now)

        yield Change(f"make a certificate authority in {authority.folder}", create)
        yield Change(f"issue the broker's {said}", issue)
        return
    Authority.open(authority.folder)
    if _is_worn(authority.server_certificate_file, now) or not _is_named(broker):
        yield Change(f"issue the broker's {said}", issue)
    if authority.revocations_end() - now < _REVOCATIONS_KEPT:
        yield Change(
            f"sign {authority.revocations_file} anew",
            lambda: authority.renew_revocations(now=now),
        )


def _issuing_server(authority: Authority, plan: Plan, now: dt.datetime) -> Callable[[], None]:
    def issue() -> None:
        authority.issue_server(plan.hosts, plan.addresses, now=now)

    return issue


def _is_named(broker: BrokerFolder) -> bool:
    """Say whether the server's certificate is for just these names and addresses."""
    found = certificates.server_names(broker.authority.server_certificate_file.read_text("utf-8"))
    return found == (frozenset(broker.plan.hosts), frozenset(broker.plan.addresses))


def _is_worn(certificate: Path, now: dt.datetime) -> bool:
    if not certificate.is_file():
        return True
    found = certificates.details(certificate.read_text("utf-8"))
    return found.not_after - now < _RENEW_BEFORE


def _identities(broker: BrokerFolder, now: dt.datetime) -> Iterator[Change]:
    for name in broker.plan.services:
        identity = broker.identity(name)
        if not identity.folder.is_dir():
            yield _folder(identity.folder)
        if broker.plan.profile is Profile.TLS and (
            _is_worn(identity.certificate, now) or not identity.key.is_file()
        ):
            yield _certificate(broker, identity, now)
        if broker.plan.profile is Profile.PASSWORD or name == OPERATOR:
            yield from _password(broker, identity)
        if not _is_copy(broker.authority.certificate_file, identity.authority):
            yield _copy(broker, identity)
        yield from _text(identity.configuration, configuration_lines(broker, identity))


def _access_list(broker: BrokerFolder) -> Iterator[Change]:
    wished = access_list(Topics(broker.plan.prefix), broker.plan.services)

    def put() -> None:
        # A broker that reads a list it does not understand restricts nothing.
        try_access_list(wished, broker.plan.prefix)
        write_private(broker.access_file, wished)

    if _read(broker.access_file) != wished:
        yield Change(f"write {broker.access_file}", put)


def _folder(path: Path) -> Change:
    return Change(f"make the folder {path}", lambda: make_private_folder(path))


def _copy(broker: BrokerFolder, identity: Identity) -> Change:
    def copy() -> None:
        write_private(identity.authority, broker.authority.certificate_pem)

    return Change(f"write {identity.authority}", copy)


def _certificate(broker: BrokerFolder, identity: Identity, now: dt.datetime) -> Change:
    def issue() -> None:
        made = broker.authority.issue_client(identity.name, now=now)
        write_private(identity.key, made.key_pem)
        write_private(identity.certificate, made.certificate_pem)

    return Change(f"issue a certificate for the service {identity.name}", issue)


def _password(broker: BrokerFolder, identity: Identity) -> Iterator[Change]:
    if not identity.password.is_file():
        yield Change(
            f"draw a password for the service {identity.name}",
            lambda: write_private(identity.password, f"{new_password()}\n"),
        )
    elif passwords.is_password(_read(broker.password_file), identity.name, _secret(identity)):
        return

    def enter() -> None:
        set_password(broker, identity.name, _secret(identity))

    yield Change(f"enter {identity.name} in {broker.password_file}", enter)


def set_password(broker: BrokerFolder, name: str, password: str) -> None:
    """Enter a user or change the password. The broker knows it after a reload. Raises OSError."""
    salt = secrets.token_bytes(passwords.SALT_BYTES)
    text = passwords.with_password(_read(broker.password_file), name, password, salt)
    write_private(broker.password_file, text)


def remove_password(broker: BrokerFolder, name: str) -> None:
    """Remove a user. A reload closes the user's connections. Raises OSError."""
    text = passwords.without_user(_read(broker.password_file), name)
    write_private(broker.password_file, text)


def configuration_lines(broker: BrokerFolder, identity: Identity) -> str:
    """Write the `[broker]` section that a service on this machine uses."""
    lines = [
        "[broker]",
        f'host = "{_LOOPBACK}"',
        f"port = {broker.plan.port}",
        f'prefix = "{broker.plan.prefix}"',
        f'ca_file = "{identity.authority}"',
    ]
    if broker.plan.profile is Profile.TLS:
        lines += [
            f'certificate_file = "{identity.certificate}"',
            f'key_file = "{identity.key}"',
        ]
    else:
        lines += [f'username = "{identity.name}"', f'password_file = "{identity.password}"']
    return "\n".join((*lines, ""))


def _text(path: Path, text: str) -> Iterator[Change]:
    if _read(path) != text:
        yield Change(f"write {path}", lambda: write_private(path, text))


def _read(path: Path) -> str:
    return path.read_text("utf-8") if path.is_file() else ""


def _secret(identity: Identity) -> str:
    return identity.password.read_text("utf-8").rstrip("\n")


def _is_copy(of: Path, copy: Path) -> bool:
    return of.is_file() and _read(of) == _read(copy)


def _modes(broker: BrokerFolder) -> Iterator[Change]:
    """Give what is needed for the broker's account to read its files, and nobody else.

    Folders stay the authority's owner's, and the account may enter them as their group.
    """
    if broker.account is None:
        return
    user, group = account_ids(broker.account)
    places = broker.places
    wished: list[tuple[Path, int, int, int]] = [(broker.folder, 0, group, 0o750)]
    read = [broker.configuration_file]
    if broker.plan.profile is not Profile.LOOPBACK:
        wished.append((broker.authority.folder, 0, group, 0o750))
        read += [places.access_list, places.passwords, places.authority]
        read += [places.certificate, places.key, places.revocations]
    wished += [(path, user, group, 0o600) for path in read]
    wished.append((broker.state, user, group, 0o700))
    for path, owner, its_group, mode in wished:
        found = path.stat() if path.exists() else None
        if found is None or (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) != (
            owner,
            its_group,
            mode,
        ):
            yield Change(
                f"let {broker.account} read {path}"
                if owner == 0
                else f"give {path} to {broker.account}",
                _giving(path, owner, its_group, mode),
            )


def _giving(path: Path, owner: int, group: int, mode: int) -> Callable[[], None]:
    def give() -> None:
        os.chown(path, owner, group)
        path.chmod(mode)

    return give


def _require_passable(broker: BrokerFolder) -> None:
    """Raise BrokerFolderError where the broker's account could not get to the folder."""
    assert broker.account
    user, group = account_ids(broker.account)
    for parent in broker.folder.parents:
        if not parent.exists():
            continue
        found = parent.stat()
        bit = stat.S_IXUSR if found.st_uid == user else stat.S_IXOTH
        bit = stat.S_IXGRP if found.st_gid == group and found.st_uid != user else bit
        if not found.st_mode & bit:
            raise BrokerFolderError(
                f"the account {broker.account} cannot enter {parent}, and so not {broker.folder}; "
                "try: rollcall broker init --folder /etc/rollcall/broker"
            )
