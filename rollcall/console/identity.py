"""As whom we go to the broker, and whether that identity hears what nodes answer."""

from rollcall.broker.session import Endpoint
from rollcall.broker.topics import Kind, Role, branch_of, role_of


def identity_of(broker: Endpoint) -> str | None:
    """Give the user name that the broker will see; None for nobody in particular.

    A certificate that cannot be read, or not without the package cryptography, names nobody.
    """
    if broker.certificate_file is None:
        return broker.username
    try:
        from rollcall.broker import certificates  # noqa: PLC0415 - a node has no cryptography

        return certificates.details(broker.certificate_file.read_text("utf-8")).name
    except ModuleNotFoundError:
        return broker.username
    except (OSError, UnicodeDecodeError, certificates.CredentialError):
        return broker.username


def may_read_answers(identity: str | None) -> bool:
    """Say whether the generated access list lets `identity` read what nodes say they apply.

    Who has no name goes to a broker that asks for none, and may read everything.
    """
    readers = (Role.ADMIN, *branch_of(Kind.APPLIED).readers)
    return identity is None or role_of(identity) in readers
