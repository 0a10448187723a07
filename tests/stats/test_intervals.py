from __future__ import annotations

import math

import pytest

from realdb.stats.intervals import wilson


@pytest.mark.parametrize("total", [1, 2, 10, 46_837])
def test_wilson_ends_match_the_score_test(total: int) -> None:
    """Its ends are the shares p whose score (x/n - p) / sqrt(p (1 - p) / n) is 1.96."""
    for correct in {0, 1, total // 2, total - 1, total}:
        low, high = wilson(correct, total)
        assert 0 <= low <= correct / total <= high <= 1
        for end in (low, high):
            if 1e-9 < end < 1 - 1e-9:
                score = (correct / total - end) / math.sqrt(end * (1 - end) / total)
                assert abs(score) == pytest.approx(1.959963984540054, rel=1e-9)


def test_wilson_of_a_known_example() -> None:
    """E. B. Wilson's interval for ViT's 39,337 of 46,837, as `realdb accuracy` prints it."""
    assert wilson(39_337, 46_837) == (0.8365211288675101, 0.8431635012215746)
