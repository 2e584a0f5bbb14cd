"""Losses of one's own: mere functions, and classes derived from fastrnn's."""

import math

import numpy as np
import pytest

import fastrnn
from fastrnn import losses
from fastrnn.losses import as_loss


class Absolute:
    link = None

    def __call__(self, prediction, target):
        error = prediction - np.asarray(target, prediction.dtype)
        return float(np.abs(error).mean()), np.sign(error) / error.size

    def __repr__(self):
        return "Absolute()"


def test_a_function_becomes_a_loss_of_rows():
    loss = as_loss(Absolute())
    y, d = np.array([[[1.0, 2.0], [3.0, 4.0]]]), np.zeros((1, 2, 2))
    value, gradient, total = loss.sums(y, d)
    assert (value, total) == (5.0, 2.0)  # mean 2.5, two rows
    np.testing.assert_array_equal(gradient, np.full((1, 2, 2), 0.5))
    assert loss(y, d)[0] == 2.5
    assert repr(loss) == "Absolute()"
    assert (loss.link, loss.ignore) == (None, None)
    loss.check("anything", (1, 2, 2))  # it has no opinion
    with pytest.raises(ValueError, match=r"^weight: Absolute\(\) takes no weights; derive it from fastrnn.losses.Loss"):
        loss.sums(y, d, [1.0])


def test_the_check_of_a_function_is_asked():
    class Picky(Absolute):
        def check(self, target, shape):
            raise ValueError(f"target: no {target} of {shape}")

    with pytest.raises(ValueError, match=r"^target: no 7 of \(1, 1\)"):
        as_loss(Picky())(np.zeros((1, 1)), 7)


def test_a_class_or_a_function_without_a_link_is_no_loss():
    with pytest.raises(TypeError, match=r"^loss: expected a loss such as Absolute\(\), got the class itself"):
        as_loss(Absolute)
    with pytest.raises(TypeError, match=r"^loss: expected the attribute `link`"):
        as_loss(lambda prediction, target: (0.0, prediction - target))


def test_a_derived_loss_trains_with_the_base_doing_the_rest():
    class Quartic(losses.Elementwise):
        def terms(self, prediction, target):
            error = prediction - target
            return error**4, 4 * error**3

    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 5, 1))
    model = fastrnn.Sequential(fastrnn.RNN(1, 6, seed=0), fastrnn.Linear(6, 1, seed=0))
    loss = Quartic(ignore=math.nan)
    assert repr(loss) == "Quartic(ignore=float('nan'))"
    history = fastrnn.Trainer(model, loss, fastrnn.Adam(1e-2), seed=0).fit(x, x / 2, epochs=8, verbose=0)
    assert history.loss[-1] < history.loss[0] / 4
