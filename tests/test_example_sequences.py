"""The sequences that the examples ship, and what is done to them."""

import numpy as np
import pytest

from gesture import RATE, T, decided
from sequences import class_names, load, noisy


@pytest.mark.parametrize(
    ("name", "part", "counts", "steps", "corner"),
    [
        ("japanese_vowels", "train", [30] * 9, range(7, 27), (1.860936, 0.173642)),
        ("japanese_vowels", "test", [31, 35, 88, 44, 29, 24, 40, 50, 29], range(7, 30), (1.635533, 0.224688)),
        ("basic_motions", "train", [10] * 4, range(100, 101), (0.079106, 0.428803)),
        ("basic_motions", "test", [10] * 4, range(100, 101), (-0.740653, -1.77647)),
    ],
)
def test_the_data_are_those_of_the_source(name, part, counts, steps, corner):
    x, labels = load(name, part)
    assert np.bincount(labels).tolist() == counts
    assert len(x) == sum(counts)
    assert len(class_names(name)) == len(counts)
    assert {len(one) for one in x} <= set(steps)
    assert {min(map(len, x)), max(map(len, x))} == {steps[0], steps[-1]}
    assert {one.dtype for one in x} == {np.dtype(np.float32)}
    assert (x[0][0, 0], x[-1][-1, -1]) == tuple(np.float32(corner))


def test_noise_is_drawn_anew_and_keeps_sequence_and_label_together():
    x = [np.full((T, 2), T, dtype=np.float32) for T in range(1, 8)]
    batches = noisy(x, np.arange(1, 8), np.random.default_rng(0), batch_size=3, deviation=0.01, offset=0.01)
    first, second = list(batches()), list(batches())
    assert [len(y) for _, y in first] == [3, 3, 1]
    order = [int(label) for _, y in first for label in y]
    assert sorted(order) == list(range(1, 8))
    assert order != [int(label) for _, y in second for label in y]
    for one, label in zip([one for batch, _ in first for one in batch], order, strict=True):
        assert one.shape == (label, 2)
        assert one.dtype == np.float32
        assert 0 < np.abs(one - label).max() < 0.1


@pytest.mark.parametrize(("deviation", "offset"), [(0.5, 0.0), (0.0, 2.0), (0.5, 2.0)])
def test_noise_has_the_deviations_that_were_asked_for(deviation, offset):
    x = [np.zeros((50, 4), dtype=np.float32)] * 300
    rng = np.random.default_rng(0)
    noise = np.stack(next(noisy(x, np.zeros(300), rng, batch_size=300, deviation=deviation, offset=offset)())[0])
    assert noise.std(axis=1).mean() == pytest.approx(deviation, rel=0.05, abs=1e-5)
    assert noise.mean(axis=1).std() == pytest.approx(np.hypot(offset, deviation / np.sqrt(50)), rel=0.05)


def test_when_a_decision_is_right_for_good():
    right = np.ones((4, T), dtype=bool)
    right[1, :20] = False
    right[2, 40] = False
    right[3, -1] = False
    assert decided(right).tolist() == [1 / RATE, 21 / RATE, 42 / RATE, T / RATE]
