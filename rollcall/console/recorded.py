"""What the recorder has stored, in the words of the alert service's replay."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from rollcall.alerts.replay import RecordedSample, RecordedStatus, Span
from rollcall.console.options import EXIT_OUT_OF_REACH, CommandError
from rollcall.recorder import raw
from rollcall.recorder.overviews import HistoryAwayError, ask

_MS = 1000
T = TypeVar("T")


class Recorded:
    """The recorder's database behind `url`, as its readers see it; opened for each question.

    Methods raise CommandError with exit code 5.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def nodes(self) -> list[str]:
        """Name every node that was ever recorded."""
        return self._ask(raw.nodes)

    def samples(self, node: str, metrics: Sequence[str], span: Span) -> list[RecordedSample]:
        """Give the raw samples of a node's metrics, oldest first."""
        start, stop = round(span.begin * _MS), round(span.end * _MS)

        def question(asked: Any) -> list[RecordedSample]:
            return [
                RecordedSample(ts / _MS, name, instance or "", value)
                for name in metrics
                for ts, instance, value in raw.samples(asked, node, name, start, stop)
            ]

        found = self._ask(question)
        return sorted(found, key=lambda sample: sample.at)

    def availability(self, node: str, span: Span) -> list[RecordedStatus]:
        """Give what a node was within a span, oldest first; the first may have begun before."""
        start, stop = round(span.begin * _MS), round(span.end * _MS)
        found = self._ask(lambda asked: raw.states(asked, node, start, stop))
        return [RecordedStatus(ts / _MS, state, reason) for ts, state, reason in found]

    def _ask(self, question: Callable[[Any], T]) -> T:
        try:
            return ask(self._url, question)
        except HistoryAwayError as error:
            raise CommandError(
                f"the recorder's data cannot be read: {error}",
                "rollcall run recorder, or set [recorder] database in rollcall.toml",
                EXIT_OUT_OF_REACH,
            ) from error
