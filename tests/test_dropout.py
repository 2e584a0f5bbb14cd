"""Dropout: what is drawn, from which seed, and that nothing is where nothing should be."""

import numpy as np
import pytest

import fastrnn
from layer_table import DTYPES, same_bits

ONES = np.ones((50, 20, 30))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("per_sequence", [False, True])
def test_the_share_and_the_scale(per_sequence, dtype):
    layer = fastrnn.Dropout(0.25, per_sequence=per_sequence)
    y, state, _ = layer.record(ONES.astype(dtype), seed=0)
    assert state is None
    assert y.dtype == dtype
    assert set(np.unique(y)) == {0, np.dtype(dtype).type(1 / 0.75)}
    drawn = y[0] if per_sequence else y
    # a binomial count: five standard deviations
    assert abs((drawn == 0).mean() - 0.25) < 5 * np.sqrt(0.25 * 0.75 / drawn.size)


def test_per_sequence_is_one_mask_for_all_steps():
    y, _, _ = fastrnn.Dropout(0.5, per_sequence=True).record(ONES, seed=0)
    assert all(same_bits(step, y[0]) for step in y)
    assert not same_bits(y[0, 0], y[0, 1])  # but another for each sequence
    y, _, _ = fastrnn.Dropout(0.5).record(ONES, seed=0)
    assert not same_bits(y[0], y[1])
    y, _, _ = fastrnn.Dropout(0.5, per_sequence=True).record(ONES[:, 0], seed=0)  # one sequence
    assert all(same_bits(step, y[0]) for step in y)


@pytest.mark.parametrize("per_sequence", [False, True])
def test_seeds(per_sequence):
    layer = fastrnn.Dropout(0.5, per_sequence=per_sequence)

    def drawn(seed):
        return layer.record(ONES, seed=seed)[0]

    assert same_bits(drawn(3), drawn(3))
    assert same_bits(drawn(np.random.default_rng(3)), drawn(3))
    rng = np.random.default_rng(3)
    all_different = [drawn(3), drawn(4), drawn(None), drawn(None), (drawn(rng), drawn(rng))[1]]
    assert len({y.tobytes() for y in all_different}) == 5
    with fastrnn.num_threads(1):
        one = drawn(3)
    with fastrnn.num_threads(2):
        assert same_bits(drawn(3), one)
    for wrong in (-1, 1.5, "0", True):
        with pytest.raises(TypeError, match=r"^seed: expected "):
            drawn(wrong)


@pytest.mark.parametrize("per_sequence", [False, True])
def test_the_gradient_goes_where_the_input_came_through(per_sequence):
    layer = fastrnn.Dropout(0.4, per_sequence=per_sequence)
    rng = np.random.default_rng(0)
    x, dy = rng.uniform(1, 2, (2, 6, 4, 3))
    y, _, tape = layer.record(x, seed=1)
    dx = layer.backward(tape, dy).x
    np.testing.assert_allclose(dx, dy * (y / x), rtol=1e-15)
    assert same_bits(layer.backward(tape, dy).x, dx)
    report = fastrnn.check_gradients(layer, x)
    assert report.ok, str(report)
    assert fastrnn.check_gradients(layer).ok
    with pytest.raises(ValueError, match=r"^grad_output: expected shape \(6, 4, 3\)"):
        layer.backward(tape, dy[0])


@pytest.mark.parametrize("per_sequence", [False, True])
def test_nothing_is_dropped_outside_of_training(per_sequence):
    layer, x = fastrnn.Dropout(0.5, per_sequence=per_sequence), np.random.default_rng(0).standard_normal((6, 4, 3))
    assert same_bits(layer(x), x)
    assert same_bits(layer.forward(x)[0], x)
    assert not np.shares_memory(layer(x), x)
    m = fastrnn.Sequential(fastrnn.RNN(3, 3, seed=0), layer)
    plain = fastrnn.Sequential(fastrnn.RNN(3, 3, seed=0))
    assert same_bits(m(x), plain(x))
    assert same_bits(m.stream().run(x[0]), plain.stream().run(x[0]))
    assert same_bits(fastrnn.Dropout(0.0).record(x)[0], x)


def test_padding_is_not_read_with_one_mask_a_sequence():
    layer, lengths = fastrnn.Dropout(0.5, per_sequence=True), [2, 6, 1, 3]
    x = np.random.default_rng(0).uniform(1, 2, (6, 4, 3))
    whole, _, whole_tape = layer.record(x, seed=2)
    padding = np.arange(6)[:, None] >= lengths
    x[padding] = np.nan
    y, _, tape = layer.record(x, lengths=lengths, seed=2)
    assert same_bits(y[~padding], whole[~padding])
    dx = layer.backward(tape, np.where(padding[..., None], np.nan, x)).x
    assert same_bits(dx[~padding], layer.backward(whole_tape, np.nan_to_num(x)).x[~padding])
    for array in (y, dx, layer.forward(x, lengths=lengths)[0]):
        assert not array[padding].any()
    with pytest.raises(TypeError, match=r"^lengths: only Dropout\(\.\.\., per_sequence=True\) takes them"):
        fastrnn.Dropout(0.5).record(x, lengths=lengths)


@pytest.mark.parametrize("shape", [(), (3,), (0, 3), (4, 0), (2, 3, 4, 5)])
def test_any_shape(shape):
    layer = fastrnn.Dropout(0.5)
    y, _, tape = layer.record(np.ones(shape), seed=0)
    assert y.shape == layer.backward(tape, y).x.shape == shape


def test_arguments_that_are_refused():
    for value, error in (
        (1, ValueError),
        (-0.1, ValueError),
        (np.nan, ValueError),
        ("0.5", TypeError),
        (True, TypeError),
    ):
        with pytest.raises(error, match=r"^rate: expected a number from 0 to below 1, got "):
            fastrnn.Dropout(value)
    with pytest.raises(TypeError, match=r"^per_sequence: expected True or False"):
        fastrnn.Dropout(0.5, per_sequence=1)
    with pytest.raises(ValueError, match=r"^x: expected shape \(T, N, F\) or \(T, F\)"):
        fastrnn.Dropout(0.5, per_sequence=True).record(np.zeros(3))
    assert repr(fastrnn.Dropout(0.5, per_sequence=True)) == "Dropout(rate=0.5, per_sequence=True)"


# ---- in models ----


def chain():
    return fastrnn.Sequential(
        fastrnn.Linear(3, 8, seed=0), fastrnn.Dropout(0.5), fastrnn.RNN(8, 8, seed=1),
        fastrnn.Dropout(0.5, per_sequence=True), fastrnn.Linear(8, 2, seed=2),
    )  # fmt: skip


def test_layers_of_a_model_draw_one_after_the_other():
    m, x = chain(), np.random.default_rng(0).standard_normal((4, 6, 3)).astype(np.float32)
    output, _, tape = m.record(x, seed=5)
    again, _, _ = m.record(x, seed=np.random.default_rng(5), reuse=m.record(x)[2])
    assert same_bits(again, output)
    assert not same_bits(m.record(x, seed=6)[0], output)
    rng, h = np.random.default_rng(5), x.swapaxes(0, 1)
    for layer in m:
        h = layer.record(h, **({"seed": rng} if layer.random else {}))[0]
    assert same_bits(h.swapaxes(0, 1), output)
    assert m.backward(tape, output).x.shape == x.shape
    assert m.random
    assert not fastrnn.Sequential(fastrnn.Linear(3, 2), fastrnn.Dropout(0.0)).random


def test_models_with_chance_pass_check_gradients():
    report = fastrnn.check_gradients(chain())
    assert report.ok, str(report)


def test_training_is_repeatable_and_evaluation_is_without_chance():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((16, 5, 3)), rng.standard_normal((16, 5, 2))

    def fit(seed):
        m = chain()
        trainer = fastrnn.Trainer(m, "mse", seed=seed)
        return trainer.fit(x, y, epochs=3, batch_size=16, verbose=0).batch_loss, trainer.evaluate(x, y), m(x)

    one, two, other = fit(1), fit(1), fit(2)
    assert one[0] == two[0]
    assert one[0] != other[0]
    assert same_bits(one[2], two[2])
    loss = float(np.square(one[2] - y).mean())
    np.testing.assert_allclose(one[1], loss, rtol=1e-5)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("per_sequence", [False, True])
def test_what_is_dropped_is_zero_whatever_it_was(per_sequence, value):
    layer = fastrnn.Dropout(0.5, per_sequence=per_sequence)
    x = np.full((3, 2, 6), value)
    kept = layer.record(np.ones_like(x), seed=0)[0] != 0
    assert 0 < kept.sum() < kept.size
    y, _, tape = layer.record(x, seed=0)
    np.testing.assert_array_equal(y, np.where(kept, value, 0))
    np.testing.assert_array_equal(layer.backward(tape, x).x, np.where(kept, value, 0))
