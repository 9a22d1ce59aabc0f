"""Waiting for a condition with a limit, instead of sleeping and hoping."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(
    condition: Callable[[], T | None], timeout_s: float = 10.0, *, what: str = "the condition"
) -> T:
    """Give the first true answer of `condition`; fail the test after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come within {timeout_s} s; last was {answer!r}")
        time.sleep(0.02)
