"""Losses as sums: weights, ignored targets, batches put together; wrong values; what a loss calls itself."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastrnn import losses
from fastrnn.losses import LOSSES, as_loss

NAN = math.nan
# Every loss, with every option
VARIANTS = {
    "squared_error": losses.SquaredError(),
    "mse": losses.MSE(ignore=-9.0),
    "mae": losses.MAE(ignore=NAN),
    "huber": losses.Huber(0.5),
    "bce": losses.BCE(pos_weight=[2.0, 0.5, 1.0]),
    "cross_entropy": losses.CrossEntropy(weight=[0.5, 2.0, 1.5], label_smoothing=0.1),
    "cross_entropy plain": losses.CrossEntropy(),
    "probabilities": losses.CrossEntropy(weight=[0.5, 2.0, 1.5]),
}
each = pytest.mark.parametrize("name", VARIANTS)


def sample(name, rows, seed, steps=None):
    """Return a prediction of 3 features and a target; some targets are ignored where the loss ignores any."""
    rng, loss = np.random.default_rng(seed), VARIANTS[name]
    shape = (rows, 3) if steps is None else (rows, steps, 3)
    prediction = 2 * rng.standard_normal(shape)
    if name.startswith("cross_entropy"):
        target = rng.integers(0, 3, shape[:-1])
        return prediction, np.where(rng.random(target.shape) < 0.2, loss.ignore, target)
    if name == "probabilities":
        return prediction, rng.dirichlet(np.ones(3), shape[:-1])
    target = rng.random(shape) if name == "bce" else rng.standard_normal(shape)
    return prediction, target if loss.ignore is None else np.where(rng.random(shape) < 0.2, loss.ignore, target)


def expect_same(a, b):
    assert a.value == pytest.approx(b.value, rel=1e-12, abs=1e-12)
    assert a.total == pytest.approx(b.total, rel=1e-12)
    np.testing.assert_allclose(a.gradient, b.gradient, rtol=1e-12, atol=1e-13)


@each
@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(1, 6))
def test_weights_of_one_change_nothing(name, seed, rows):
    prediction, target = sample(name, rows, seed, steps=4)
    plain = VARIANTS[name].sums(prediction, target)
    for shape in ((), (rows,), (rows, 4)):
        expect_same(VARIANTS[name].sums(prediction, target, np.ones(shape)), plain)


@each
@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(2, 8), data=st.data())
def test_a_weight_of_zero_is_a_row_left_out_and_one_of_two_a_row_twice(name, seed, rows, data):
    prediction, target = sample(name, rows, seed)
    weight = np.array(data.draw(st.lists(st.integers(0, 2), min_size=rows, max_size=rows)))
    loss, again = VARIANTS[name], np.repeat(np.arange(rows), weight)
    weighted, repeated = loss.sums(prediction, target, weight), loss.sums(prediction[again], target[again])
    gradient = np.zeros_like(prediction)
    np.add.at(gradient, again, repeated.gradient)
    expect_same(weighted, repeated._replace(gradient=gradient))


@each
@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(2, 8), cut=st.integers(0, 8))
def test_sums_of_parts_add_up(name, seed, rows, cut):
    prediction, target = sample(name, rows, seed, steps=2)
    weight = np.random.default_rng(seed).random((rows, 2))
    loss, cut = VARIANTS[name], min(cut, rows)
    a, b = (loss.sums(prediction[part], target[part], weight[part]) for part in (slice(cut), slice(cut, None)))
    together = losses.Sums(a.value + b.value, np.concatenate([a.gradient, b.gradient]), a.total + b.total)
    expect_same(together, loss.sums(prediction, target, weight))


@each
def test_gradients_with_weights_by_differences(name):
    prediction, target = sample(name, 5, 0)
    weight = np.array([0.0, 1.0, 2.5, 0.25, 1.0])
    _, gradient = VARIANTS[name](prediction, target, weight)
    h = 1e-3
    for index in np.ndindex(prediction.shape):
        at = {}
        for k in (-2, -1, 1, 2):
            moved = prediction.copy()
            moved[index] += k * h
            at[k] = VARIANTS[name](moved, target, weight)[0]
        assert gradient[index] == pytest.approx((8 * (at[1] - at[-1]) - (at[2] - at[-2])) / (12 * h), abs=1e-10)


def test_weighted_means_by_hand():
    y, d = np.array([[1.0, 2.0], [3.0, 5.0]]), np.zeros((2, 2))
    weight = [1.0, 3.0]
    assert as_loss("mse")(y, d, weight)[0] == (1 + 4 + 3 * (9 + 25)) / (2 * 4)
    assert as_loss("squared_error")(y, d, weight)[0] == (5 + 3 * 34) / 2 / 4
    z, ln2 = np.zeros((2, 2)), math.log(2)
    z[1] = math.log(3), 0
    # class weights 1 and 3, sample weights 1 and 2: -log ½ with 1 · 1, -log ¼ with 3 · 2
    value, gradient = losses.CrossEntropy(weight=[1, 3])(z, [0, 1], [1, 2])
    assert value == pytest.approx((ln2 + 6 * 2 * ln2) / 7)
    np.testing.assert_allclose(gradient, np.array([[-0.5, 0.5], [6 * 0.75, -6 * 0.75]]) / 7, rtol=1e-15)


def test_smoothing_by_hand():
    # uniform logits: each class costs log 2; targets ¾ and ¼, times the class weights 1 and 3
    loss, ln2 = losses.CrossEntropy(weight=[1, 3], label_smoothing=0.5), math.log(2)
    assert loss.sums(np.zeros((1, 2)), [0])[::2] == (pytest.approx((0.75 + 3 * 0.25) * ln2), 1.0)
    assert loss.sums(np.zeros((1, 2)), [1])[::2] == (pytest.approx((0.25 + 3 * 0.75) * ln2), 3.0)
    assert loss.sums(np.zeros((1, 2)), [[0.0, 1.0]])[::2] == (pytest.approx((0.25 + 3 * 0.75) * ln2), 1.0)


def test_ignored_elements_by_hand():
    y, d = np.array([[1.0, 2.0], [3.0, 5.0], [7.0, 8.0]]), np.array([[0.0, NAN], [0.0, 0.0], [NAN, NAN]])
    assert losses.MSE(ignore=NAN).sums(y, d)[::2] == (1 + 9 + 25, 3)
    assert losses.SquaredError(ignore=NAN).sums(y, d)[::2] == ((1 + 9 + 25) / 2, 2)  # two steps have a target
    assert losses.SquaredError(ignore=NAN).sums(y, d, [2, 1, 5])[::2] == ((2 + 9 + 25) / 2, 3)
    assert losses.MSE(ignore=NAN).sums(y, d, [2, 1, 5])[::2] == (2 + 9 + 25, 4)
    np.testing.assert_array_equal(losses.MAE(ignore=NAN).sums(y, d).gradient, [[1, 0], [1, 1], [0, 0]])
    assert losses.MSE(ignore=0).sums(y, np.where(np.isnan(d), 6, d))[::2] == (16 + 1 + 4, 3)


@pytest.mark.parametrize("name", LOSSES)
def test_where_everything_is_ignored_the_loss_is_zero(name):
    loss = losses.CrossEntropy(weight=[1, 2, 3]) if name == "cross_entropy" else LOSSES[name](ignore=NAN)
    target = np.full(4, -100) if name == "cross_entropy" else np.full((4, 3), NAN)
    prediction = np.full((4, 3), NAN)  # what is not asked for may be anything
    for weight in (None, [1, 2, 3, 4]):
        value, gradient, total = loss.sums(prediction, target, weight)
        assert (value, total) == (0.0, 0.0)
        np.testing.assert_array_equal(gradient, np.zeros((4, 3)))
        value, gradient = loss(prediction, target, weight)
        assert value == 0.0
        np.testing.assert_array_equal(gradient, np.zeros((4, 3)))


@each
def test_no_rows_sum_to_nothing_and_no_weight_means_nothing(name):
    prediction, target = sample(name, 3, 0)
    value, gradient, total = VARIANTS[name].sums(prediction[:0], target[:0])
    assert (value, gradient.shape, total) == (0.0, (0, 3), 0.0)
    value, gradient = VARIANTS[name](prediction, target, np.zeros(3))
    assert value == 0.0
    assert not gradient.any()


@each
def test_wrong_weights(name):
    prediction, target = sample(name, 3, 0, steps=4)
    for shape in ((4,), (3, 1), (3, 4, 1), (3, 4, 3), (1, 3)):
        with pytest.raises(ValueError, match=r"^weight: expected shape \(3, 4\) or the first axes of it, got \("):
            VARIANTS[name].sums(prediction, target, np.ones(shape))
    for wrong in (-0.5, NAN, math.inf):
        with pytest.raises(ValueError, match=r"^weight: expected finite numbers >= 0, got "):
            VARIANTS[name].sums(prediction, target, [1.0, wrong, 1.0])
    with pytest.raises(TypeError, match=r"^weight: expected real numbers"):
        VARIANTS[name].sums(prediction, target, ["a", "b", "c"])


def test_wrong_predictions():
    with pytest.raises(ValueError, match=r"^prediction: expected shape \(\.\.\., K\) with K >= 1, got \(\)"):
        as_loss("mse")(1.0, 1.0)
    with pytest.raises(ValueError, match=r"^prediction: expected shape \(\.\.\., K\) with K >= 1, got \(2, 0\)"):
        as_loss("cross_entropy").sums(np.zeros((2, 0)), np.zeros(2, int))


def test_out_of_range_classes_are_refused_by_sums_too():
    for wrong in (3, -1, 2**40):
        with pytest.raises(ValueError, match=rf"^target: expected class numbers from 0 to 2, got {wrong} at \[1\]"):
            losses.CrossEntropy().sums(np.zeros((2, 3)), [0, wrong])


@pytest.mark.parametrize("name", LOSSES)
def test_a_bad_target_is_found_wherever_it_is_in_a_large_set(name, monkeypatch):
    monkeypatch.setattr("fastrnn._validation.PIECE", 12)
    numbers = name == "cross_entropy"
    good = np.zeros((9, 2), np.uint8) if numbers else np.zeros((9, 2, 3))
    as_loss(name).check(good, (9, 2, 3))
    for place in ((0, 0, 0), (8, 1, 2), (5, 0, 1)):
        bad, place = good.copy(), place[: good.ndim]
        bad[place] = 9 if numbers else NAN
        with pytest.raises(
            ValueError, match=rf"^target: expected .*, got (9|nan) at {list(place)}$".replace("[", r"\[")
        ):
            as_loss(name).check(bad, (9, 2, 3))
    if not numbers:
        LOSSES[name](ignore=NAN).check(bad, (9, 2, 3))


def test_checking_a_memory_map_takes_no_memory_to_speak_of(tmp_path):
    import tracemalloc

    shape = (40_000, 10, 5)
    target = np.memmap(tmp_path / "y", np.float64, "w+", shape=shape)  # 16 MB
    tracemalloc.start()
    as_loss("bce").check(target, shape)
    as_loss("mse").check(target.transpose(1, 0, 2), (10, 40_000, 5))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < target.nbytes / 4


def test_soft_targets_are_probabilities():
    for wrong in (-0.5, 1.5, NAN):
        with pytest.raises(ValueError, match=rf"^target: expected probabilities in \[0, 1\], got {wrong} at \[0, 1\]"):
            losses.CrossEntropy()(np.zeros((1, 2)), [[0.5, wrong]])


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: losses.Huber(0), ValueError, r"^delta: expected a finite number > 0, got 0"),
        (lambda: losses.MSE(ignore="a"), TypeError, r"^ignore: expected a number, got 'a'"),
        (lambda: losses.BCE(pos_weight=0), ValueError, r"^pos_weight: expected a finite number > 0, or K"),
        (lambda: losses.BCE(pos_weight=[[1.0]]), ValueError, r"^pos_weight: expected a finite number > 0, or K"),
        (lambda: losses.CrossEntropy(weight=[1, -1]), ValueError, r"^weight: expected a finite number >= 0 for each"),
        (lambda: losses.CrossEntropy(weight=2.0), ValueError, r"^weight: expected a finite number >= 0 for each"),
        (lambda: losses.CrossEntropy(label_smoothing=1.5), ValueError, r"^label_smoothing: expected a number from 0"),
        (lambda: losses.CrossEntropy(ignore_index=0.5), TypeError, r"^ignore_index: expected an int, got 0.5"),
        (lambda: losses.BCE(pos_weight=[1, 2]).sums(np.zeros((1, 3)), np.zeros((1, 3))), ValueError,
         r"^pos_weight: expected shape \(3,\), got \(2,\)"),
        (lambda: losses.CrossEntropy(weight=[1, 2]).check([0], (1, 3)), ValueError,
         r"^weight: expected one for each of 3 classes, got 2"),
    ],
)  # fmt: skip
def test_wrong_options(build, error, message):
    with pytest.raises(error, match=message):
        build()


@pytest.mark.parametrize(
    "loss",
    [*VARIANTS.values(), losses.CrossEntropy(ignore_index=3), losses.BCE(pos_weight=2.0), losses.Huber(ignore=NAN)],
)
def test_a_loss_is_built_again_from_what_it_calls_itself(loss):
    again = eval(repr(loss), vars(losses))
    assert repr(again) == repr(loss)
    assert type(again) is type(loss)
    same = vars(again), vars(loss)
    assert str(same[0]) == str(same[1])


def test_what_losses_call_themselves():
    assert repr(losses.MSE()) == "MSE()"
    assert repr(losses.Huber(2, ignore=NAN)) == "Huber(delta=2.0, ignore=float('nan'))"
    assert repr(losses.CrossEntropy(weight=(1, 2))) == "CrossEntropy(weight=[1.0, 2.0])"
