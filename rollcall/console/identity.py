"""As whom we go to the broker, and what the access list lets that identity read."""

from typing import Final

from rollcall.broker.session import Endpoint
from rollcall.broker.topics import NODE_TREE_READERS, Kind, Role, branch_of, role_of

_ADMINISTRATORS: Final = frozenset({Role.ADMIN})


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


def may_read(identity: str | None, kind: Kind) -> bool:
    """Say whether the generated access list lets `identity` read what all nodes say of `kind`.

    Who has no name goes to a broker that asks for none, and may read everything.
    """
    if identity is None:
        return True
    role = role_of(identity)
    branch = branch_of(kind)
    by_tree = branch.levels[0] == "node" and role in NODE_TREE_READERS
    by_branch = role in branch.readers and role is not Role.NODE
    return role in _ADMINISTRATORS or by_tree or by_branch
