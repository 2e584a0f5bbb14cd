"""Windows, forecasting targets and held-out ends: each is the slice that it says it is, and no view is a copy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastrnn.data import Dataset, forecasting, split_series, windows

SERIES = np.arange(24.0).reshape(12, 2)


def everything(data):
    """Return x and y of all samples."""
    batch = data.batch(np.arange(len(data)))
    assert batch.lengths is None
    assert batch.weight is None
    return batch.x, batch.y


# ---- windows ----


@given(st.integers(1, 30), st.integers(1, 3), st.integers(1, 30), st.integers(1, 5))
def test_each_window_is_its_slice(T, F, steps, stride):
    series = np.arange(T * F).reshape(T, F)
    if steps > T:
        with pytest.raises(ValueError, match=rf"^series: expected at least {steps} rows.* got {T}$"):
            windows(series, steps, stride=stride)
        return
    found = windows(series, steps, stride=stride)
    assert found.shape == ((T - steps) // stride + 1, steps, F)
    for i, window in enumerate(found):
        np.testing.assert_array_equal(window, series[i * stride : i * stride + steps])


def test_windows_are_a_read_only_view():
    found = windows(SERIES, 4)
    assert np.shares_memory(found, SERIES)
    assert not found.flags.writeable
    assert SERIES.flags.writeable


@pytest.mark.parametrize("layout", ["list", "one feature", "read-only", "every second row", "reversed", "fortran"])
def test_windows_of_any_layout(layout):
    series = {
        "list": SERIES.tolist(),
        "one feature": SERIES[:, 0],
        "read-only": np.broadcast_to(SERIES, (1, 12, 2))[0],
        "every second row": np.repeat(SERIES, 2, axis=0)[::2],
        "reversed": SERIES[::-1].copy()[::-1],
        "fortran": np.asfortranarray(SERIES),
    }[layout]
    expected = SERIES[:, :1] if layout == "one feature" else SERIES
    found = windows(series, 5, stride=3)
    np.testing.assert_array_equal(found, [expected[i : i + 5] for i in (0, 3, 6)])
    assert layout == "list" or np.shares_memory(found, series)


def test_windows_keep_the_type_of_the_numbers():
    for dtype in (np.float32, np.int16, np.bool_):
        assert windows(SERIES.astype(dtype), 3).dtype == dtype


BAD_SERIES = [
    (np.zeros((2, 3, 4)), ValueError, r"^series: expected shape \(T,\) or \(T, F\), got \(2, 3, 4\)"),
    (np.zeros((9, 0)), ValueError, r"^series: expected shape \(T,\) or \(T, F\), got \(9, 0\)"),
    (3.0, ValueError, r"^series: expected shape \(T,\) or \(T, F\), got \(\)"),
    ([], ValueError, "^series: expected at least . rows.* got 0"),
    (SERIES[:0], ValueError, "^series: expected at least . rows.* got 0"),
    ([[1.0, 2.0], [3.0]], ValueError, "^series: expected one rectangular array"),
    (SERIES * 1j, TypeError, "^series: expected real numbers, got dtype complex128"),
    (["a", "b"], TypeError, "^series: expected real numbers"),
    (None, TypeError, "^series: expected real numbers, got dtype object"),
]


@pytest.mark.parametrize(("series", "error", "message"), BAD_SERIES)
@pytest.mark.parametrize("function", [windows, forecasting])
def test_bad_series(function, series, error, message):
    with pytest.raises(error, match=message):
        function(series, 2)


@pytest.mark.parametrize("function", [windows, forecasting])
@pytest.mark.parametrize("name", ["steps", "stride"])
@pytest.mark.parametrize(("value", "error"), [(0, ValueError), (-1, ValueError), (1.0, TypeError), (True, TypeError)])
def test_bad_sizes(function, name, value, error):
    with pytest.raises(error, match=f"^{name}: expected "):
        function(SERIES, **{"steps": 2, name: value})


# ---- forecasting ----


def test_one_step_ahead_by_hand():
    x, y = everything(forecasting([1, 2, 3, 4, 5], 3))
    np.testing.assert_array_equal(x[..., 0], [[1, 2, 3], [2, 3, 4]])
    np.testing.assert_array_equal(y, [[4], [5]])


def test_several_steps_ahead_of_two_features_by_hand():
    x, y = everything(forecasting([[1, 10], [2, 20], [3, 30], [4, 40]], 2, horizon=2))
    np.testing.assert_array_equal(x, [[[1, 10], [2, 20]]])
    np.testing.assert_array_equal(y, [[3, 30, 4, 40]])  # row after row


def test_the_values_after_every_step_by_hand():
    x, y = everything(forecasting([1, 2, 3, 4, 5], 2, horizon=2, every_step=True))
    np.testing.assert_array_equal(x[..., 0], [[1, 2], [2, 3]])
    np.testing.assert_array_equal(y, [[[2, 3], [3, 4]], [[3, 4], [4, 5]]])


def expected(series, steps, horizon, columns, stride, every_step):
    """Return x and y by slices, one window after the other."""
    pairs = []
    for i in range(0, len(series) - steps - horizon + 1, stride):
        follow = [series[t + 1 : t + 1 + horizon, columns].ravel() for t in range(i, i + steps)]
        pairs.append((series[i : i + steps], follow if every_step else follow[-1]))
    return [np.array(part) for part in zip(*pairs, strict=True)]


@given(st.data())
def test_windows_and_targets_are_their_slices(data):
    F, steps, horizon = (data.draw(st.integers(1, 4), label=name) for name in ("F", "steps", "horizon"))
    stride, every_step = data.draw(st.integers(1, 4), label="stride"), data.draw(st.booleans(), label="every_step")
    lengths = data.draw(st.lists(st.integers(steps + horizon, 20), min_size=1, max_size=3), label="lengths")
    target = data.draw(
        st.none() | st.integers(-F, F - 1) | st.lists(st.integers(-F, F - 1), min_size=1, max_size=3), label="target"
    )
    columns = list(range(F)) if target is None else np.atleast_1d(target)
    series = [1000 * i + np.arange(T * F).reshape(T, F) for i, T in enumerate(lengths)]
    made = forecasting(
        series if len(series) > 1 else series[0],
        steps,
        horizon=horizon,
        target=target,
        stride=stride,
        every_step=every_step,
    )
    parts = [expected(one, steps, horizon, columns, stride, every_step) for one in series]
    x, y = everything(made)
    np.testing.assert_array_equal(x, np.concatenate([part[0] for part in parts]))
    np.testing.assert_array_equal(y, np.concatenate([part[1] for part in parts]))


@pytest.mark.parametrize("every_step", [False, True])
@pytest.mark.parametrize("stride", [1, 2, 3, 7])
@pytest.mark.parametrize("horizon", [1, 3])
def test_the_overlap_is_the_number_of_windows_that_share_a_row(horizon, stride, every_step):
    series, steps = np.arange(60), 4
    made = forecasting(series, steps, horizon=horizon, stride=stride, every_step=every_step)
    x, y = everything(made)
    rows = [set(window.ravel()) | set(after.ravel()) for window, after in zip(x, y, strict=True)]
    assert made.overlap == max(j - i for i in range(len(rows)) for j in range(i, len(rows)) if rows[i] & rows[j])


def test_nothing_of_the_validation_end_is_seen_in_training():
    made = forecasting(np.arange(100), 5, horizon=2, every_step=True)
    train, held = made.split(0.2, np.random.default_rng(0))
    seen = {value for part in everything(train) for value in part.ravel()}
    unseen = {value for part in everything(held) for value in part.ravel()}
    assert max(seen) < min(unseen)
    assert max(seen) == min(unseen) - 1  # and the gap is no wider than it has to be
    assert max(unseen) == 99


@pytest.mark.parametrize(("horizon", "target"), [(1, None), (3, None), (3, 1), (3, -1)])
@pytest.mark.parametrize("every_step", [False, True])
def test_nothing_is_copied(horizon, target, every_step):
    made = forecasting(SERIES, 3, horizon=horizon, target=target, every_step=every_step)
    batch = made.batch(np.arange(4))
    assert np.shares_memory(batch.x, SERIES)
    assert np.shares_memory(batch.y, SERIES)


def test_memory_mapped_series_stay_on_disk(tmp_path):
    np.save(tmp_path / "series.npy", SERIES)
    series = np.load(tmp_path / "series.npy", mmap_mode="r")
    assert isinstance(windows(series, 3), np.memmap)
    made = forecasting(series, 3, horizon=2)
    batch = made.batch(np.arange(2))
    assert isinstance(batch.x, np.memmap)
    assert np.shares_memory(batch.x, series)
    np.testing.assert_array_equal(batch.x, [SERIES[:3], SERIES[1:4]])
    assert isinstance(split_series(series, 0.5)[1], np.memmap)


def test_a_memory_mapped_series_is_not_gone_through(tmp_path):
    np.save(tmp_path / "series.npy", np.full((9, 1), np.nan))
    assert len(forecasting(np.load(tmp_path / "series.npy", mmap_mode="r"), 3)) == 6


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_the_row_that_is_not_finite_is_named(value):
    series = SERIES.copy()
    series[7, 1] = value
    with pytest.raises(ValueError, match=rf"^series: expected finite numbers, got {value} at row 7, column 1$"):
        forecasting(series, 3)
    with pytest.raises(ValueError, match=r"^series\[1\]: expected finite numbers, got .* at row 7, column 1$"):
        forecasting([SERIES, series], 3)


def test_the_row_is_named_far_into_a_long_series(monkeypatch):
    monkeypatch.setattr("fastrnn._validation.PIECE", 4)
    series = np.zeros((1000, 3))
    series[777, 2] = np.nan
    with pytest.raises(ValueError, match=r"got nan at row 777, column 2$"):
        forecasting(series, 3)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"series": SERIES[:4]}, ValueError, r"^series: expected at least 5 rows, steps \+ horizon, got 4"),
        ({"series": [SERIES, SERIES[:4]]}, ValueError, r"^series\[1\]: expected at least 5 rows"),
        ({"series": [SERIES, SERIES[:, 0]]}, ValueError, r"^series\[1\]: expected 2 features as in series\[0\]"),
        ({"series": [SERIES, SERIES * 1j]}, TypeError, r"^series\[1\]: expected real numbers"),
        ({"horizon": 0}, ValueError, "^horizon: expected at least 1"),
        ({"target": 2}, ValueError, "^target: expected columns below 2, got 2"),
        ({"target": -3}, ValueError, "^target: expected columns below 2, got -3"),
        ({"target": []}, ValueError, "^target: expected one column or several"),
        ({"target": [[0]]}, ValueError, "^target: expected one column or several"),
        ({"target": "price"}, TypeError, "^target: expected one column or several"),
        ({"target": 0.5}, TypeError, "^target: expected one column or several"),
        ({"every_step": 1}, TypeError, "^every_step: expected True or False"),
    ],
)
def test_bad_forecasting(arguments, error, message):
    with pytest.raises(error, match=message):
        forecasting(**{"series": SERIES, "steps": 3, "horizon": 2, **arguments})


def test_it_is_a_dataset_of_independent_numbers_of_samples():
    made = forecasting([SERIES, SERIES[:7]], 3, horizon=2, stride=2)
    assert isinstance(made, Dataset)
    assert len(made) == 4 + 2


# ---- the end of a series ----


@given(st.integers(2, 50), st.floats(0.01, 0.99))
def test_beginning_and_end_are_the_series(T, share):
    series = np.arange(T)
    size = max(1, round(share * T))
    if size >= T:
        with pytest.raises(ValueError, match=rf"^share: .* leaves nothing of the {T} rows of series"):
            split_series(series, share)
        return
    beginning, end = split_series(series, share)
    assert end.shape == (size, 1)
    np.testing.assert_array_equal(np.concatenate([beginning, end])[:, 0], series)
    assert np.shares_memory(end, series)


def test_each_of_several_series_loses_its_end():
    beginnings, ends = split_series([SERIES, SERIES[:5]], 0.2)
    assert [len(one) for one in beginnings] == [10, 4]
    np.testing.assert_array_equal(ends[0], SERIES[10:])
    np.testing.assert_array_equal(ends[1], SERIES[4:5])
    made = [forecasting(part, 1) for part in (beginnings, split_series([SERIES, SERIES], 0.5)[1])]
    assert [len(one) for one in made] == [9 + 3, 5 + 5]


@pytest.mark.parametrize(
    ("share", "error"), [(0, ValueError), (1.0, ValueError), (np.nan, ValueError), ("a", TypeError)]
)
def test_bad_shares(share, error):
    with pytest.raises(error, match=r"^share: expected "):
        split_series(SERIES, share)
    with pytest.raises(ValueError, match=r"^share: 0.5 leaves nothing of the 1 rows of series\[1\]"):
        split_series([SERIES, SERIES[:1]], 0.5)
