"""The masks of dropout: the published generator, the definition in plain integers, and as random as they must be."""

import numpy as np
import pytest

from fastrnn import reference
from fastrnn.reference.masks import row_keys


def test_keys_are_the_published_outputs_of_splitmix64():
    outputs = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]  # from the state 0
    assert [int(key) for key in row_keys(0, 3)] == outputs


def mask_by_hand(seed, rows, columns, rate):
    """Return the mask in Python's own integers."""
    result = np.empty((rows, columns), bool)
    for row in range(rows):
        z = (seed + (row + 1) * 0x9E3779B97F4A7C15) % 2**64
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
        z ^= z >> 31
        low, high = z % 2**32, z >> 32
        for column in range(columns):
            v = (column * 0x9E3779B1 + low) % 2**32
            v ^= v >> 16
            v = (v * 0x7FEB352D + high) % 2**32
            v ^= v >> 15
            v = v * 0x846CA68B % 2**32
            v ^= v >> 16
            result[row, column] = v >> 1 < int(rate * 2**31)
    return result


@pytest.mark.parametrize("rate", [0.0, 1e-9, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("seed", [0, 1, 2**63, 2**64 - 1])
def test_masks_by_their_definition(seed, rate):
    np.testing.assert_array_equal(reference.dropped(seed, 7, 33, rate), mask_by_hand(seed, 7, 33, rate))


def test_nothing_is_dropped_at_rate_zero_and_all_at_one():
    assert not reference.dropped(5, 40, 50, 0.0).any()
    assert reference.dropped(5, 40, 50, 1.0).all()


def test_a_part_of_the_mask_is_the_mask_of_the_part():
    np.testing.assert_array_equal(reference.dropped(9, 30, 40, 0.4)[:11, :7], reference.dropped(9, 11, 7, 0.4))


def test_an_empty_mask():
    assert reference.dropped(0, 0, 5, 0.5).shape == (0, 5)
    assert reference.dropped(0, 5, 0, 0.5).shape == (5, 0)


# ---- statistics: the seeds are fixed, so that what passes once passes always ----

ROWS, COLUMNS = 1000, 512
SEEDS = [0, 1, 123456789, 2**64 - 1]


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("seed", SEEDS)
def test_rates_of_all_of_each_row_and_of_each_column(seed, rate):
    gone = reference.dropped(seed, ROWS, COLUMNS, rate)
    sigma = np.sqrt(rate * (1 - rate))
    assert abs(gone.mean() - rate) < 5 * sigma / np.sqrt(gone.size)
    # of 1,000 rows or 512 columns one is off by 5σ once in 2,000 masks
    assert np.abs(gone.mean(0) - rate).max() < 5 * sigma / np.sqrt(ROWS)
    assert np.abs(gone.mean(1) - rate).max() < 5 * sigma / np.sqrt(COLUMNS)
    # and they scatter as independent elements do, not less: the variance of n squared normals is 2/n
    for means, size in ((gone.mean(0), ROWS), (gone.mean(1), COLUMNS)):
        scatter = ((means - rate) ** 2).mean() * size / sigma**2
        assert abs(scatter - 1) < 5 * np.sqrt(2 / len(means))


def correlation(a, b, rate):
    """Return the correlation of two masks in units of the standard deviation that independent ones have."""
    return ((a - rate) * (b - rate)).mean() / (rate * (1 - rate)) * np.sqrt(a.size)


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("seed", SEEDS)
def test_rows_columns_and_seeds_know_nothing_of_each_other(seed, rate):
    gone = reference.dropped(seed, ROWS, COLUMNS, rate)
    for lag in (1, 2, 3, 7, 8, 16, 64, 256):
        assert abs(correlation(gone[lag:], gone[:-lag], rate)) < 5, f"rows, lag {lag}"
        assert abs(correlation(gone[:, lag:], gone[:, :-lag], rate)) < 5, f"columns, lag {lag}"
        assert abs(correlation(gone[lag:, lag:], gone[:-lag, :-lag], rate)) < 5, f"diagonals, lag {lag}"
        other = reference.dropped((seed + lag) % 2**64, ROWS, COLUMNS, rate)
        assert abs(correlation(gone, other, rate)) < 5, f"seeds, lag {lag}"


@pytest.mark.parametrize("rate", [0.3, 0.5])
@pytest.mark.parametrize("seed", SEEDS)
def test_pairs_are_as_frequent_as_they_must_be(seed, rate):
    """χ² of the four kinds of pairs, neighbours in disjoint pairs; 3 degrees of freedom, 30 is passed once in 10⁶."""
    gone = reference.dropped(seed, ROWS, COLUMNS, rate).astype(int)
    share = np.array([1 - rate, rate])
    for first, second in ((gone[:, ::2], gone[:, 1::2]), (gone[::2], gone[1::2])):
        found = np.bincount((2 * first + second).ravel(), minlength=4)
        expected = np.outer(share, share).ravel() * first.size
        assert ((found - expected) ** 2 / expected).sum() < 30
