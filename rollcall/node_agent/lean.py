"""Importing a library without what it imports for something that we do not use.

An agent's memory is mostly what it imports. A module of the standard library that a library needs
only for a feature of its own may cost a tenth of it: an HTTP client, a parser of mails.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


class _Empty(ModuleType):
    """Has every name; each is a function that finds nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _find_nothing


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
