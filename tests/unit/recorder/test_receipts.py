"""Receipts while several recorders work: what is young is not called missing yet."""

from rollcall.broker.messages import Receipt
from rollcall.recorder.receipts import GRACE_S, YoungHoles


def receipt(through: int, *missing: tuple[int, int], epoch: str = "1" * 16) -> Receipt:
    return Receipt(database="db", epoch=epoch, through=through, missing=list(missing))


def said(found: Receipt) -> tuple[int, list[tuple[int, int]]]:
    return found.through, [(first, last) for first, last in found.missing]


def test_a_receipt_without_holes_is_said_as_it_is() -> None:
    assert said(YoungHoles().without("pi-3", receipt(9), 0)) == (9, [])


def test_a_receipt_ends_before_a_young_hole_and_says_it_when_it_is_old() -> None:
    holes = YoungHoles()
    assert said(holes.without("pi-3", receipt(9, (5, 6)), 100)) == (4, [])
    assert said(holes.without("pi-3", receipt(9, (5, 6)), 100 + GRACE_S - 0.1)) == (4, [])
    assert said(holes.without("pi-3", receipt(9, (5, 6)), 100 + GRACE_S)) == (9, [(5, 6)])


def test_an_old_hole_is_said_and_a_young_one_behind_it_is_not() -> None:
    holes = YoungHoles()
    holes.without("pi-3", receipt(9, (5, 6)), 100)
    later = 100 + GRACE_S
    found = holes.without("pi-3", receipt(20, (5, 6), (12, 12)), later)
    assert said(found) == (11, [(5, 6)])
    found = holes.without("pi-3", receipt(20, (5, 6), (12, 12)), later + GRACE_S)
    assert said(found) == (20, [(5, 6), (12, 12)])


def test_a_hole_that_is_filled_in_time_is_never_said() -> None:
    holes = YoungHoles()
    assert said(holes.without("pi-3", receipt(6, (5, 5)), 0)) == (4, [])
    assert said(holes.without("pi-3", receipt(7), 1)) == (7, [])


def test_nodes_and_epochs_have_holes_of_their_own() -> None:
    holes = YoungHoles()
    holes.without("pi-3", receipt(9, (5, 6)), 0)
    assert said(holes.without("pi-4", receipt(9, (5, 6)), GRACE_S)) == (4, [])
    assert said(holes.without("pi-3", receipt(9, (5, 6), epoch="2" * 16), GRACE_S)) == (4, [])
