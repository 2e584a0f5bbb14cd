"""Dataset: samples of every form, their batches, orders and parts; bad ones are refused by name."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastrnn.data import Batch, Dataset

RNG = np.random.default_rng(0)


def sequences(lengths, features=2):
    return [np.random.default_rng(n).standard_normal((n, features)) for n in lengths]


def test_arrays_are_cut_without_a_copy_where_they_lie_side_by_side():
    x, y, weight = RNG.standard_normal((10, 4, 2)), RNG.standard_normal((10, 4, 1)), RNG.uniform(size=10)
    data = Dataset(x, y, weight=weight, lengths=np.arange(10) % 4 + 1)
    batch = data.batch(np.arange(2, 5))
    assert np.shares_memory(batch.x, x)
    np.testing.assert_array_equal(batch.x, x[2:5])
    np.testing.assert_array_equal(batch.y, y[2:5])
    np.testing.assert_array_equal(batch.weight, weight[2:5])
    np.testing.assert_array_equal(batch.lengths, [3, 4, 1])
    for rows in ([7, 2, 9], [2, 4], [5, 4, 3], [4, 4], [0, 2, 2]):
        batch = data.batch(np.array(rows))
        np.testing.assert_array_equal(batch.x, x[rows])
        np.testing.assert_array_equal(batch.lengths, (np.arange(10) % 4 + 1)[rows])
    assert len(data) == 10
    assert repr(data) == "Dataset(10 of 10 samples: (10, 4, 2), (10, 4, 1))"


def test_lists_are_padded_to_the_longest_of_a_batch():
    x, y = sequences([3, 5, 1, 4]), sequences([3, 5, 1, 4], 1)
    weight = [np.full(len(one), i + 1.0) for i, one in enumerate(x)]
    data = Dataset(x, y, weight=weight)
    batch = data.batch(np.array([2, 0]))
    assert batch.x.shape == (2, 3, 2)
    assert batch.y.shape == (2, 3, 1)
    np.testing.assert_array_equal(batch.lengths, [1, 3])
    np.testing.assert_array_equal(batch.x[0], np.concatenate([x[2], np.zeros((2, 2))]))
    np.testing.assert_array_equal(batch.x[1], x[0])
    np.testing.assert_array_equal(batch.weight, [[3, 0, 0], [1, 1, 1]])
    np.testing.assert_array_equal(data.lengths, [3, 5, 1, 4])


def test_lists_of_ids_keep_their_dtype_and_equal_lengths_are_an_array():
    ids = [np.array([1, 2, 3], np.int32), np.array([4], np.int64)]
    batch = Dataset(ids, np.array([0, 1])).batch(np.arange(2))
    assert batch.x.dtype == np.int64
    np.testing.assert_array_equal(batch.x, [[1, 2, 3], [4, 0, 0]])
    assert Dataset(sequences([3, 3]), [0, 1]).lengths is None
    assert Dataset([[1.0, 2.0], [3.0, 4.0]], [0, 1]).batch(np.arange(1)).x.tolist() == [[1.0, 2.0]]


def test_several_inputs():
    source, inputs, y = sequences([3, 5]), sequences([2, 4], 1), sequences([2, 4], 1)
    batch = Dataset((source, inputs), y).batch(np.array([1, 0]))
    assert [part.shape for part in batch.x] == [(2, 5, 2), (2, 4, 1)]
    assert [part.tolist() for part in batch.lengths] == [[5, 3], [4, 2]]
    padded = RNG.standard_normal((2, 6, 2))
    batch = Dataset((padded, inputs), y, lengths=([6, 3], None)).batch(np.arange(2))
    assert [part.tolist() for part in batch.lengths] == [[6, 3], [2, 4]]
    batch = Dataset((padded, padded), y=np.zeros((2, 6, 1))).batch(np.arange(2))
    assert batch.lengths is None


def test_parts_of_parts():
    x = np.arange(20.0)[:, None]
    data = Dataset(x, x, lengths=None).subset(np.arange(19, -1, -2)).subset(np.array([1, 3]))
    assert len(data) == 2
    np.testing.assert_array_equal(data.batch(np.arange(2)).x[:, 0], [17, 13])
    assert repr(data).startswith("Dataset(2 of 20 samples")
    ragged = Dataset(sequences([3, 5, 1, 4]), [0, 1, 2, 3]).subset(np.array([3, 1]))
    np.testing.assert_array_equal(ragged.lengths, [4, 5])
    np.testing.assert_array_equal(ragged.batch(np.array([1])).lengths, [5])


@settings(deadline=None, max_examples=100)
@given(st.integers(1, 300), st.integers(1, 9), st.booleans(), st.booleans(), st.integers(0, 99))
def test_an_order_has_every_sample_once(n, batch_size, bucket, shuffled, seed):
    lengths = np.random.default_rng(seed).integers(1, 9, n)
    data = Dataset(np.zeros((n, 8, 1)), np.zeros(n), lengths=lengths)
    order = data.order(batch_size, np.random.default_rng(seed) if shuffled else None, bucket=bucket)
    assert sorted(np.concatenate(order)) == list(range(n))
    assert len(order) == data.steps(batch_size) == -(-n // batch_size)
    assert all(len(rows) <= batch_size for rows in order)
    if not shuffled and not bucket:
        np.testing.assert_array_equal(np.concatenate(order), np.arange(n))
    if not bucket:
        assert all(len(rows) == batch_size for rows in order[:-1])


def test_batches_of_like_length_come_in_any_order():
    lengths = np.repeat(np.arange(1, 9), 4)
    data = Dataset(np.zeros((32, 8, 1)), np.zeros(32), lengths=lengths)
    firsts = [[lengths[rows[0]] for rows in data.order(4, np.random.default_rng(s), bucket=True)] for s in range(5)]
    assert len({tuple(one) for one in firsts}) == 5
    assert all(sorted(one) == list(range(1, 9)) for one in firsts)


@pytest.mark.parametrize(("n", "share", "overlap", "train", "held"), [
    (10, 0.2, 0, 8, 2), (10, 0.2, 3, 5, 2), (10, 0.01, 2, 7, 1), (10, 0.5, 4, 1, 5),
])  # fmt: skip
def test_the_end_is_held_out_of_windows(n, share, overlap, train, held):
    x = np.arange(float(n))[:, None]
    one, two = Dataset(x, x, overlap=overlap).split(share, np.random.default_rng(0))
    np.testing.assert_array_equal(one.batch(np.arange(len(one))).x[:, 0], np.arange(train))
    np.testing.assert_array_equal(two.batch(np.arange(len(two))).x[:, 0], np.arange(n - held, n))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_named(value):
    x = np.zeros((6, 4, 2), np.float32)
    x[3, 2, 1] = value
    with pytest.raises(ValueError, match=r"^x: expected finite numbers, got (nan|-?inf) in sample 3 at \(2, 1\)"):
        Dataset(x, np.zeros(6)).expect_finite()
    Dataset(x, np.zeros(6), lengths=[4, 4, 4, 2, 4, 4]).expect_finite()  # beyond its length
    with pytest.raises(ValueError, match=r"^x\[1\]: .* in sample 3"):
        Dataset((np.zeros(6), x), np.zeros(6)).expect_finite()
    with pytest.raises(ValueError, match=r"^x: .* in sample 1 at \(0, 1\)"):
        Dataset([np.zeros((2, 2)), np.array([[0, value]])], [0, 1]).expect_finite()
    with pytest.raises(ValueError, match=r"^weight: .* in sample 1$"):
        Dataset(np.zeros(2), np.zeros(2), weight=[1.0, value]).expect_finite()


def test_large_numbers_whose_sum_overflows_are_finite():
    Dataset(np.full((4, 2), 1e308), np.zeros(4)).expect_finite()


BAD = [
    (lambda: Dataset(np.zeros((3, 2)), np.zeros(2)), r"^x, y: expected as many samples in both, .*\(3, 2\) and \(2,\)"),
    (lambda: Dataset(np.zeros((0, 2)), np.zeros(0)), "^x, y: expected .* at least one"),
    (lambda: Dataset([], []), "^x, y: expected .* at least one"),
    (lambda: Dataset(1.0, [1.0]), "^x: expected samples along a first axis, got 1.0"),
    (lambda: Dataset([[1.0], [1.0, 2.0]], [0, 1]), "^x: expected one rectangular array, or a list of ndarrays"),
    (lambda: Dataset(sequences([3, 2]), sequences([3, 1])), r"^y\[1\]: expected 2 steps as x\[1\], got 1 steps"),
    (lambda: Dataset(np.zeros((2, 4, 1)), sequences([4, 3])), r"^y\[1\]: expected 4 steps as x\[1\], got 3 steps"),
    (lambda: Dataset(np.zeros(2), sequences([4, 3])), r"^y\[0\]: expected an array without time, got 4 steps"),
    (lambda: Dataset([np.zeros((2, 1)), np.zeros((3, 2))], [0, 1]), r"^x\[1\]: expected shape \(T, 1\) as x\[0\] has"),
    (lambda: Dataset([np.zeros((2, 1)), np.zeros((0, 1))], [0, 1]), r"^x\[1\]: expected at least one step"),
    (lambda: Dataset([np.zeros((2, 1)), np.array(1.0)], [0, 1]), r"^x\[1\]: expected shape"),
    (lambda: Dataset(np.zeros((2, 3)), [0, 1], weight=[1.0]), "^weight: expected one for each of 2 samples"),
    (lambda: Dataset(np.zeros((2, 3)), [0, 1], lengths=[3]), r"^lengths: expected one for each of 2 sequences"),
    (
        lambda: Dataset(np.zeros((2, 3)), [0, 1], lengths=[3, 4]),
        "^lengths: expected 1 to 3, .* of x, got 3 to 4",
    ),
    (lambda: Dataset(np.zeros((2, 3)), [0, 1], lengths=[0, 3]), "^lengths: expected 1 to 3"),
    (lambda: Dataset(np.zeros(2), [0, 1], lengths=[1, 1]), r"^lengths: expected None with x of shape \(2,\)"),
    (lambda: Dataset(sequences([3, 2]), [0, 1], lengths=[3, 2]), "^lengths: expected None with a list"),
    (lambda: Dataset((np.zeros(2),) * 2, [0, 1], lengths=[1, 1, 1]), "^lengths: expected a tuple, one for each of 2"),
    (lambda: Dataset(np.zeros(2), [0, 1], overlap=-1), "^overlap: expected None or an int of at least 0, got -1"),
    (lambda: Dataset(np.zeros(2), [0, 1]).order(0), "^batch_size: expected at least 1"),
    (lambda: Dataset(np.zeros(9), np.zeros(9)).split(0.95, RNG), "^validation: a share of 0.95 leaves nothing of 9"),
]


@pytest.mark.parametrize(("make", "message"), BAD)
def test_bad_data_are_refused(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()


def test_a_batch_is_a_tuple_with_defaults():
    assert Batch(1, 2) == (1, 2, None, None)


def test_samples_that_were_left_out_are_not_looked_at():
    x, weight = np.zeros((6, 2)), np.ones(6)
    x[2, 1], weight[3] = np.nan, -1.0
    data = Dataset(x, np.zeros(6), weight=weight)
    with pytest.raises(ValueError, match="in sample 2"):
        data.expect_finite()
    good = data.subset(np.array([0, 1, 4, 5]))
    good.expect_finite()
    good.expect_weights(steps=False)
    with pytest.raises(ValueError, match="in sample 1"):  # by their numbers in the part
        data.subset(np.array([5, 2])).expect_finite()
    with pytest.raises(ValueError, match=r"^weight: expected numbers >= 0, got -1.0 in sample 3"):
        data.expect_weights(steps=False)


def test_lists_of_memory_mapped_arrays_stay_on_disk(tmp_path):
    arrays = []
    for i in range(3):
        np.save(tmp_path / f"{i}.npy", np.full((4, 2), np.nan if i == 1 else i))
        arrays.append(np.load(tmp_path / f"{i}.npy", mmap_mode="r"))
    data = Dataset(arrays, np.zeros((3, 1)))
    data.expect_finite()  # not read
    np.testing.assert_array_equal(data.batch(np.array([2])).x, np.full((1, 4, 2), 2.0))
