"""Normalizer: against NumPy's own mean, deviation and range, in pieces, and there and back."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from fastrnn.data import Normalizer
from layer_table import same_bits

METHODS = ("standard", "minmax")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 7, 3)) * [1, 100, 1e-3] + [0, 1e4, -5]
LENGTHS = RNG.integers(1, 8, 20)

matrices = arrays(
    st.sampled_from([np.float64, np.float32]),
    array_shapes(min_dims=2, max_dims=3, max_side=6),
    elements=st.floats(-1e6, 1e6, width=32),
)


def state(normalizer):
    return {name: getattr(normalizer, name) for name in ("mean", "std", "minimum", "maximum", "offset", "scale")}


def assert_close(one, other):
    assert one.count == other.count
    for name, array in state(one).items():
        np.testing.assert_allclose(array, state(other)[name], rtol=1e-12, err_msg=name)


# ---- what is fitted ----


def test_standard_by_hand():
    normalizer = Normalizer().fit([[1.0, 5.0], [3.0, 9.0]])
    assert normalizer.count == 2
    np.testing.assert_array_equal(normalizer.mean, [2, 7])
    np.testing.assert_array_equal(normalizer.std, [1, 2])
    np.testing.assert_array_equal(normalizer.transform([[1.0, 9.0], [4.0, 7.0]]), [[-1, 1], [2, 0]])


def test_minmax_by_hand():
    normalizer = Normalizer("minmax").fit([[1.0, 5.0], [3.0, 9.0], [2.0, 5.0]])
    np.testing.assert_array_equal(normalizer.minimum, [1, 5])
    np.testing.assert_array_equal(normalizer.maximum, [3, 9])
    np.testing.assert_array_equal(normalizer.transform([[1.0, 9.0], [5.0, 6.0]]), [[0, 1], [2, 0.25]])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(140, 3), (20, 7, 3), (4, 5, 7, 3)])
def test_as_numpy_says(method, shape):
    x = X.reshape(shape)
    rows = x.reshape(-1, 3)
    normalizer = Normalizer(method).fit(x)
    assert normalizer.count == len(rows)
    np.testing.assert_allclose(normalizer.mean, rows.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(normalizer.std, rows.std(axis=0), rtol=1e-13)
    np.testing.assert_array_equal(normalizer.minimum, rows.min(axis=0))
    np.testing.assert_array_equal(normalizer.maximum, rows.max(axis=0))
    y = normalizer.transform(x)
    assert y.shape == x.shape
    flat = y.reshape(-1, 3)
    if method == "standard":
        np.testing.assert_allclose(flat.mean(axis=0), 0, atol=1e-10)
        np.testing.assert_allclose(flat.std(axis=0), 1)
    else:
        assert flat.min(axis=0).tolist() == [0, 0, 0]
        assert flat.max(axis=0).tolist() == [1, 1, 1]


@pytest.mark.parametrize("method", METHODS)
def test_padding_does_not_count(method):
    valid = [one[:length] for one, length in zip(X, LENGTHS, strict=True)]
    rows = np.concatenate(valid)
    padded = np.where(np.arange(7)[:, None] < LENGTHS[:, None, None], X, np.nan)
    expected = Normalizer(method).fit(rows)
    assert_close(Normalizer(method).fit(padded, LENGTHS), expected)
    assert_close(Normalizer(method).fit(valid), expected)


@pytest.mark.parametrize("piece", [1, 8, 50, 10**6])
def test_data_in_pieces_and_in_parts_are_the_same_data(piece, monkeypatch, tmp_path):
    expected = Normalizer().fit(X)
    np.save(tmp_path / "x.npy", X)
    monkeypatch.setattr("fastrnn._validation.PIECE", piece)
    assert_close(Normalizer().fit(np.load(tmp_path / "x.npy", mmap_mode="r")), expected)
    ragged = Normalizer().fit(X, LENGTHS)
    monkeypatch.undo()
    assert_close(ragged, Normalizer().fit(X, LENGTHS))
    parts = Normalizer()
    for start in range(0, len(X), 6):
        parts.partial_fit(X[start : start + 6])
    assert_close(parts, expected)
    assert_close(parts.fit(X[:3]), Normalizer().fit(X[:3]))  # fit forgets what was before


def test_a_large_offset_costs_no_precision():
    noise = RNG.normal(size=(10000, 1))
    far = Normalizer().fit(1e9 + noise)
    np.testing.assert_allclose(far.std, (1e9 + noise).std(axis=0), rtol=1e-9)
    y = far.transform(1e9 + noise)
    np.testing.assert_allclose(y, (noise - noise.mean()) / noise.std(), atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", [0.1, -7.3, 0.0, 1e100, 5e-324])
def test_a_constant_feature_becomes_zero_and_comes_back(method, value):
    x = np.column_stack([np.full(1001, value), RNG.normal(size=1001)])
    normalizer = Normalizer(method).fit(x)
    assert normalizer.scale[0] == 1
    y = normalizer.transform(x)
    assert not y[:, 0].any()
    assert y[:, 1].any()
    np.testing.assert_array_equal(normalizer.inverse_transform(y)[:, 0], x[:, 0])


def test_numbers_whose_squares_vanish_do_not_divide_by_zero():
    assert Normalizer().fit([[1e-200], [2e-200]]).scale.tolist() == [1]
    assert Normalizer("minmax").fit([[1e-200], [2e-200]]).transform([[2e-200]]).tolist() == [[1]]


# ---- there and back ----


@given(matrices, st.sampled_from(METHODS))
def test_inverse_undoes_transform(x, method):
    normalizer = Normalizer(method).fit(x)
    y = normalizer.transform(x)
    back = normalizer.inverse_transform(y)
    assert y.dtype == back.dtype == x.dtype
    np.testing.assert_allclose(back, x, rtol=1e-5, atol=1e-5 * float(np.abs(x).max() + 1e-30))


@given(matrices)
def test_standard_is_bounded_by_the_number_of_rows(x):
    normalizer = Normalizer().fit(x)
    y = normalizer.transform(x.astype(np.float64))
    assert np.abs(y).max() <= np.sqrt(normalizer.count) * (1 + 1e-6)  # what no sample can exceed


@pytest.mark.parametrize(
    ("given_dtype", "dtype"),
    [("float64", "float64"), ("float32", "float32"), ("float16", "float32"), ("int64", "float32"), ("bool", "float32")],
)
def test_types_of_the_result(given_dtype, dtype):
    x = np.array([[0, 1], [1, 0]], given_dtype)
    assert Normalizer().fit(x).transform(x).dtype == dtype


def test_one_step_lists_and_read_only_arrays():
    normalizer = Normalizer().fit(X)
    y = normalizer.transform(X)
    same = X.copy()
    same.flags.writeable = False
    np.testing.assert_array_equal(normalizer.transform(X[2, 3]), y[2, 3])
    np.testing.assert_array_equal(normalizer.transform(same[:, ::-2]), y[:, ::-2])
    found = normalizer.transform([one[:length] for one, length in zip(X, LENGTHS, strict=True)])
    for one, expected, length in zip(found, y, LENGTHS, strict=True):
        np.testing.assert_array_equal(one, expected[:length])
    back = normalizer.inverse_transform(found)
    np.testing.assert_allclose(back[4], X[4, : LENGTHS[4]])
    assert same_bits(same, X)


def test_no_rows_and_nan_pass_through():
    normalizer = Normalizer().fit(X)
    assert normalizer.transform(X[:0]).shape == (0, 7, 3)
    assert np.isnan(normalizer.transform([[np.nan, 1.0, 2.0]])).tolist() == [[True, False, False]]


def test_results_larger_than_memory_go_to_disk(tmp_path, monkeypatch):
    monkeypatch.setattr("fastrnn._validation.PIECE", 16)
    normalizer = Normalizer().fit(X)
    out = np.lib.format.open_memmap(tmp_path / "y.npy", "w+", np.float32, X.shape)
    assert normalizer.transform(X, out=out) is out
    out.flush()
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), normalizer.transform(X).astype(np.float32))
    same = X.copy()
    normalizer.transform(same, out=same)
    np.testing.assert_array_equal(same, normalizer.transform(X))


def test_some_features_for_predictions():
    normalizer = Normalizer().fit(X)
    y = normalizer.transform(X)
    one = normalizer.select(-1)
    np.testing.assert_allclose(one.inverse_transform(y[..., 2:]), X[..., 2:])
    swapped = normalizer.select([2, 0, 2])
    np.testing.assert_allclose(swapped.inverse_transform(y[..., [2, 0, 2]]), X[..., [2, 0, 2]])
    assert swapped.count == normalizer.count
    assert normalizer.mean.shape == (3,)


# ---- files ----


@pytest.mark.parametrize("method", METHODS)
def test_json_is_exact_and_goes_on(method):
    normalizer = Normalizer(method).fit(X[:9])
    copy = Normalizer.from_json(normalizer.to_json())
    assert copy.method == method
    assert copy.count == normalizer.count
    assert same_bits(state(copy), state(normalizer))
    assert same_bits(state(copy.partial_fit(X[9:])), state(normalizer.partial_fit(X[9:])))


GOOD = json.loads(Normalizer().fit(X[0]).to_json())
BAD_ENTRIES = [
    {"format": 2},
    {"format": None},
    {"method": "max"},
    {"method": ["standard"]},
    {"count": 0},
    {"count": 1.5},
    {"count": True},
    {"mean": [1.0]},
    {"mean": []},
    {"mean": [[1.0, 2.0, 3.0]]},
    {"mean": ["a", "b", "c"]},
    {"mean": None},
    {"mean": [1.0, [2.0], 3.0]},
    {"squares": [-1.0, 1.0, 1.0]},
    {"squares": [float("nan"), 1.0, 1.0]},
    {"maximum": [float("inf")] * 3},
    {"minimum": [1e9, 0.0, 0.0]},
]


@pytest.mark.parametrize("entries", BAD_ENTRIES, ids=str)
def test_bad_json_is_one_clear_error(entries):
    Normalizer.from_json(json.dumps(GOOD))
    with pytest.raises(ValueError, match=r"^text: expected the JSON of a Normalizer \("):
        Normalizer.from_json(json.dumps({**GOOD, **entries}))


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", "[" * 100000, '{"format": 1}'])
def test_what_is_no_json_of_a_normalizer(text):
    with pytest.raises(ValueError, match=r"^text: expected the JSON of a Normalizer \("):
        Normalizer.from_json(text)


# ---- errors ----


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_named_by_sample_and_step(value, monkeypatch):
    monkeypatch.setattr("fastrnn._validation.PIECE", 30)
    x = X.copy()
    x[13, 4, 1] = value
    normalizer = Normalizer().fit(X)
    kept = state(normalizer)
    found = rf"expected finite numbers, got {value} at "
    with pytest.raises(ValueError, match=rf"^x: {found}sample 13, step 4, feature 1$"):
        normalizer.fit(x)
    with pytest.raises(ValueError, match=rf"^x: {found}sample 13, step 4, feature 1$"):
        normalizer.partial_fit(x, np.where(np.arange(20) == 13, 5, 1))
    with pytest.raises(ValueError, match=rf"^x: {found}row 95, feature 1$"):
        normalizer.fit(x.reshape(-1, 3))
    with pytest.raises(ValueError, match=rf"^x\[13\]: {found}step 4, feature 1$"):
        normalizer.fit(list(x))
    assert same_bits(state(normalizer), kept)
    normalizer.fit(x, np.where(np.arange(20) == 13, 4, 7))  # as padding it is not read


@pytest.mark.parametrize(
    ("x", "lengths", "error", "message"),
    [
        ([1.0, 2.0], None, ValueError, r"^x: expected shape \(\.\.\., F\) with at least two axes, got \(2,\)"),
        (np.zeros((3, 0)), None, ValueError, r"^x: expected shape \(\.\.\., F\)"),
        (np.zeros((0, 3)), None, ValueError, "^x: expected at least one row, got none"),
        (np.zeros((2, 0, 3)), None, ValueError, "^x: expected at least one row, got none"),
        ([np.zeros((2, 3)), np.zeros((2, 4))], None, ValueError, r"^x\[1\]: expected shape \(\.\.\., 3\)"),
        ([np.zeros((2, 3)), np.zeros((2, 3), object)], None, TypeError, r"^x\[1\]: expected real numbers"),
        ([[1.0], [1.0, 2.0]], None, ValueError, "^x: expected one rectangular array"),
        (X * 1j, None, TypeError, "^x: expected real numbers"),
        ([[1e200], [-1e200]], None, ValueError, "^x: some values are too large"),
        (X, [7] * 19, ValueError, "^lengths: expected one for each of 20"),
        (X, [8] * 20, ValueError, "^lengths: expected 1 to 7"),
        (X[0], [3] * 7, ValueError, r"^x: expected shape \(N, T, F\) with lengths, got \(7, 3\)"),
        (list(X), [7] * 20, ValueError, "^lengths: expected None with a list"),
    ],
)
def test_bad_data(x, lengths, error, message):
    normalizer = Normalizer()
    with pytest.raises(error, match=message):
        normalizer.fit(x, lengths)
    assert normalizer.count == 0


def test_bad_arguments_and_uses():
    with pytest.raises(ValueError, match=r"^method: expected one of 'standard', 'minmax', got 'max'"):
        Normalizer("max")
    normalizer = Normalizer()
    for use in (
        normalizer.to_json,
        lambda: normalizer.mean,
        lambda: normalizer.transform(X),
        lambda: normalizer.inverse_transform(X),
        lambda: normalizer.select(0),
    ):
        with pytest.raises(ValueError, match=r"^this Normalizer has seen no data; call fit first"):
            use()
    normalizer.fit(X)
    with pytest.raises(ValueError, match=r"^x: expected shape \(\.\.\., 3\).*got \(20, 7, 2\)"):
        normalizer.transform(X[..., :2])
    with pytest.raises(ValueError, match=r"^x\[1\]: expected shape \(\.\.\., 3\)"):
        normalizer.transform([X[0], X[0, :, :2]])
    with pytest.raises(ValueError, match=r"^x: expected shape \(\.\.\., 3\).*got \(20, 7, 2\)"):
        normalizer.partial_fit(X[..., :2])
    with pytest.raises(ValueError, match=r"^out: expected shape \(20, 7, 3\)"):
        normalizer.transform(X, out=np.empty((20, 7, 1)))
    with pytest.raises(TypeError, match=r"^out: expected floating-point numbers, got dtype int64"):
        normalizer.transform(X, out=np.empty(X.shape, np.int64))
    with pytest.raises(ValueError, match=r"^out: expected None with a list"):
        normalizer.transform(list(X), out=np.empty(X.shape))
    with pytest.raises(ValueError, match=r"^columns: expected columns below 3, got 3"):
        normalizer.select(3)


def test_repr():
    assert repr(Normalizer("minmax")) == "Normalizer('minmax')"
    assert repr(Normalizer().fit(X)) == "Normalizer('standard', 3 features, fitted on 140 rows)"


def test_what_it_gives_away_is_a_copy():
    normalizer = Normalizer().fit(X)
    kept = state(normalizer)
    for array in state(normalizer).values():
        array += 1
    assert same_bits(state(normalizer), kept)
