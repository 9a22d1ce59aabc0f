"""The certificate authority of a cluster, as files in a folder, and the passwords of its users.

The folder holds `ca.crt`, `ca.key`, `broker.crt`, `broker.key`, `crl.pem` and `issued.json`, the
list of what has been signed; each is replaced whole, mode 0600, and one process at a time changes
them. The time is an argument. A revocation takes effect when the broker reads `crl.pem` again
(SIGHUP).
"""

import datetime as dt
import fcntl
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from rollcall.broker import certificates
from rollcall.broker.certificates import Credential, CredentialError, Purpose, Subject
from rollcall.broker.private_files import make_private_folder, write_private
from rollcall.broker.topics import is_node_name, is_service_name

_AUTHORITY_CERTIFICATE: Final = "ca.crt"
_AUTHORITY_KEY: Final = "ca.key"
_SERVER_CERTIFICATE: Final = "broker.crt"
_SERVER_KEY: Final = "broker.key"
_REVOCATIONS: Final = "crl.pem"
_ISSUED: Final = "issued.json"
_LOCK: Final = ".lock"
_PASSWORD_BYTES: Final = 24
_LEVEL: Final = re.compile(r"[a-z0-9-]{1,63}")


class Issued(BaseModel):
    """A certificate that was signed; times are UTC. `serial` is hexadecimal."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    serial: str
    name: str
    purpose: Purpose
    not_before: dt.datetime
    not_after: dt.datetime
    revoked: dt.datetime | None = None

    def is_valid(self, now: dt.datetime) -> bool:
        """Say whether the broker would take it at `now`."""
        return self.revoked is None and self.not_before <= now < self.not_after


class _Register(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    revocations: int = 0
    certificates: tuple[Issued, ...] = ()


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority in a folder. Raises CredentialError, and OSError for the files."""

    folder: Path

    @classmethod
    def create(cls, folder: Path, *, name: str, now: dt.datetime) -> Self:
        """Make a new authority called `name` with an empty revocation list.

        Raises CredentialError when the folder holds one already.
        """
        authority = cls(folder)
        if authority.exists:
            raise CredentialError(f"{folder} holds a certificate authority already")
        make_private_folder(folder)
        with authority._alone():
            made = certificates.new_authority(name, now)
            write_private(folder / _AUTHORITY_KEY, made.key_pem)
            authority._write(_Register(), now, made)
            # Last: an authority exists from here on, and it is complete.
            write_private(folder / _AUTHORITY_CERTIFICATE, made.certificate_pem)
        return authority

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open the authority in `folder`. Raises CredentialError when there is none."""
        authority = cls(folder)
        if not authority.exists:
            raise CredentialError(
                f"{folder} holds no certificate authority; try: rollcall broker init"
            )
        authority._register()
        return authority

    @property
    def exists(self) -> bool:
        """Whether the folder holds a complete authority."""
        return self.certificate_file.is_file()

    @property
    def certificate_file(self) -> Path:
        """The authority's certificate, which everybody may have."""
        return self.folder / _AUTHORITY_CERTIFICATE

    @property
    def server_certificate_file(self) -> Path:
        """The broker's certificate."""
        return self.folder / _SERVER_CERTIFICATE

    @property
    def server_key_file(self) -> Path:
        """The broker's key."""
        return self.folder / _SERVER_KEY

    @property
    def revocations_file(self) -> Path:
        """The revocation list that the broker reads."""
        return self.folder / _REVOCATIONS

    @property
    def certificate_pem(self) -> str:
        """The authority's certificate."""
        return self.certificate_file.read_text("utf-8")

    def issue_server(
        self, hosts: Sequence[str], addresses: Sequence[str], *, now: dt.datetime
    ) -> Issued:
        """Make the broker's key and certificate for its host names and IP addresses, and keep them.

        Raises CredentialError when there is no host name or one of them is illegal.
        """
        if not hosts:
            raise CredentialError("a broker needs a host name")
        subject = Subject(hosts[0][:64], Purpose.SERVER, tuple(hosts), tuple(addresses))
        with self._alone():
            made = certificates.new_credential(
                self._credential(), subject, now, certificates.SERVER_VALID
            )
            issued = self._enter(made.certificate_pem, Purpose.SERVER)
            write_private(self.server_key_file, made.key_pem)
            write_private(self.server_certificate_file, made.certificate_pem)
        return issued

    def issue_client(self, name: str, *, now: dt.datetime) -> Credential:
        """Make a key and a certificate for a node or a service; the key is kept nowhere here."""
        subject = _client(name)
        with self._alone():
            made = certificates.new_credential(
                self._credential(), subject, now, certificates.CLIENT_VALID
            )
            self._enter(made.certificate_pem, Purpose.CLIENT)
        return made

    def sign_request(self, request_pem: str, name: str, *, now: dt.datetime) -> str:
        """Certify the key of a certificate signing request for `name`; its subject is ignored."""
        subject = _client(name)
        with self._alone():
            certificate_pem = certificates.sign_request(
                self._credential(), request_pem, subject, now, certificates.CLIENT_VALID
            )
            self._enter(certificate_pem, Purpose.CLIENT)
        return certificate_pem

    def revoke(self, name: str, *, now: dt.datetime, but: str | None = None) -> tuple[Issued, ...]:
        """Revoke every client certificate of `name` except the one with the serial `but`.

        Gives those that were revoked now; a repeated call gives none.
        """
        with self._alone():
            register = self._register()
            meant = [
                one
                for one in register.certificates
                if one.purpose is Purpose.CLIENT
                and one.name == name
                and one.revoked is None
                and one.serial != but
            ]
            after = tuple(
                one.model_copy(update={"revoked": now}) if one in meant else one
                for one in register.certificates
            )
            self._write(register.model_copy(update={"certificates": after}), now)
        return tuple(meant)

    def renew_revocations(self, *, now: dt.datetime) -> None:
        """Sign the revocation list anew: an expired one locks everybody out."""
        with self._alone():
            self._write(self._register(), now)

    def revocations_end(self) -> dt.datetime:
        """Say until when the revocation list is valid."""
        return certificates.revocations_end(self.revocations_file.read_text("utf-8"))

    def issued(self) -> tuple[Issued, ...]:
        """Give every certificate that was signed, in order, revoked and expired ones too."""
        return self._register().certificates

    @contextmanager
    def _alone(self) -> Iterator[None]:
        descriptor = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _credential(self) -> Credential:
        return Credential(self.certificate_pem, (self.folder / _AUTHORITY_KEY).read_text("utf-8"))

    def _register(self) -> _Register:
        path = self.folder / _ISSUED
        try:
            return _Register.model_validate_json(path.read_bytes())
        except ValidationError as error:
            # To go on without it would forget what is revoked.
            raise CredentialError(f"{path} is damaged; bring it back from a backup") from error

    def _enter(self, certificate_pem: str, purpose: Purpose) -> Issued:
        """Enter a certificate before anybody has it, so that it can always be revoked."""
        found = certificates.details(certificate_pem)
        issued = Issued(
            serial=f"{found.serial:x}",
            name=found.name,
            purpose=purpose,
            not_before=found.not_before,
            not_after=found.not_after,
        )
        register = self._register()
        changed = register.model_copy(update={"certificates": (*register.certificates, issued)})
        write_private(self.folder / _ISSUED, changed.model_dump_json(indent=1))
        return issued

    def _write(
        self, register: _Register, now: dt.datetime, credential: Credential | None = None
    ) -> None:
        changed = register.model_copy(update={"revocations": register.revocations + 1})
        revoked = [
            (int(one.serial, 16), one.revoked)
            for one in changed.certificates
            if one.revoked and one.not_after > now
        ]
        signed = certificates.revocation_list(
            credential or self._credential(), revoked, changed.revocations, now
        )
        write_private(self.folder / _ISSUED, changed.model_dump_json(indent=1))
        write_private(self.revocations_file, signed)


def new_password() -> str:
    """Draw a password that nobody guesses: 32 characters, 192 bits."""
    return secrets.token_urlsafe(_PASSWORD_BYTES)


def _client(name: str) -> Subject:
    # Mosquitto puts the common name into access patterns, where `a/b`, `+` and `#` mean more.
    if not (is_node_name(name) or (is_service_name(name) and _LEVEL.fullmatch(name))):
        raise CredentialError(f"{name[:80]!r} can be the name of no node and no service")
    return Subject(name, Purpose.CLIENT)
