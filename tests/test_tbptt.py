"""Truncated BPTT: windows cover every step once, the state is carried on, and updates are those made by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastrnn
from fastrnn.data import Batch
from fastrnn.trainer.chunks import cut, first_rows
from layer_table import same_bits

T, N = 11, 4


def model(cell=fastrnn.LSTM):
    return fastrnn.Sequential(cell(2, 5, dtype="float64", seed=0), fastrnn.Linear(5, 1, dtype="float64", seed=1))


def data(n=N, steps=T):
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, steps, 2)), rng.standard_normal((n, steps, 1))


def trainer(m, **options):
    return fastrnn.Trainer(m, "mse", fastrnn.SGD(0.1), **{"clip_norm": None, "seed": 0, **options})


def by_hand(m, x, y, k1, k2, rate=0.1):
    """Update every k1 steps from the errors of these steps, going back k2 of them, as the textbook says."""
    losses = []
    for start in range(0, x.shape[1], k1):
        stop = min(start + k1, x.shape[1])
        first = max(0, start + k1 - k2)
        state = states.get(first) if (states := by_hand.states) else None
        output, _, tape = m.record(x[:, first:stop], state)
        error = output - y[:, first:stop]
        error[:, : start - first] = 0
        losses.append(float((error**2).sum()) / error[:, start - first :].size)
        grads = m.backward(tape, 2 * error / error[:, start - first :].size).parameters
        following = max(0, start + 2 * k1 - k2)
        by_hand.states[following] = m.forward(x[:, first:following], state)[1] if following > first else state
        for name, w in m.parameters().items():
            w -= rate * grads[name]
    return losses


@pytest.mark.parametrize("cell", [fastrnn.RNN, fastrnn.GRU, fastrnn.LSTM])
@pytest.mark.parametrize(("k1", "k2"), [(4, 4), (3, 3), (1, 1), (3, 5), (1, 4), (4, 8), (2, 11), (11, 11), (20, 30)])
def test_updates_are_those_made_by_hand(cell, k1, k2):
    x, y = data()
    ours, theirs = model(cell), model(cell)
    by_hand.states = {0: None}
    losses = by_hand(theirs, x, y, k1, k2)
    run = trainer(ours, tbptt=k1 if k1 == k2 else (k1, k2))
    history = run.fit(x, y, epochs=1, batch_size=N, shuffle=False, verbose=0)
    np.testing.assert_allclose(history.batch_loss, losses, rtol=1e-12)
    assert run.updates == len(history.gradient_norm) == -(-T // k1)
    for name, array in ours.parameters().items():
        np.testing.assert_allclose(array, theirs.parameters()[name], rtol=1e-11, atol=1e-14)


def test_a_window_as_long_as_the_sequence_is_no_truncation():
    x, y = data()
    one, two, three = model(), model(), model()
    trainer(one).fit(x, y, epochs=2, batch_size=2, verbose=0)
    trainer(two, tbptt=T).fit(x, y, epochs=2, batch_size=2, verbose=0)
    trainer(three, tbptt=(T, T)).fit(x, y, epochs=2, batch_size=2, verbose=0)
    assert same_bits(one.state_dict(), two.state_dict())
    assert same_bits(one.state_dict(), three.state_dict())


def test_step_makes_all_updates_of_a_batch():
    x, y = data()
    one, two = model(), model()
    history = trainer(one, tbptt=4).fit(x, y, epochs=1, batch_size=N, shuffle=False, verbose=0)
    value = trainer(two, tbptt=4).step(x, y)
    assert same_bits(one.state_dict(), two.state_dict())
    assert value == pytest.approx(history.loss[0], rel=1e-14)
    assert value == pytest.approx(np.average(history.batch_loss, weights=[4, 4, 3]), rel=1e-13)


@pytest.mark.parametrize("tbptt", [None, 3, (2, 5), (4, 20)])
def test_ragged_rows_are_cut_at_their_ends_and_padding_is_never_read(tbptt):
    x, y = data()
    lengths = np.array([3, 11, 6, 7])
    beyond = np.arange(T) >= lengths[:, None]
    x[beyond], y[beyond] = np.nan, np.nan
    lists = [a[:n] for a, n in zip(x, lengths, strict=True)], [a[:n] for a, n in zip(y, lengths, strict=True)]
    one, two = model(), model()
    options = {"epochs": 3, "batch_size": 3, "verbose": 0}
    padded = trainer(one, tbptt=tbptt).fit(x, y, lengths=lengths, **options)
    listed = trainer(two, tbptt=tbptt).fit(*lists, **options)
    assert same_bits(one.state_dict(), two.state_dict())
    assert padded.loss == listed.loss
    assert np.isfinite(padded.loss).all()


def test_ragged_windows_by_hand():
    """With no learning, every window's loss is that of its steps in one run over everything."""
    x, y = data()
    lengths = np.array([3, 11, 6, 7])
    m = model()
    output, _ = m.forward(x, lengths=lengths)
    error = ((output - y) ** 2)[..., 0]
    still = fastrnn.SGD(1e-300)
    run = fastrnn.Trainer(m, "mse", still, tbptt=4, clip_norm=None)
    history = run.fit(x, y, lengths=lengths, epochs=1, batch_size=N, shuffle=False, verbose=0)
    valid = np.arange(T) < lengths[:, None]
    windows = [slice(0, 4), slice(4, 8), slice(8, 11)]
    np.testing.assert_allclose(history.batch_loss, [error[:, w][valid[:, w]].mean() for w in windows], rtol=1e-12)
    assert history.loss[0] == pytest.approx(error[valid].mean(), rel=1e-12)


def test_the_state_is_carried_over_windows_and_batches():
    x, y = data(steps=12)
    m = model()
    whole, _ = m.forward(x)
    still = {"optimizer": fastrnn.SGD(1e-300), "clip_norm": None}
    parts = [(x[:, :6], y[:, :6]), (x[:, 6:], y[:, 6:])]
    for tbptt in (None, 2, (2, 3)):
        run = fastrnn.Trainer(m, "mse", **still, tbptt=tbptt)
        carried = run.fit(parts, stateful=True, epochs=2, verbose=0)
        assert carried.loss == pytest.approx([((whole - y) ** 2).mean()] * 2, rel=1e-12)  # zeros again each epoch
        fresh = run.fit(parts, epochs=1, verbose=0)
        assert fresh.loss[0] != pytest.approx(carried.loss[0], rel=1e-6)


def test_windows_may_be_averaged_for_one_update():
    """Frozen in between, windows are gradients of one loss, each cut off from the past."""
    x, y = data(steps=12)
    one, two = model(), model()
    trainer(one, tbptt=4, accumulate=3).fit(x, y, epochs=1, batch_size=N, shuffle=False, verbose=0)
    total, state = {}, None
    for t in (0, 4, 8):
        output, state, tape = two.record(x[:, t : t + 4], state)
        grads = two.backward(tape, 2 * (output - y[:, t : t + 4]) / y.size).parameters
        total = {name: total.get(name, 0) + grad for name, grad in grads.items()}
    for name, w in two.parameters().items():
        np.testing.assert_allclose(one.parameters()[name], w - 0.1 * total[name], rtol=1e-12, atol=1e-15)


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_every_step_counts_once(draws):
    n, steps = draws.draw(st.integers(1, 5)), draws.draw(st.integers(1, 12))
    k1 = draws.draw(st.integers(1, 14))
    k2 = draws.draw(st.integers(k1, 16))
    lengths = draws.draw(st.none() | st.lists(st.integers(1, steps), min_size=n, max_size=n).map(np.array))
    number = np.arange(n * steps).reshape(n, steps)
    windows = cut(Batch(number[..., None], number, lengths, number), (k1, k2))
    seen = []
    for window in windows:
        x, y, own, weight = window.batch
        assert x.shape[1] <= k2
        np.testing.assert_array_equal(x[..., 0], y)
        np.testing.assert_array_equal(weight, y)
        counted = np.ones(y.shape, bool) if window.counted is None else window.counted
        if own is not None:
            assert not counted[np.arange(x.shape[1]) >= own[:, None]].any()
            assert own.min() >= 1
        seen.extend(y[counted])
    valid = number if lengths is None else number[np.arange(steps) < lengths[:, None]]
    assert sorted(seen) == sorted(valid.ravel())
    begins = [int(window.batch.x[0, 0, 0]) % steps for window in windows]
    for before, jump in zip(windows, np.diff(begins), strict=False):
        assert jump == (before.batch.x.shape[1] if before.advance is None else before.advance)


def test_states_of_the_first_rows():
    h = np.arange(24.0).reshape(2, 4, 3)
    state = (None, (h, h + 1), [h], h[0])
    found = first_rows(state, 2)
    assert found[0] is None
    np.testing.assert_array_equal(found[1][1], h[:, :2] + 1)
    np.testing.assert_array_equal(found[2][0], h[:, :2])
    np.testing.assert_array_equal(found[3], h[0, :2])


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (0, ValueError, "^tbptt: expected at least 1, got 0"),
        (1.5, TypeError, "^tbptt: expected an int"),
        ((3, 2), ValueError, r"^tbptt: expected k1 <= k2, got \(3, 2\)"),
        ((3,), ValueError, r"^tbptt: expected k, or a tuple"),
    ],
)
def test_bad_truncations(wrong, error, message):
    with pytest.raises(error, match=message):
        trainer(model(), tbptt=wrong)


def test_models_that_carry_no_state_are_refused():
    both = fastrnn.Sequential(fastrnn.GRU(2, 3, bidirectional=True), fastrnn.Linear(6, 1))
    last = fastrnn.Sequential(fastrnn.GRU(2, 3), fastrnn.Last(), fastrnn.Linear(3, 1))
    pair = fastrnn.EncoderDecoder(fastrnn.Sequential(fastrnn.GRU(2, 3)), fastrnn.Sequential(fastrnn.GRU(2, 3)))
    for m, words in ((both, "layer 0 is bidirectional"), (last, "an output at every step"), (pair, "EncoderDecoder")):
        with pytest.raises(ValueError, match=rf"^tbptt: .*{words}"):
            fastrnn.Trainer(m, "mse", tbptt=3)
        with pytest.raises(ValueError, match=rf"^stateful: .*{words}"):
            fastrnn.Trainer(m, "mse").fit([(np.zeros((1, 2, 2)), np.zeros((1, 2, 1)))], stateful=True, verbose=0)
    with pytest.raises(ValueError, match=r"^tbptt: expected targets for every step of x"):
        trainer(model(), tbptt=3).step(np.zeros((2, 4, 2)), np.zeros((2, 3, 1)))


def test_long_sequences_are_measured_window_by_window():
    x, y = data(steps=50)
    lengths = np.array([50, 7, 21, 33])
    m, seen = model(), []
    forward = m.forward

    def watched(x, *rest, **options):
        seen.append(x.shape[1])
        return forward(x, *rest, **options)

    m.forward = watched
    run = trainer(m, tbptt=8)
    for given_lengths in (None, lengths):
        expected = trainer(model()).evaluate(x, y, lengths=given_lengths)
        seen.clear()
        assert run.evaluate(x, y, lengths=given_lengths) == pytest.approx(expected, rel=1e-13)
        assert max(seen) == 8


def test_stateful_samples_are_not_shuffled():
    x, y = data(n=8)
    with pytest.raises(ValueError, match=r"^stateful: expected shuffle=False"):
        trainer(model()).fit(x, y, stateful=True, shuffle=True, verbose=0)
    one, two = model(), model()
    trainer(one).fit(x, y, stateful=True, batch_size=4, epochs=2, verbose=0)
    trainer(two).fit([(x[:4], y[:4]), (x[4:], y[4:])], stateful=True, epochs=2, verbose=0)
    assert same_bits(one.state_dict(), two.state_dict())
