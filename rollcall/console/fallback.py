"""What stands in when the broker is away, and what is asked when the recorder is."""

from collections.abc import Callable
from typing import TypeVar

from rollcall.console.options import CommandError
from rollcall.console.recording import Recording
from rollcall.service.settings import Settings

T = TypeVar("T")


def from_database(away: CommandError, question: Callable[[], T]) -> T:
    """Ask the database instead of the broker that is `away`.

    Raises CommandError, with the exit code of `away`, when the database does not answer either.
    """
    try:
        # A node has no database, and perhaps not what reads one.
        from rollcall.console.from_database import HistoryAwayError  # noqa: PLC0415 - see above
    except ModuleNotFoundError as missing:
        raise away from missing
    try:
        return question()
    except (HistoryAwayError, ModuleNotFoundError) as error:
        what = f"{away}\n  and nothing stands in for it: {error}"
        raise CommandError(what, away.remedy, away.code) from error


def dated(recording: Recording, settings: Settings) -> Recording:
    """Give the same with when something was recorded last, if it takes the database to say."""
    if recording.ok or recording.since is not None:
        return recording
    return recording.with_newest(newest_recorded(settings.recorder.database))


def newest_recorded(url: str) -> float | None:
    """Give when anything was recorded last, in Unix seconds; None where nobody can tell."""
    try:
        from rollcall.console.from_database import newest_sign  # noqa: PLC0415 - as above

        return newest_sign(url)
    except ModuleNotFoundError:
        return None
