"""Noise on the wire: every bit of a frame turned over, a stray pulse behind every byte.

Nothing tells of most of it when it happens. What was promised is checked here: the glass is right
again after a while in every case, and much of what is wrong is noticed within the next second.
`python -m bench.lcd_noise` does so with every bit of a frame of 20x4.
"""

import pytest

from tests.support.noise import flips, outcome_of, pulses

pytestmark = pytest.mark.long

FULL_16X2 = 139
FULL_20X4 = 325


@pytest.mark.parametrize(
    ("size", "count", "step"), [("16x2", FULL_16X2, 1), ("20x4", FULL_20X4, 9)]
)
def test_after_any_bit_turned_over_the_glass_is_right_again_within_half_a_minute(
    size: str, count: int, step: int
) -> None:
    found = outcome_of(flips(count, step), size)
    assert found.wrong > count // step * 2
    assert found.unhealed == 0
    assert found.noticed_at_once > 0.4 * found.wrong


@pytest.mark.parametrize(("size", "count"), [("16x2", FULL_16X2), ("20x4", FULL_20X4)])
def test_every_stray_pulse_that_changes_the_glass_is_noticed_within_a_second_and_a_half(
    size: str, count: int
) -> None:
    found = outcome_of(pulses(count), size)
    assert found.wrong > count // 3
    assert found.noticed_later == found.wrong
    assert found.unhealed == 0
