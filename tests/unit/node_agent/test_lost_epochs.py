"""What a recorder misses of an epoch whose spool is no more: told as gone, so that no gap stays."""

from collections.abc import Callable
from pathlib import Path

import pytest

from rollcall.broker.messages import Receipt, encode
from rollcall.broker.session import Ready
from rollcall.broker.topics import Kind
from rollcall.node_agent.spool import Spool
from rollcall.node_agent.spooled import Identity
from tests.support.agent_stage import BACKLOG_TOPIC, NODE, TOPICS, Stage, arrived

BEFORE = "0123456789abcdef"
RECEIPT = TOPICS.topic(Kind.RECEIPT, NODE)
HERE = Identity("machine-1", frozenset({"board-1"}))
ELSEWHERE = Identity("machine-2", frozenset({"board-2"}))


def damaged(folder: Path) -> str:
    (folder / "spool.db").write_bytes(b"not a database any more " * 100)
    return BEFORE


def copied(folder: Path) -> str:
    with Spool(folder, identity=ELSEWHERE) as spool:
        return spool.epoch


def whole(folder: Path) -> str:
    with Spool(folder, identity=HERE):
        return BEFORE


def told(folder: Path, epoch: str, *receipts: tuple[float, Receipt]) -> list[object]:
    """Run an agent that hears these receipts; give what it says of `epoch`."""
    with Spool(folder, identity=HERE) as spool:
        heard = [(at_s, arrived(RECEIPT, encode(receipt))) for at_s, receipt in receipts]
        client = Stage(spool).run((0.5, Ready(1)), *heard, end_s=5)
    batches = [each for each in client.all(BACKLOG_TOPIC) if each["epoch"] == epoch]
    return [tuple(span) for each in batches for span in each["evicted"]]


def receipt(epoch: str) -> Receipt:
    return Receipt(database="one", epoch=epoch, through=90, missing=[(3, 4), (70, 70)])


GONE = [(3, 4, "forgotten"), (70, 70, "forgotten")]


@pytest.mark.parametrize("lose", [damaged, copied])
@pytest.mark.parametrize("at_s", [0.3, 1.0], ids=["before we are ready", "after it"])
def test_what_is_missing_of_an_epoch_that_was_lost_is_told_as_gone(
    tmp_path: Path, lose: Callable[[Path], str], at_s: float
) -> None:
    epoch = lose(tmp_path)
    assert told(tmp_path, epoch, (at_s, receipt(epoch))) == GONE


def test_a_receipt_of_a_strange_epoch_means_nothing_to_a_spool_that_is_whole(
    tmp_path: Path,
) -> None:
    epoch = whole(tmp_path)
    assert told(tmp_path, epoch, (1.0, receipt(epoch))) == []


def test_of_a_copy_only_the_epoch_it_was_copied_with_is_given_up(tmp_path: Path) -> None:
    copied(tmp_path)
    assert told(tmp_path, BEFORE, (1.0, receipt(BEFORE))) == []
