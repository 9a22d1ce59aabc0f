"""The document as it goes to the broker: with a revision, and a digest that tells it apart."""

import hashlib
from collections.abc import Iterable, Mapping

from pydantic import JsonValue
from pydantic_core import to_json

from rollcall.broker.messages import Applied, Fleet

NO_REVISION = 0


def digest(document: Mapping[str, JsonValue]) -> str:
    """Give `sha256:` and the hash of the document as compact JSON.

    The order of keys counts: of two templates the later one wins.
    """
    return f"sha256:{hashlib.sha256(to_json(document)).hexdigest()}"


def newest_revision(in_force: Fleet | None, applied: Iterable[Applied]) -> int:
    """Give the highest revision that anybody has seen, 0 for none.

    A broker that lost its memory has forgotten the document; the nodes have not.
    """
    seen = [each.revision for each in applied]
    return max([NO_REVISION if in_force is None else in_force.revision, *seen])


def sealed(
    document: Mapping[str, JsonValue],
    revision: int,
    *,
    file: str | None = None,
    lines: Mapping[str, int] | None = None,
) -> Fleet:
    """Make the message of a document; `lines` are those of its rules in `file`, for mails."""
    return Fleet(
        revision=revision,
        digest=digest(document),
        document=dict(document),
        file=file,
        lines=dict(lines or {}),
    )
