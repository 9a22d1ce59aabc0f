"""Certificates as values: an authority of our own, what it signs, and what it revokes.

Pure: keys are drawn at random, everything else follows from the arguments, and nothing is read
from disk or clock. The only door to `cryptography`. Keys are on the curve P-256. A client
certificate is good for nothing but a client (extended key usage), so no node can pose as the
broker; its common name is what Mosquitto takes as user name and client id. RFC 5280 names the
extensions.
"""

import base64
import datetime as dt
import hashlib
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CLIENT_VALID: Final = dt.timedelta(days=397)
SERVER_VALID: Final = dt.timedelta(days=397)
AUTHORITY_VALID: Final = dt.timedelta(days=3650)
REVOCATIONS_VALID: Final = dt.timedelta(days=365)
# A node that boots without a clock of its own is behind until it has asked for the time.
CLOCKS_MAY_BE_BEHIND: Final = dt.timedelta(days=1)

_LONGEST_REQUEST_BYTES: Final = 16_384


class CredentialError(RuntimeError):
    """A certificate or key cannot be made or used; the text says why and what to try."""


class Purpose(StrEnum):
    """What a certificate is good for."""

    SERVER = "server"
    CLIENT = "client"


@dataclass(frozen=True, slots=True)
class Credential:
    """A certificate and its key, both as PEM text."""

    certificate_pem: str
    key_pem: str


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a certificate is for: the common name and, for a server, all that it answers to."""

    name: str
    purpose: Purpose
    hosts: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Details:
    """What a certificate says of itself; times are UTC."""

    serial: int
    name: str
    not_before: dt.datetime
    not_after: dt.datetime


def new_authority(name: str, now: dt.datetime) -> Credential:
    """Make a certificate authority that may sign certificates, but no further authorities."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _common_name(name)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCKS_MAY_BE_BEHIND)
        .not_valid_after(now + AUTHORITY_VALID)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return Credential(_pem(builder.sign(key, hashes.SHA256())), _key_pem(key))


def new_credential(
    authority: Credential, subject: Subject, now: dt.datetime, valid: dt.timedelta
) -> Credential:
    """Make a key, and a certificate for it. Raises CredentialError for an illegal subject."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate_pem = _signed(authority, subject, key.public_key(), now, valid)
    return Credential(certificate_pem, _key_pem(key))


def sign_request(
    authority: Credential, request_pem: str, subject: Subject, now: dt.datetime, valid: dt.timedelta
) -> str:
    """Certify the key of a certificate signing request, under `subject` and nothing it asks for.

    Raises CredentialError when it is no request, not signed with its own key, or not on P-256.
    """
    if len(request_pem) > _LONGEST_REQUEST_BYTES:
        raise CredentialError("the certificate signing request is too long")
    try:
        request = x509.load_pem_x509_csr(request_pem.encode())
        key = request.public_key()
        proven = request.is_signature_valid
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CredentialError("this is no certificate signing request") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise CredentialError("the key of the certificate signing request is not on P-256")
    if not proven:
        raise CredentialError("the certificate signing request is not signed with its own key")
    return _signed(authority, subject, key, now, valid)


def new_request(name: str) -> tuple[str, str]:
    """Make a key and a certificate signing request for it, as (request, key) in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateSigningRequestBuilder().subject_name(_common_name(name))
    return _pem(builder.sign(key, hashes.SHA256())), _key_pem(key)


def self_signed(name: str, now: dt.datetime, valid: dt.timedelta) -> Credential:
    """Make a certificate that nobody vouches for: whoever trusts it pins its public key."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(_common_name(name))
        .issuer_name(_common_name(name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCKS_MAY_BE_BEHIND)
        .not_valid_after(now + valid)
    )
    return Credential(_pem(builder.sign(key, hashes.SHA256())), _key_pem(key))


def revocation_list(
    authority: Credential, revoked: Iterable[tuple[int, dt.datetime]], number: int, now: dt.datetime
) -> str:
    """Write the list of revoked (serial, since) as PEM; it is valid for 365 days."""
    certificate = x509.load_pem_x509_certificate(authority.certificate_pem.encode())
    key = _private(authority)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(certificate.subject)
        .last_update(now - CLOCKS_MAY_BE_BEHIND)
        .next_update(now + REVOCATIONS_VALID)
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
        )
    )
    for serial, since in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(since)
        builder = builder.add_revoked_certificate(entry.build())
    return _pem(builder.sign(key, hashes.SHA256()))


def revocations_end(list_pem: str) -> dt.datetime:
    """Say until when a revocation list is valid. Raises CredentialError when it is none."""
    try:
        end = x509.load_pem_x509_crl(list_pem.encode()).next_update_utc
    except ValueError as error:
        raise CredentialError("this is no certificate revocation list") from error
    if end is None:
        raise CredentialError("the certificate revocation list names no end")
    return end


def details(certificate_pem: str) -> Details:
    """Read a certificate. Raises CredentialError when it is none."""
    try:
        certificate = x509.load_pem_x509_certificate(certificate_pem.encode())
    except ValueError as error:
        raise CredentialError("this is no certificate") from error
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return Details(
        serial=certificate.serial_number,
        name=str(names[0].value) if names else "",
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
    )


def check_credential(credential: Credential, authority_pem: str, name: str) -> Details:
    """Read a certificate that was given to us, and give what it says.

    Raises CredentialError unless it is for our key and our name, from this authority.
    """
    found = details(credential.certificate_pem)
    certificate = x509.load_pem_x509_certificate(credential.certificate_pem.encode())
    if certificate.public_key() != _private(credential).public_key():
        raise CredentialError("the certificate is not for our key")
    if found.name != name:
        raise CredentialError(f"the certificate is for {found.name[:80]!r}, not for {name}")
    try:
        authority = x509.load_pem_x509_certificate(authority_pem.encode())
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature) as error:
        raise CredentialError("the certificate is not from the authority it came with") from error
    return found


def server_names(certificate_pem: str) -> tuple[frozenset[str], frozenset[str]]:
    """Give the host names and addresses that a certificate is for. Raises CredentialError."""
    try:
        certificate = x509.load_pem_x509_certificate(certificate_pem.encode())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset(), frozenset()
    except ValueError as error:
        raise CredentialError("this is no certificate") from error
    hosts = names.get_values_for_type(x509.DNSName)
    addresses = names.get_values_for_type(x509.IPAddress)
    return frozenset(hosts), frozenset(str(address) for address in addresses)


def public_key_pin(certificate_der: bytes) -> str:
    """Give the SHA-256 of a certificate's public key, base64url without padding (43 characters).

    The digest is that of RFC 7469 and of curl's `--pinnedpubkey`. Raises CredentialError.
    """
    try:
        key = x509.load_der_x509_certificate(certificate_der).public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CredentialError("the server shows no certificate that can be read") from error
    info = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return base64.urlsafe_b64encode(hashlib.sha256(info).digest()).rstrip(b"=").decode()


def _signed(
    authority: Credential,
    subject: Subject,
    key: ec.EllipticCurvePublicKey,
    now: dt.datetime,
    valid: dt.timedelta,
) -> str:
    issuer = x509.load_pem_x509_certificate(authority.certificate_pem.encode())
    issuer_key = _private(authority)
    end = min(now + valid, issuer.not_valid_after_utc)
    client = subject.purpose is Purpose.CLIENT
    usage = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
    builder = (
        x509.CertificateBuilder()
        .subject_name(_common_name(subject.name))
        .issuer_name(issuer.subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCKS_MAY_BE_BEHIND)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
    )
    if not client:
        builder = builder.add_extension(_alternative_names(subject), critical=False)
    return _pem(builder.sign(issuer_key, hashes.SHA256()))


def _alternative_names(subject: Subject) -> x509.SubjectAlternativeName:
    try:
        return x509.SubjectAlternativeName(
            [
                *(x509.DNSName(host) for host in subject.hosts),
                *(x509.IPAddress(ipaddress.ip_address(one)) for one in subject.addresses),
            ]
        )
    except ValueError as error:
        raise CredentialError(f"a name or address of the server is illegal: {error}") from error


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _common_name(name: str) -> x509.Name:
    try:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    except ValueError as error:
        raise CredentialError(f"{name[:80]!r} cannot stand in a certificate: {error}") from error


def _private(authority: Credential) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(authority.key_pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise CredentialError("the key cannot be read") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise CredentialError("the key is not on a curve")
    return key


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def _pem(
    signed: x509.Certificate | x509.CertificateSigningRequest | x509.CertificateRevocationList,
) -> str:
    return signed.public_bytes(serialization.Encoding.PEM).decode()
