"""Do something that may hang, and wait for it only so long."""

import queue
import threading
from collections.abc import Callable
from typing import TypeVar, cast

T = TypeVar("T")


def within(limit_s: float, work: Callable[[], T]) -> T:
    """Give what `work` gives, or raise what it raises.

    Raises TimeoutError after `limit_s`; it is then left alone, and does not keep the program from
    ending.
    """
    done: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            found = work()
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            done.put((None, error))
        else:
            done.put((found, None))

    threading.Thread(target=run, name="doctor", daemon=True).start()
    try:
        found, failure = done.get(timeout=limit_s)
    except queue.Empty:
        raise TimeoutError(f"nothing came within {limit_s:g} s") from None
    if failure is not None:
        raise failure
    return cast("T", found)
