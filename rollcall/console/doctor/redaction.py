"""Take out of a text what must not leave this machine: secrets, and people's addresses. Pure.

Known secrets go wherever they stand; what only looks like one goes by its form: key blocks, user
and password in URLs, mail addresses, the tokens of invitations and login links, long random words
behind a word such as `password` or `token`.
"""

import re
from collections.abc import Iterable
from typing import Final

from rollcall.console.config_words import HIDDEN

# Shorter words would be found inside of others, and no secret worth the name is shorter.
_SHORTEST: Final = 4
_FORMS: Final = (
    (re.compile(r"-----BEGIN [A-Z ]+-----.*?(?:-----END [A-Z ]+-----|\Z)", re.DOTALL), HIDDEN),
    (re.compile(r"(://)[^/@\s\"']+@"), rf"\1{HIDDEN}@"),
    (re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*"), HIDDEN),
    (re.compile(r"(/(?:join|login)/)[^\s\"']+"), rf"\1{HIDDEN}"),
    (
        re.compile(
            r"((?:(?:passw|secret|token|api_?key)(?!\w*_file)\w*|authorization)\"?\s*[=:]\s*\"?"
            r"(?:bearer |basic )?)[^\s\"',;&]+",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
)


def redacted(text: str, secrets: Iterable[str]) -> str:
    """Give `text` without any of `secrets`, and without what has the form of one."""
    for secret in sorted(set(secrets), key=len, reverse=True):
        if len(secret) >= _SHORTEST:
            text = text.replace(secret, HIDDEN)
    for form, instead in _FORMS:
        text = form.sub(instead, text)
    return text
