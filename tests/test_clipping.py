"""Clipping: norms and what is scaled, on every ISA; PyTorch's results, stored and live."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastrnn import _clipping, _kernels
from fastrnn.optimizers import clip_by_global_norm, clip_by_value
from golden import make_schedules
from layer_table import DTYPES

each_kernel = pytest.mark.parametrize(("isa", "dtype"), list(product(_kernels.ISAS, DTYPES)))


def gradients():
    rng = np.random.default_rng(0)
    return {"w": rng.standard_normal((2, 2)), "b": rng.standard_normal(1)}


@pytest.mark.parametrize("dtype", DTYPES)
def test_clipping_by_the_global_norm(dtype):
    g = {"a": np.array([3.0, 0.0], dtype), "b": np.array([[4.0]], dtype)}
    assert clip_by_global_norm(g, 5.0) == 5.0  # at the limit: untouched
    np.testing.assert_array_equal(g["a"], [3, 0])
    assert clip_by_global_norm(g, 2.5) == 5.0  # the norm from before
    np.testing.assert_array_equal(g["a"], [1.5, 0])
    np.testing.assert_array_equal(g["b"], [[2]])
    assert g["a"].dtype == dtype
    assert clip_by_global_norm(g, math.inf) == 2.5


def test_clipping_keeps_the_direction_and_small_gradients():
    g = gradients()
    before = {name: array.copy() for name, array in g.items()}
    norm = math.sqrt(sum((array**2).sum() for array in before.values()))
    assert clip_by_global_norm(g, norm / 7) == pytest.approx(norm, rel=1e-15)
    for name in g:
        np.testing.assert_allclose(g[name], before[name] / 7, rtol=1e-14)
    zero = {"a": np.zeros(3)}
    assert clip_by_global_norm(zero, 1.0) == 0.0
    assert not zero["a"].any()


def test_an_exploded_float32_gradient_is_scaled_back_not_erased():
    g = {"a": np.array([3e30], np.float32), "b": np.array([4e30], np.float32)}  # the squares overflow float32
    assert clip_by_global_norm(g, 5.0) == pytest.approx(5e30, rel=1e-6)
    np.testing.assert_allclose([g["a"][0], g["b"][0]], [3.0, 4.0], rtol=1e-6)


def test_clipping_reports_what_is_not_finite():
    assert math.isnan(clip_by_global_norm({"a": np.array([1.0, np.nan])}, 1.0))
    assert clip_by_global_norm({"a": np.array([1.0, np.inf])}, math.inf) == math.inf


# ---- the norm ----


def true_norm(arrays):
    """Return the norm with one rounding or two, of numbers whose squares float64 can hold."""
    return math.sqrt(math.fsum(float(x) ** 2 for a in arrays for x in a.flat))


@given(
    sizes=st.lists(st.integers(0, 100) | st.sampled_from([16384, 16385, 40000]), max_size=5),
    dtype=st.sampled_from(DTYPES),
    scale=st.floats(1e-18, 1e18),
    seed=st.integers(0, 99),
)
@settings(deadline=None, max_examples=60)
def test_norms_are_right_and_the_same_bits_everywhere(sizes, dtype, scale, seed):
    rng = np.random.default_rng(seed)
    arrays = [(scale * rng.standard_normal(n)).astype(dtype) for n in sizes]
    found = {_clipping.norm(arrays, isa=isa, threads=n) for isa in _kernels.ISAS for n in (None, 1, 3)}
    assert len(found) == 1
    # squares are added in chains of up to 512 terms, and those of pieces: not more than a few ulp in all
    assert found.pop() == pytest.approx(true_norm(arrays), rel=1e-13)


@pytest.mark.parametrize("scale", [2.0**-1000, 2.0**-600, 2.0**-451, 1.0, 2.0**499, 2.0**600, 2.0**1000])
@each_kernel
def test_squares_that_leave_the_range_of_doubles_do_not_matter(isa, dtype, scale):
    if dtype == "float32":
        scale = scale ** (1 / 10)  # where nothing can happen to them
    x = np.random.default_rng(1).standard_normal(50).astype(dtype)
    parts = [(x[:20] * x.dtype.type(scale)), (x[20:] * x.dtype.type(scale))]
    assert _clipping.norm(parts, isa=isa) == pytest.approx(
        scale * true_norm([x]), rel=1e-6 if dtype == "float32" else 1e-14
    )


@each_kernel
def test_norms_of_nothing_and_of_what_is_not_finite(isa, dtype):
    def norm(*values):
        return _clipping.norm([np.array(values, dtype), np.ones(40, dtype)], isa=isa)

    assert _clipping.norm([], isa=isa) == 0
    assert _clipping.norm([np.zeros(0, dtype), np.zeros((3, 0), dtype), np.zeros(50, dtype)], isa=isa) == 0
    assert norm(3, np.inf) == norm(-np.inf) == np.inf
    assert math.isnan(norm(np.nan, 1))
    assert math.isnan(norm(np.nan, np.inf))
    assert _clipping.norm([np.full(7, np.finfo(dtype).smallest_subnormal)], isa=isa) > 0


def test_both_dtypes_at_once():
    g = {"a": np.array([3.0], np.float32), "b": np.array([4.0]), "c": np.array([12.0], np.float32)}
    assert clip_by_global_norm(g, 6.5) == 13
    assert [float(a[0]) for a in g.values()] == [1.5, 2, 6]


# ---- in place ----


@pytest.mark.parametrize("threads", [1, 3])
@each_kernel
def test_scaling_and_clamping_are_elementwise_and_stay_within_bounds(isa, dtype, threads):
    rng = np.random.default_rng(2)
    sizes = (*range(35), 16384, 40001)
    guarded = [rng.standard_normal(n + 32).astype(dtype) for n in sizes]
    before = [a.copy() for a in guarded]
    inner = [a[16:-16] for a in guarded]
    _clipping.scale(inner, 0.3, isa=isa, threads=threads)
    _clipping.clamp(inner, 0.2, isa=isa, threads=threads)
    limit = np.array(0.2, dtype)
    for old, new in zip(before, guarded, strict=True):
        expected = old.copy()
        expected[16:-16] = np.clip(old[16:-16] * old.dtype.type(0.3), -limit, limit)
        np.testing.assert_array_equal(new, expected)


@each_kernel
def test_clamping_keeps_nan_and_bounds_infinity(isa, dtype):
    x = np.array([np.nan, np.inf, -np.inf, 0.1, -0.0, -7, 7] * 5, dtype)
    _clipping.clamp([x], 2.0, isa=isa)
    np.testing.assert_array_equal(x[:7], np.array([np.nan, 2, -2, 0.1, -0.0, -2, 2], dtype))


def test_gradients_that_are_not_finite_are_left_alone():
    for bad in (np.nan, np.inf, -np.inf):
        g = {"a": np.array([5.0, bad]), "b": np.array([7.0])}
        assert not math.isfinite(clip_by_global_norm(g, 1.0))
        np.testing.assert_array_equal(g["a"], [5.0, bad])
        assert g["b"] == 7


def test_arrays_of_any_kind_are_clipped_in_place():
    whole = np.arange(12.0).reshape(3, 4)
    raw = np.zeros(17, np.uint8)
    unaligned = raw[1:].view(np.float64)
    unaligned[...] = 3, -4
    g = {"columns": whole[:, ::2], "transposed": np.full((2, 3), 2.0).T, "unaligned": unaligned, "one": np.array(-6.0)}
    expected = {name: a / 2 for name, a in g.items()}
    norm = true_norm(g.values())
    assert clip_by_global_norm(g, norm / 2) == pytest.approx(norm, rel=1e-15)
    for name, a in g.items():
        np.testing.assert_allclose(a, expected[name], rtol=1e-15)
    np.testing.assert_array_equal(whole[:, 1::2], [[1, 3], [5, 7], [9, 11]])
    clip_by_value(g, 1.25)
    for name, a in g.items():
        np.testing.assert_allclose(a, np.clip(expected[name], -1.25, 1.25), rtol=1e-15)


# ---- arguments ----


@pytest.mark.parametrize("clip", [clip_by_global_norm, clip_by_value])
def test_wrong_arguments_are_refused_by_name(clip):
    for limit in (0, -1, math.nan, -math.inf):
        with pytest.raises(ValueError, match=r"^limit: expected a finite number > 0, got "):
            clip({"a": np.ones(2)}, limit)
    with pytest.raises(TypeError, match=r"^limit: expected a number, got '1'"):
        clip({"a": np.ones(2)}, "1")
    good = np.full(2, 10.0)
    for wrong, kind in ((np.ones(2, int), "int64"), ([1.0], "list"), (np.ones(2, np.float16), "float16")):
        with pytest.raises(TypeError, match=rf"^gradients: expected a float32 or float64 array for 'a', got {kind}"):
            clip({"good": good, "a": wrong}, 1.0)
    fixed = np.full(2, 10.0)
    fixed.flags.writeable = False
    with pytest.raises(ValueError, match=r"^gradients: expected arrays that can be written, 'a' is read-only"):
        clip({"good": good, "a": fixed}, 1.0)
    assert (good == 10).all()


# ---- PyTorch ----


def expect_like_torch(arrays, dtype, limit):
    given, scaled, clamped = (
        {name: arrays[f"{kind}.{name}"].copy() for name in ("w", "b")} for kind in ("given", "norm", "value")
    )
    relative = {"float64": 1e-13, "float32": 1e-6}[dtype]
    ours = {name: a.copy() for name, a in given.items()}
    norm = clip_by_global_norm(ours, limit)
    assert norm == pytest.approx(float(arrays["found"]), rel=relative)
    share = (norm + 1e-6) / norm if norm > limit else 1  # PyTorch adds 1e-6
    for name, a in ours.items():
        np.testing.assert_allclose(a, scaled[name] * share, rtol=4 * relative)
    clip_by_value(given, limit)
    for name, a in given.items():
        np.testing.assert_array_equal(a, clamped[name])
        assert a.dtype == dtype


@pytest.mark.parametrize("dtype", DTYPES)
def test_clipping_equals_the_golden_results(dtype):
    with np.load(make_schedules.PATH) as file:
        prefix = f"clipping/{dtype}/"
        arrays = {key.removeprefix(prefix): file[key] for key in file if key.startswith(prefix)}
    assert arrays["found"] > 0.75
    expect_like_torch(arrays, dtype, 0.75)


@pytest.mark.parametrize("limit", [0.1, 1.0, 1e9])
@pytest.mark.parametrize("dtype", DTYPES)
def test_clipping_equals_torch(dtype, limit):
    pytest.importorskip("torch")
    for seed in range(5):
        expect_like_torch(make_schedules.run_clipping(limit, dtype, seed), dtype, limit)
