"""Which packages of requirements.lock go where; used by what builds packages and bundles."""

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
# What `rollcall-mqtt[console]` needs, with what that draws in: an agent needs paho-mqtt and
# pydantic, `rollcall node join` the rest.
NODE: Final = frozenset(
    {
        "annotated-types",
        "cffi",
        "click",
        "cryptography",
        "markdown-it-py",
        "mdurl",
        "paho-mqtt",
        "pycparser",
        "pydantic",
        "pydantic-core",
        "pygments",
        "rich",
        "tomli-w",
        "typing-extensions",
        "typing-inspection",
    }
)


def plain(name: str) -> str:
    """Give a package's name as all its spellings compare."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked() -> dict[str, str]:
    """Give the line of the lock file for each package of the hub, by plain name."""
    lines = (ROOT / "requirements.lock").read_text("utf-8").splitlines()
    return {plain(line.partition("==")[0]): line for line in lines if "==" in line}
