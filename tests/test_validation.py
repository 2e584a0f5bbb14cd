"""The checks that every public argument goes through: what each takes, returns and says."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fastrnn import _validation as check


def test_as_generator():
    rng = np.random.default_rng(0)
    assert check.as_generator(rng) is rng
    assert (
        check.as_generator(3).random() == np.random.default_rng(3).random() == check.as_generator(np.uint8(3)).random()
    )
    assert check.as_generator(None).random() != check.as_generator(None).random()
    for wrong in (-1, 1.0, True, "0", [0], np.random.RandomState(0)):
        with pytest.raises(TypeError, match=r"^seed: expected None, an int >= 0 or a numpy.random.Generator, got "):
            check.as_generator(wrong)


@pytest.mark.parametrize("spelling", ["float32", "f4", np.float32, np.dtype("f4"), np.zeros(1, "f4").dtype])
def test_as_dtype(spelling):
    assert check.as_dtype(spelling) == np.float32


@pytest.mark.parametrize(
    "wrong", ["float16", "g", int, "int32", complex, object, "U1", bool, "nonsense", 3, [], None, "f4,f4"]
)
def test_as_dtype_refuses(wrong):
    with pytest.raises(ValueError, match=r"^dtype: expected 'float32' or 'float64', got "):
        check.as_dtype(wrong)


def test_positive_int():
    for value in (1, np.int8(1), np.uint64(1)):
        assert type(check.positive_int("n", value)) is int
    for wrong in (1.0, "1", True, None, np.float32(1), np.True_):
        with pytest.raises(TypeError, match=r"^n: expected an int, got "):
            check.positive_int("n", wrong)
    for wrong in (0, -1, np.int64(-5)):
        with pytest.raises(ValueError, match=rf"^n: expected at least 1, got {wrong}$"):
            check.positive_int("n", wrong)


def test_a_bool():
    for value in (True, np.True_):
        assert check.a_bool("b", value) is True
    for wrong in (1, 0, None, "True", 1.0):
        with pytest.raises(TypeError, match=r"^b: expected True or False, got "):
            check.a_bool("b", wrong)


def test_positive_float():
    for value in (0.5, 1, np.float32(0.5), np.int8(2), 5e-324, 1e308):
        result = check.positive_float("a", value)
        assert type(result) is float
        assert result == value
    assert check.positive_float("a", 0, zero=True) == 0.0
    assert check.positive_float("a", math.nextafter(1, 0), below=1.0) < 1
    for wrong in (0, -0.0, -1, math.nan, math.inf, -math.inf):
        with pytest.raises(ValueError, match=r"^a: expected a finite number > 0, got "):
            check.positive_float("a", wrong)
    for wrong in (-1e-300, 1.0, 2, math.nan):
        with pytest.raises(ValueError, match=r"^a: expected a finite number >= 0 and < 1, got "):
            check.positive_float("a", wrong, below=1.0, zero=True)
    for wrong in ("1", None, True, [1.0], 1j):
        with pytest.raises(TypeError, match=r"^a: expected a number, got "):
            check.positive_float("a", wrong)


def test_one_of():
    assert check.one_of("k", "a", ("a", "b")) == "a"
    for wrong in ("c", "", None, 1, "A"):
        with pytest.raises(ValueError, match=r"^k: expected one of 'a', 'b', got "):
            check.one_of("k", wrong, ("a", "b"))


REAL = st.one_of(hnp.floating_dtypes(), hnp.integer_dtypes(), hnp.unsigned_integer_dtypes(), hnp.boolean_dtypes())


@given(hnp.arrays(REAL, hnp.array_shapes(max_side=3), elements={"min_value": 0, "max_value": 100}), st.booleans())
def test_as_real_gives_the_values_contiguous_and_aligned(array, fortran):
    array = np.asfortranarray(array) if fortran else array[::-1]
    before = array.copy()
    result = check.as_real("x", array, np.float64)
    np.testing.assert_array_equal(result, array.astype(np.float64))
    assert result.flags.c_contiguous
    assert result.flags.aligned
    np.testing.assert_array_equal(array, before)


def test_as_real_copies_only_where_it_has_to():
    x = np.ones((2, 3), np.float32)
    assert np.shares_memory(check.as_real("x", x, np.float32), x)
    assert not np.shares_memory(check.as_real("x", x, np.float32, copy=True), x)
    assert not np.shares_memory(check.as_real("x", x.T, np.float32), x)
    unaligned = np.zeros(13, np.uint8)[1:].view(np.float32)
    assert not unaligned.flags.aligned
    assert check.as_real("x", unaligned, np.float32).flags.aligned  # C reads it as floats


def test_expect_shape_and_features():
    check.expect_shape("x", np.zeros((2, 3)), (2, 3))
    with pytest.raises(ValueError, match=r"^x: expected shape \(2, 4\), got \(2, 3\)$"):
        check.expect_shape("x", np.zeros((2, 3)), (2, 4))
    check.expect_features("x", np.zeros((2, 3)), 3, (2, 3), "(T, F)")
    for shape in ((3,), (2, 4), (1, 1, 2, 3), ()):
        with pytest.raises(ValueError, match=r"^x: expected shape \(T, F\) with 3 features, got \("):
            check.expect_features("x", np.zeros(shape), 3, (2, 3), "(T, F)")


@pytest.mark.parametrize("wrong", [np.array([1, 2]), np.array(["tanh"]), ["tanh"], None, 1])
def test_one_of_takes_names_alone(wrong):
    with pytest.raises(ValueError, match=r"^how: expected one of 'tanh', 'relu', got "):
        check.one_of("how", wrong, ("tanh", "relu"))


def test_no_ids_at_all():
    for empty in ([], (), [[], []]):
        ids = check.as_ids("x", empty, 5)
        assert (ids.dtype, ids.size) == (np.intp, 0)
    with pytest.raises(TypeError, match=r"^x: expected ids, which are integers, got dtype float64$"):
        check.as_ids("x", np.zeros(0))


def test_ids_too_large_for_an_index_do_not_become_negative():
    ids = check.as_ids("x", np.array([3, 2**63, 2**64 - 1], np.uint64))
    assert ids.tolist() == [3, 2**63 - 1, 2**63 - 1]
