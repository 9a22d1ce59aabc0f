"""The authority signs what it should, no more, and forgets nothing."""

import datetime as dt
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from rollcall.broker import certificates
from rollcall.broker.certificates import CredentialError
from rollcall.broker.credentials import Authority, new_password

NOW = dt.datetime(2026, 11, 21, 14, 0, tzinfo=dt.UTC)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.create(tmp_path / "pki", name="test", now=NOW)


def certificate(pem: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem.encode())


def builder(authority: Authority, at: dt.datetime) -> verification.PolicyBuilder:
    store = verification.Store([certificate(authority.certificate_pem)])
    return verification.PolicyBuilder().store(store).time(at)


def revoked_serials(authority: Authority) -> set[int]:
    found = x509.load_pem_x509_crl(authority.revocations_file.read_bytes())
    return {one.serial_number for one in found}


def test_a_client_certificate_is_valid_for_397_days_and_from_yesterday(
    authority: Authority,
) -> None:
    made = certificate(authority.issue_client("pi-3", now=NOW).certificate_pem)
    assert made.not_valid_after_utc == NOW + dt.timedelta(days=397)
    assert made.not_valid_before_utc == NOW - dt.timedelta(days=1)


def test_a_client_certificate_is_good_for_a_client_and_for_nothing_else(
    authority: Authority,
) -> None:
    made = certificate(authority.issue_client("pi-3", now=NOW).certificate_pem)
    usage = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    names = made.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert [name.value for name in names] == ["pi-3"]
    server = builder(authority, NOW).build_server_verifier(x509.DNSName("pi-3"))
    with pytest.raises(verification.VerificationError):
        server.verify(made, [])


def test_a_server_certificate_holds_for_every_name_and_address_of_the_machine(
    authority: Authority,
) -> None:
    authority.issue_server(["hub", "hub.lan"], ["192.168.1.2", "fd00::2"], now=NOW)
    made = certificate(authority.server_certificate_file.read_text("utf-8"))
    policy = builder(authority, NOW)
    for host in ("hub", "hub.lan"):
        assert policy.build_server_verifier(x509.DNSName(host)).verify(made, [])
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    found = {str(one) for one in names.get_values_for_type(x509.IPAddress)}
    assert found == {"192.168.1.2", "fd00::2"}
    with pytest.raises(verification.VerificationError):
        policy.build_server_verifier(x509.DNSName("evil.lan")).verify(made, [])


def test_the_authority_may_sign_certificates_and_lists_but_no_further_authorities(
    authority: Authority,
) -> None:
    extensions = certificate(authority.certificate_pem).extensions
    constraints = extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert (constraints.value.ca, constraints.value.path_length) == (True, 0)
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.key_cert_sign
    assert usage.value.crl_sign
    assert not usage.value.digital_signature


def test_openssl_as_python_uses_it_takes_every_file(authority: Authority, tmp_path: Path) -> None:
    authority.issue_server(["hub"], [], now=NOW)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.server_certificate_file, authority.server_key_file)
    context.load_verify_locations(authority.certificate_file)
    context.load_verify_locations(authority.revocations_file)
    assert context.cert_store_stats()["crl"] == 1


def test_a_request_gets_the_name_it_was_invited_under_and_not_the_one_it_asks_for(
    authority: Authority,
) -> None:
    request, _ = certificates.new_request("recorder")
    made = certificate(authority.sign_request(request, "pi-3", now=NOW))
    assert made.subject.rfc4514_string() == "CN=pi-3"
    asked = x509.load_pem_x509_csr(request.encode())
    assert made.public_key() == asked.public_key()


def test_a_request_cannot_bring_extensions_of_its_own(authority: Authority) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([]))
        .add_extension(x509.BasicConstraints(ca=True, path_length=5), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = request.public_bytes(serialization.Encoding.PEM).decode()
    made = certificate(authority.sign_request(pem, "pi-3", now=NOW))
    assert not made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def forged_request() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([]))
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.DER)
    )
    forged = x509.load_der_x509_csr(request[:-1] + bytes([request[-1] ^ 1]))
    return forged.public_bytes(serialization.Encoding.PEM).decode()


def foreign_request(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


@pytest.mark.parametrize(
    ("request_pem", "why"),
    [
        pytest.param("", "no certificate signing request", id="nothing"),
        pytest.param("\udcff", "no certificate signing request", id="not text"),
        pytest.param("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----",
                     "no certificate signing request", id="broken"),
        pytest.param("A" * 20_000, "too long", id="oversize"),
        pytest.param(forged_request(), "not signed with its own key", id="forged"),
        pytest.param(foreign_request(rsa.generate_private_key(65537, 2048)),
                     "not on P-256", id="RSA"),
        pytest.param(foreign_request(ec.generate_private_key(ec.SECP384R1())),
                     "not on P-256", id="another curve"),
    ],
)  # fmt: skip
def test_a_request_that_is_none_is_refused_and_leaves_no_trace(
    authority: Authority, request_pem: str, why: str
) -> None:
    with pytest.raises(CredentialError, match=why):
        authority.sign_request(request_pem, "pi-3", now=NOW)
    assert authority.issued() == ()


@pytest.mark.parametrize(
    "name", ["", "a/b", "+", "#", "Pi-3", "pi_3", "recorder-/#", "recorder-+", "a" * 64, "a\nb"]
)
def test_a_name_that_would_mean_more_in_a_topic_gets_no_certificate(
    authority: Authority, name: str
) -> None:
    with pytest.raises(CredentialError, match="can be the name of"):
        authority.issue_client(name, now=NOW)
    assert authority.issued() == ()


def test_revoking_a_name_revokes_all_its_certificates_and_no_others(authority: Authority) -> None:
    for name in ("pi-3", "pi-3", "pi-4"):
        authority.issue_client(name, now=NOW)
    revoked = authority.revoke("pi-3", now=NOW)
    assert [one.name for one in revoked] == ["pi-3", "pi-3"]
    assert revoked_serials(authority) == {int(one.serial, 16) for one in revoked}
    assert [one.is_valid(NOW) for one in authority.issued()] == [False, False, True]
    assert authority.revoke("pi-3", now=NOW) == ()


def test_the_newest_certificate_can_be_spared(authority: Authority) -> None:
    for _ in range(2):
        authority.issue_client("pi-3", now=NOW)
    old, new = authority.issued()
    assert [one.serial for one in authority.revoke("pi-3", now=NOW, but=new.serial)] == [old.serial]


def test_the_broker_s_own_certificate_is_not_revoked_with_a_node_of_its_name(
    authority: Authority,
) -> None:
    authority.issue_server(["hub"], [], now=NOW)
    assert authority.revoke("hub", now=NOW) == ()


def test_a_renewed_list_holds_for_365_days_from_then_and_names_the_same_certificates(
    authority: Authority,
) -> None:
    authority.issue_client("pi-3", now=NOW)
    authority.revoke("pi-3", now=NOW)
    before = revoked_serials(authority)
    later = NOW + dt.timedelta(days=300)
    authority.renew_revocations(now=later)
    assert authority.revocations_end() == later + dt.timedelta(days=365)
    assert revoked_serials(authority) == before


def test_each_list_has_a_higher_number_than_the_one_before(authority: Authority) -> None:
    def number() -> int:
        found = x509.load_pem_x509_crl(authority.revocations_file.read_bytes())
        return found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number

    first = number()
    authority.renew_revocations(now=NOW)
    assert number() == first + 1


def test_every_file_is_its_owner_s_alone(authority: Authority) -> None:
    authority.issue_server(["hub"], [], now=NOW)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in authority.folder.iterdir()}
    assert set(modes.values()) == {0o600}, modes
    assert {"ca.crt", "ca.key", "broker.crt", "broker.key", "crl.pem", "issued.json"} < set(modes)
    assert stat.S_IMODE(authority.folder.stat().st_mode) == 0o700


def test_an_authority_is_found_again_with_all_that_it_signed(authority: Authority) -> None:
    authority.issue_client("pi-3", now=NOW)
    again = Authority.open(authority.folder)
    assert again.issued() == authority.issued()
    assert len(again.issued()) == 1


def test_a_second_authority_never_replaces_the_first(authority: Authority) -> None:
    before = authority.certificate_pem
    with pytest.raises(CredentialError, match="already"):
        Authority.create(authority.folder, name="other", now=NOW)
    assert authority.certificate_pem == before


def test_a_folder_without_an_authority_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(CredentialError, match="rollcall broker init"):
        Authority.open(tmp_path)


def test_a_damaged_register_is_refused_because_it_would_forget_what_is_revoked(
    authority: Authority,
) -> None:
    (authority.folder / "issued.json").write_text("{", "utf-8")
    with pytest.raises(CredentialError, match="damaged"):
        Authority.open(authority.folder)


def test_no_certificate_outlives_its_authority(authority: Authority) -> None:
    late = NOW + dt.timedelta(days=3600)
    made = certificate(authority.issue_client("pi-3", now=late).certificate_pem)
    assert made.not_valid_after_utc == NOW + dt.timedelta(days=3650)


def test_passwords_are_long_and_never_the_same() -> None:
    drawn = {new_password() for _ in range(100)}
    assert len(drawn) == 100
    assert {len(one) for one in drawn} == {32}


def test_a_certificate_for_our_key_and_name_is_taken(authority: Authority) -> None:
    made = authority.issue_client("pi-3", now=NOW)
    found = certificates.check_credential(made, authority.certificate_pem, "pi-3")
    assert found.not_after == NOW + dt.timedelta(days=397)


def test_a_certificate_that_is_not_ours_is_refused(authority: Authority, tmp_path: Path) -> None:
    made = authority.issue_client("pi-3", now=NOW)
    other = authority.issue_client("pi-3", now=NOW)
    stranger = Authority.create(tmp_path / "other", name="test", now=NOW)
    mixed = certificates.Credential(made.certificate_pem, other.key_pem)
    with pytest.raises(CredentialError, match="not for our key"):
        certificates.check_credential(mixed, authority.certificate_pem, "pi-3")
    with pytest.raises(CredentialError, match="not for pi-4"):
        certificates.check_credential(made, authority.certificate_pem, "pi-4")
    with pytest.raises(CredentialError, match="not from the authority"):
        certificates.check_credential(made, stranger.certificate_pem, "pi-3")
