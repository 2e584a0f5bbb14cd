"""Optimisers by their formulas written out, what they take, and what they refuse."""

import json
import math

import numpy as np
import pytest

import fastrnn
from layer_table import DTYPES
from optimizer_cases import EXAMPLES, KINDS, gradients, parameters

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
        *[(lambda value=value: fastrnn.RMSprop(alpha=value), "alpha") for value in (-0.1, 1.0, math.nan)],
        (lambda: fastrnn.RMSprop(eps=0), "eps"),
        (lambda: fastrnn.RMSprop(momentum=1), "momentum"),
        *[(lambda kind=kind: kind(weight_decay=-1), "weight_decay") for kind in KINDS],
    ],
)
def test_values_out_of_range_are_refused_by_name(make, name):
    with pytest.raises(ValueError, match=rf"^{name}: expected a finite number .*, got "):
        make()


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_types_are_refused_by_name(kind):
    for wrong in ("0.1", None, True, [0.1], 1j):
        with pytest.raises(TypeError, match=r"^learning_rate: expected a number, got "):
            kind(wrong)
        with pytest.raises(TypeError, match=r"^weight_decay: expected a number, got "):
            kind(weight_decay=wrong)
    with pytest.raises(TypeError, match=r"^decay_biases: expected True or False, got 1"):
        kind(decay_biases=1)


def test_combinations_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match=r"^nesterov: expected a momentum > 0 with it"):
        fastrnn.SGD(nesterov=True)
    for betas in (0.9, (0.9,), (0.9, 0.99, 0.999), "ab3"):
        with pytest.raises(ValueError, match=r"^betas: expected two numbers, got "):
            fastrnn.Adam(betas=betas)
    with pytest.raises(TypeError, match=r"^betas: expected a number, got '0.9'"):
        fastrnn.AdamW(betas=("0.9", 0.99))


@pytest.mark.parametrize("optimizer", EXAMPLES, ids=repr)
def test_repr_and_settings_build_it_again(optimizer):
    again = eval(repr(optimizer), vars(fastrnn).copy())
    settings = json.loads(json.dumps(optimizer.settings()))
    assert again.settings() == settings == type(optimizer)(**settings).settings()
    assert repr(again) == repr(optimizer) == repr(type(optimizer)(**settings))


def test_repr_and_settings_say_what_is_not_the_default():
    assert repr(fastrnn.Adam()) == "Adam(0.001)"
    assert repr(fastrnn.AdamW(0.1, betas=(0.5, 0.6))) == "AdamW(0.1, betas=(0.5, 0.6))"
    assert fastrnn.SGD(0.3, momentum=0.5).settings() == {
        "learning_rate": 0.3, "momentum": 0.5, "nesterov": False, "weight_decay": 0.0, "decay_biases": False,
    }  # fmt: skip


def test_a_learning_rate_that_is_set_is_checked():
    adam = fastrnn.Adam()
    for wrong in (-1, math.nan, math.inf):
        with pytest.raises(ValueError, match=r"^learning_rate: expected a finite number >= 0, got "):
            adam.learning_rate = wrong
    adam.learning_rate = 0  # as schedules end
    p = parameters()
    adam.update(p, gradients(1)[0])
    np.testing.assert_array_equal(p["w"], parameters()["w"])


# ---- weight decay ----


@pytest.mark.parametrize("kind", [fastrnn.SGD, fastrnn.RMSprop, fastrnn.Adam, fastrnn.AdamW])
def test_biases_decay_only_where_asked(kind):
    for asked in (False, True):
        p = {"w": np.ones((2, 2)), "b": np.ones(2), "gain": np.ones(())}
        zero = {name: np.zeros_like(a) for name, a in p.items()}
        kind(0.1, weight_decay=0.5, decay_biases=asked).update(p, zero)
        assert (p["w"] < 1).all()
        assert ((p["b"] < 1).all(), bool(p["gain"] < 1)) == (asked, asked)
        if asked:
            assert p["b"][0] == p["w"][0, 0] == p["gain"]


def test_adamw_takes_the_same_share_of_every_weight_whatever_its_gradients():
    adamw, adam = fastrnn.AdamW(0.1, weight_decay=0.5), fastrnn.Adam(0.1)
    p = {"w": np.array([[1.0, 2.0, -3.0]])}
    q = {"w": p["w"].copy()}
    g = {"w": np.array([[0.0, 1e3, 1e-3]])}
    for _ in range(3):
        expected = 0.95 * p["w"]
        q["w"][...] = p["w"]
        adam.update(q, g)
        expected += q["w"] - p["w"]
        adamw.update(p, g)
        np.testing.assert_allclose(p["w"], expected, rtol=1e-15)
