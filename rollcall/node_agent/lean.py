"""Importing a library without what it imports for something that we do not use.

An agent's memory is mostly what it imports. A module of the standard library that a library needs
only for a feature of its own may cost a tenth of it: an HTTP client, a parser of mails.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from types import ModuleType
from typing import Any, Final

# Hashes that Python brings itself: until 3.11, and from 3.12 on. Some systems build it without.
_OWN_HASHES: Final = ("_sha256", "_sha2")


class _NeverRaisedError(Exception):
    """Stands for what a module that is left out would raise."""


class _Empty(ModuleType):
    """Has every name: an error that nobody raises, or a function that finds nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _NeverRaisedError if name.endswith("Error") else _find_nothing


def _find_nothing(*_: object, **__: object) -> dict[str, str]:
    return {}


@contextmanager
def without(*names: str) -> Iterator[None]:
    """Import within without these modules: in their place stands one whose functions find nothing.

    Whoever imports them afterwards gets the real ones. One that is there already stays.
    """
    absent = {name: _Empty(name) for name in names if name not in sys.modules}
    sys.modules.update(absent)
    try:
        yield
    finally:
        for name, empty in absent.items():
            del sys.modules[name]
            above, _, leaf = name.rpartition(".")
            # `import a.b` finds the module b as a name in a.
            if above in sys.modules:
                setattr(sys.modules[above], leaf, empty)


@contextmanager
def without_openssl_hashes() -> Iterator[None]:
    """Import `hashlib` within on the hashes that Python brings, if it does: OpenSSL is large."""
    leave_out = "_hashlib" not in sys.modules and any(map(find_spec, _OWN_HASHES))
    if leave_out:
        # As documented for an import that is to fail: hashlib then takes its own.
        sys.modules["_hashlib"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if leave_out:
            del sys.modules["_hashlib"]
