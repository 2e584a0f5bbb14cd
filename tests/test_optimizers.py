"""Optimisers by their formulas written out, and clipping by the global norm."""

import math

import numpy as np
import pytest

import fastrnn
from fastrnn.optimizers import clip_by_global_norm
from layer_table import DTYPES


def parameters(dtype="float64"):
    return {"w": np.array([[1.0, -2.0], [0.5, 0.0]], dtype), "b": np.array([0.25], dtype)}


def gradients(steps, dtype="float64"):
    rng = np.random.default_rng(0)
    return [
        {"w": rng.standard_normal((2, 2)).astype(dtype), "b": rng.standard_normal(1).astype(dtype)}
        for _ in range(steps)
    ]


# float64 gives the formula but for a few roundings a step; float32 likewise, after 5 steps of changes < 0.1
TOLERANCE = {"float64": 1e-14, "float32": 1e-6}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd_by_its_formula(momentum, dtype):
    sgd, p, grads = fastrnn.SGD(0.1, momentum=momentum), parameters(dtype), gradients(5, dtype)
    expected, v = parameters(), {"w": 0.0, "b": 0.0}
    for g in grads:
        sgd.update(p, g)
        for name in p:
            v[name] = momentum * v[name] + g[name]
            expected[name] = expected[name] - 0.1 * v[name]
    for name in p:
        np.testing.assert_allclose(p[name], expected[name], rtol=0, atol=TOLERANCE[dtype])
        assert p[name].dtype == dtype


def test_sgd_by_hand():
    p = {"w": np.array([1.0])}
    sgd = fastrnn.SGD(0.5, momentum=0.5)
    for gradient, expected in ((2.0, 0.0), (2.0, -1.5), (0.0, -2.25)):  # v = 2, 3, 1.5
        sgd.update(p, {"w": np.array([gradient])})
        assert p["w"][0] == expected


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("betas", "eps"), [((0.9, 0.999), 1e-8), ((0.5, 0.8), 0.1), ((0.0, 0.0), 1e-3)])
def test_adam_by_its_formula(betas, eps, dtype):
    adam, p, grads = fastrnn.Adam(0.01, betas=betas, eps=eps), parameters(dtype), gradients(5, dtype)
    expected, m, v = parameters(), {"w": 0.0, "b": 0.0}, {"w": 0.0, "b": 0.0}
    for t, g in enumerate(grads, start=1):
        adam.update(p, g)
        for name in p:
            m[name] = betas[0] * m[name] + (1 - betas[0]) * g[name]
            v[name] = betas[1] * v[name] + (1 - betas[1]) * g[name] ** 2
            m_hat, v_hat = m[name] / (1 - betas[0] ** t), v[name] / (1 - betas[1] ** t)
            expected[name] = expected[name] - 0.01 * m_hat / (np.sqrt(v_hat) + eps)
    for name in p:
        np.testing.assert_allclose(p[name], expected[name], rtol=0, atol=TOLERANCE[dtype])
        assert p[name].dtype == dtype


def test_adams_first_step_is_the_rate_whatever_the_gradients_size():
    p = {"w": np.zeros(3)}
    fastrnn.Adam(0.01).update(p, {"w": np.array([1e-3, -1.0, 1e6])})
    np.testing.assert_allclose(p["w"], [-0.01, 0.01, -0.01], rtol=2e-5)  # ε = 1e-8 against |g| = 1e-3


@pytest.mark.parametrize("make", [lambda: fastrnn.SGD(0.1, momentum=0.9), fastrnn.Adam])
def test_arrays_are_changed_in_place_and_gradients_are_not(make):
    p, (g,) = parameters(), gradients(1)
    arrays, before = dict(p), {name: array.copy() for name, array in g.items()}
    optimizer = make()
    optimizer.update(p, g)
    optimizer.update(p, g)
    assert all(p[name] is arrays[name] for name in p)
    for name in g:
        np.testing.assert_array_equal(g[name], before[name])
        g[name][...] = 100  # nor kept: a caller may reuse them
    q = parameters()
    other = make()
    for _ in range(3):
        other.update(q, before)
    optimizer.update(p, before)
    np.testing.assert_array_equal(p["w"], q["w"])


def test_the_learning_rate_may_be_changed_between_steps():
    p, sgd = {"w": np.array([1.0])}, fastrnn.SGD(0.5)
    sgd.update(p, {"w": np.array([1.0])})
    sgd.learning_rate = 0.25
    sgd.update(p, {"w": np.array([1.0])})
    assert p["w"][0] == 0.25


@pytest.mark.parametrize(
    ("make", "name"),
    [
        *[(lambda rate=rate: fastrnn.SGD(rate), "learning_rate") for rate in (0, -1, math.nan, math.inf)],
        *[(lambda rate=rate: fastrnn.Adam(rate), "learning_rate") for rate in (0, -1e-3, math.nan, math.inf)],
        *[(lambda value=value: fastrnn.SGD(momentum=value), "momentum") for value in (-0.1, 1.0, math.nan)],
        *[(lambda value=value: fastrnn.Adam(betas=(0.9, value)), "betas") for value in (-0.1, 1.0, math.nan)],
        (lambda: fastrnn.Adam(betas=(1.5, 0.9)), "betas"),
        *[(lambda value=value: fastrnn.Adam(eps=value), "eps") for value in (0, -1e-8, math.inf)],
    ],
)
def test_values_out_of_range_are_refused_by_name(make, name):
    with pytest.raises(ValueError, match=rf"^{name}: expected a finite number .*, got "):
        make()


def test_wrong_types_are_refused_by_name():
    for kind in (fastrnn.SGD, fastrnn.Adam):
        for wrong in ("0.1", None, True, [0.1], 1j):
            with pytest.raises(TypeError, match=r"^learning_rate: expected a number, got "):
                kind(wrong)


def test_repr_evaluates_back():
    for optimizer in (fastrnn.SGD(0.2, momentum=0.5), fastrnn.Adam(0.02, betas=(0.8, 0.99), eps=1e-6)):
        assert repr(eval(repr(optimizer), vars(fastrnn).copy())) == repr(optimizer)


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
    (g,) = gradients(1)
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
