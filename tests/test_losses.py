"""Losses: values and gradients by hand and by finite differences, in every dtype; what they refuse."""

import math

import numpy as np
import pytest

from fastrnn.losses import LOSSES, as_loss
from layer_table import DTYPES

# (loss, prediction, target, value, gradient), worked out on paper
HAND = [
    ("squared_error", [[1.0, 2.0], [3.0, 4.0]], [[0.0, 2.0], [1.0, 1.0]], 14 / 2 / 2, [[0.5, 0], [1, 1.5]]),
    ("squared_error", [2.0], [0.5], 1.125, [1.5]),  # ½(d - y)², ∂E/∂y = -(d - y)
    ("mse", [[1.0, 2.0], [3.0, 4.0]], [[0.0, 2.0], [1.0, 1.0]], 14 / 4, [[0.5, 0], [1, 1.5]]),
    ("mae", [[1.0, 2.0], [3.0, 4.0]], [[0.0, 2.0], [4.0, 1.0]], 5 / 4, [[0.25, 0], [-0.25, 0.25]]),
    ("huber", [[1.0, 2.0], [3.0, 4.0]], [[0.5, 2.0], [5.0, 1.0]], (0.125 + 1.5 + 2.5) / 4, [[0.125, 0], [-0.25, 0.25]]),
    ("bce", [[0.0], [math.log(3)]], [[1.0], [0.0]], (math.log(2) + math.log(4)) / 2, [[-0.25], [0.375]]),
    ("bce", [math.log(3)], [0.25], math.log(4) - 0.25 * math.log(3), [0.5]),  # σ(z) - d = ¾ - ¼
    ("cross_entropy", [[0.0, math.log(3)], [0.0, 0.0]], [1, 0], (math.log(4 / 3) + math.log(2)) / 2,
     [[0.125, -0.125], [-0.25, 0.25]]),
    ("cross_entropy", [0.0, math.log(3)], [0.5, 0.5], 0.5 * math.log(4) + 0.5 * math.log(4 / 3), [-0.25, 0.25]),
]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "prediction", "target", "value", "gradient"), HAND)
def test_by_hand(name, prediction, target, value, gradient, dtype):
    got, grad = as_loss(name)(np.array(prediction, dtype), np.array(target))
    tolerance = 8 * float(np.finfo(dtype).eps)  # at most a handful of roundings of numbers of order 1
    assert isinstance(got, float)
    assert got == pytest.approx(value, abs=tolerance * max(1, value))
    np.testing.assert_allclose(grad, gradient, rtol=0, atol=tolerance)
    assert grad.dtype == dtype


ELEMENTWISE = [name for name in LOSSES if name != "cross_entropy"]


def sample(name, shape=(3, 4, 5), seed=0):
    rng = np.random.default_rng(seed)
    prediction = rng.standard_normal(shape)
    if name == "bce":
        return prediction, rng.uniform(size=shape)
    if name == "cross_entropy":
        return prediction, rng.integers(0, shape[-1], shape[:-1])
    return prediction, rng.standard_normal(shape)


@pytest.mark.parametrize("shape", [(5,), (3, 5), (3, 4, 5), (2, 3, 4, 5)])
@pytest.mark.parametrize("name", LOSSES)
def test_gradients_by_differences(name, shape):
    loss, (prediction, target) = as_loss(name), sample(name, shape)
    _, grad = loss(prediction, target)
    h = 1e-3  # fourth order: error h⁴ = 1e-12 and 1e-16/h = 1e-13 of rounding, for losses of order 1
    for index in np.ndindex(shape):
        at = {}
        for k in (-2, -1, 1, 2):
            moved = prediction.copy()
            moved[index] += k * h
            at[k] = loss(moved, target)[0]
        numeric = (8 * (at[1] - at[-1]) - (at[2] - at[-2])) / (12 * h)
        assert grad[index] == pytest.approx(numeric, abs=1e-10)


@pytest.mark.parametrize("name", LOSSES)
def test_a_batch_has_the_mean_of_its_samples(name):
    loss, (prediction, target) = as_loss(name), sample(name)
    value, grad = loss(prediction, target)
    each = [loss(p, t) for p, t in zip(prediction, target, strict=True)]
    assert value == pytest.approx(np.mean([v for v, _ in each]), rel=1e-13)
    np.testing.assert_allclose(grad, np.stack([g for _, g in each]) / len(each), rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize("name", LOSSES)
def test_nothing_is_modified_or_shared(name):
    loss, (prediction, target) = as_loss(name), sample(name)
    prediction.flags.writeable = target.flags.writeable = False  # a write would raise
    _, grad = loss(prediction, target)
    assert not np.shares_memory(grad, prediction)
    assert not np.shares_memory(grad, target)


@pytest.mark.parametrize("dtype", DTYPES)
def test_extreme_logits_are_finite_and_exact(dtype):
    z = np.array([[-1e4], [1e4], [-1e4], [1e4]], dtype)
    value, grad = as_loss("bce")(z, np.array([[0], [1], [1], [0]]))
    assert value == 5000.0  # two right ones cost nothing, two wrong ones 1e4 each
    np.testing.assert_array_equal(grad, [[0], [0], [-0.25], [0.25]])
    value, grad = as_loss("cross_entropy")(np.array([[1e4, 0], [1e4, 0]], dtype), np.array([0, 1]))
    assert value == 5000.0
    np.testing.assert_array_equal(grad, [[0, 0], [0.5, -0.5]])


def test_small_probabilities_keep_their_figures():
    value, _ = as_loss("bce")(np.array([[-30.0]]), np.array([[0.0]]))
    assert value == pytest.approx(math.exp(-30), rel=1e-9)  # log(1 + e⁻³⁰), which 1 + e⁻³⁰ would have rounded to 0


def test_cross_entropy_of_numbers_is_that_of_one_hot_rows():
    prediction, target = sample("cross_entropy")
    for dtype in (np.int64, np.uint8, np.int8):
        a = as_loss("cross_entropy")(prediction, target.astype(dtype))
        b = as_loss("cross_entropy")(prediction, np.eye(5)[target])
        assert a[0] == b[0]
        np.testing.assert_array_equal(a[1], b[1])


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_wrong_targets_of_elementwise_losses(name):
    loss, prediction = as_loss(name), np.zeros((3, 4, 5))
    for shape in ((3, 4), (3, 4, 1), (4, 5), (1, 4, 5), (3, 4, 6), ()):
        with pytest.raises(ValueError, match=r"^target: expected shape \(3, 4, 5\), got \("):  # never broadcast
            loss(prediction, np.zeros(shape))
    for wrong in (np.zeros((3, 4, 5), complex), np.full((3, 4, 5), "a"), np.full((3, 4, 5), None)):
        with pytest.raises(TypeError, match=r"^target: expected real numbers"):
            loss(prediction, wrong)
    for shape in ((0, 5), (3, 0)):
        with pytest.raises(ValueError, match=r"^target: expected at least one element"):
            loss(np.zeros(shape), np.zeros(shape))


def test_bce_wants_probabilities():
    for wrong in (-0.001, 1.001, 2.0, np.nan, np.inf):
        with pytest.raises(ValueError, match=rf"^target: expected values in \[0, 1\], got {wrong} at \[1, 0\]$"):
            as_loss("bce")(np.zeros((2, 1)), np.array([[0.5], [wrong]]))
    as_loss("bce")(np.zeros((2, 1)), np.array([[True], [False]]))


def test_wrong_targets_of_cross_entropy():
    loss, prediction = as_loss("cross_entropy"), np.zeros((3, 4, 5))
    for wrong in (5, -1):
        target = np.zeros((3, 4), int)
        target[1, 2] = wrong
        with pytest.raises(ValueError, match=rf"^target: expected class numbers from 0 to 4, got {wrong} at \[1, 2\]$"):
            loss(prediction, target)
    with pytest.raises(ValueError, match=r"^target: expected shape \(3, 4\), got \(3,\)"):
        loss(prediction, np.zeros(3, int))
    with pytest.raises(ValueError, match=r"^target: expected shape \(3, 4, 5\), got \(3, 4, 1\)"):
        loss(prediction, np.zeros((3, 4, 1), int))
    for wrong in (np.zeros((3, 4)), np.zeros((3, 4), bool), np.full((3, 4), "a")):
        with pytest.raises(TypeError, match=r"^target: expected integer class numbers"):
            loss(prediction, wrong)
    with pytest.raises(ValueError, match=r"^target: "):
        loss(np.zeros((0, 5)), np.zeros(0, int))


@pytest.mark.parametrize("name", LOSSES)
def test_nan_comes_through_without_a_warning(name):
    prediction, target = sample(name)
    prediction[0, 0, 0] = np.nan
    assert math.isnan(as_loss(name)(prediction, target)[0])


def test_links():
    links = {name: as_loss(name).link for name in LOSSES}
    assert links == dict.fromkeys(LOSSES) | {"bce": "sigmoid", "cross_entropy": "softmax"}


def test_names():
    for name in LOSSES:
        loss = as_loss(name)
        assert as_loss(loss) is loss
    for wrong in ("MSE", "", None, 3):
        with pytest.raises(ValueError, match=rf"^loss: expected one of {', '.join(map(repr, LOSSES))}, got "):
            as_loss(wrong)
