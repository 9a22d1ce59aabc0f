"""What can go wrong in the recorder, named for what can be done about it."""

from rollcall.service.config import ConfigError


class NewerSchemaError(ConfigError):
    """A newer version of this program has made the database."""


class RecorderError(RuntimeError):
    """The recorder cannot go on; the text says why and what to try."""


class DatabaseUnavailableError(RecorderError):
    """The database is locked, full or unreadable just now: the same batch may succeed later.

    `state` is one word for the status topic, such as `locked`.
    """

    def __init__(self, state: str, text: str) -> None:
        super().__init__(text)
        self.state = state


class DatabaseBrokenError(RecorderError):
    """The database is damaged, or our own SQL is: trying again does not help."""


class ForeignDatabaseError(RecorderError):
    """Another database gives receipts under this prefix: two of them would undo each other."""
