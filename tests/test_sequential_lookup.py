"""Sequential hands ids through to a recurrent layer right behind an Embedding or OneHot: the same as layer by layer."""

import copy
from itertools import product

import numpy as np
import pytest

import fastrnn
from fastrnn.layers.lookup import Picked, those_used
from layer_table import CELLS, DTYPES, randomise, recurrent, same_bits

V, E, N, T = 9, 4, 5, 11
LENGTHS = [3, 11, 1, 7, 7]
OPTIONS = [
    {}, {"num_layers": 2, "dropout": 0.3}, {"bidirectional": True, "recurrent_dropout": 0.25, "zoneout": 0.2},
]  # fmt: skip


class Written(fastrnn.Embedding):
    """Of another class, so that no layer behind it takes ids."""


class WrittenHot(fastrnn.OneHot):
    """Likewise."""


def pair(source, cell, dtype="float32", **options):
    """Return a model, and one of the same layers in which all vectors are written out."""
    first, written = (
        (fastrnn.OneHot(V, dtype=dtype), WrittenHot(V, dtype=dtype))
        if source == "one-hot"
        else (kind(V, E, padding_idx=2, dtype=dtype, seed=1) for kind in (fastrnn.Embedding, Written))
    )
    layer = randomise(recurrent(cell, V if source == "one-hot" else E, 6, dtype=dtype, **options), rng())
    last = fastrnn.Linear((1 + layer.bidirectional) * 6, 3, dtype=dtype, seed=2)
    return fastrnn.Sequential(first, layer, last), fastrnn.Sequential(written, layer, last)


def rng():
    return np.random.default_rng(0)


def ids(*shape, most=V):
    return rng().integers(0, most, shape or (N, T))


def close(got, expected, dtype):
    """Fail unless all gradients are near: sums of at most 55 rows of order 10, added up in another order."""
    assert got.keys() == expected.keys()
    for name, truth in expected.items():
        atol = 500 * np.finfo(dtype).eps * max(1, np.abs(truth).max(initial=0))
        np.testing.assert_allclose(got[name], truth, rtol=0, atol=atol, err_msg=name)


def test_what_stands_between_the_layers():
    """Otherwise the tests below compare a way with itself."""
    for source in ("table", "one-hot"):
        model, written = pair(source, "lstm")
        kinds = [type(m._at_work[0].forward(ids())[0]) for m in (model, written)]
        assert kinds == [Picked, np.ndarray]
    model, _ = pair("table", "lstm")
    assert isinstance(model._at_work[0].forward(np.arange(V))[0], np.ndarray)  # nothing to be won
    for behind in (fastrnn.Dropout(0.1), fastrnn.Jordan(E, 3, 2), fastrnn.TDNN(E, 3, 2)):
        model = fastrnn.Sequential(fastrnn.Embedding(V, E), behind)
        assert isinstance(model._at_work[0].forward(ids())[0], np.ndarray)
    assert fastrnn.Sequential(fastrnn.Embedding(V, E))(ids()).shape == (N, T, E)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("source", ["table", "one-hot"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cell", CELLS)
def test_the_same_bits_forward_and_the_same_gradients(cell, dtype, source, options):
    model, written = pair(source, cell, dtype, **options)
    for shape, lengths in (((N, T), None), ((N, T), LENGTHS), ((T,), None), ((1, 1), None), ((0, T), None)):
        x = ids(*shape)
        start = [None if s is None else tree(s, lambda a: a + a.dtype.type(0.3)) for s in written.forward(x)[1]]
        assert same_bits(model(x, lengths=lengths), written(x, lengths=lengths))
        known, recorded = (m.record(x, start, lengths=lengths, seed=3) for m in (written, model))
        assert same_bits(recorded[0], known[0])
        assert same_bits(recorded[1][1], known[1][1])
        dy = np.random.default_rng(1).standard_normal(known[0].shape).astype(dtype)
        grads, truth = (
            m.backward(r[2], dy, r[1], norms=True, clip_state=2.0) for m, r in ((model, recorded), (written, known))
        )
        assert grads.x is None
        close(grads.parameters, truth.parameters, dtype)
        assert same_bits(grads.state[1], truth.state[1])
        assert same_bits(grads.state_norms, truth.state_norms)
        if source == "table":
            assert not grads.parameters["0.weight"][2].any()


def tree(state, change):
    return tuple(map(change, state)) if isinstance(state, tuple) else change(state)


@pytest.mark.parametrize("cell", CELLS)
def test_lists_of_sequences(cell):
    for source in ("table", "one-hot"):
        model, written = pair(source, cell, bidirectional=True)
        sequences = [ids(n) for n in LENGTHS]
        for one, other in zip(model(sequences), written(sequences), strict=True):
            assert same_bits(one, other)


def test_other_ways_through_the_model():
    for source in ("table", "one-hot"):
        model, written = pair(source, "gru")
        assert same_bits(model.trace(ids(), lengths=LENGTHS), written.trace(ids(), lengths=LENGTHS))
        whole = model(ids())
        assert same_bits(model.stream(batch_size=N).run(ids()), whole)
        assert same_bits(np.stack([model.stream().run(one) for one in ids()]), whole)
        some = ids(2, 4) // 3 * 3  # the padding, id 2, has no gradient
        assert fastrnn.check_gradients(model, some).ok
        assert fastrnn.check_gradients(fastrnn.Sequential(*model.layers[:2]), some[0]).ok


@pytest.mark.parametrize("source", ["table", "one-hot"])
@pytest.mark.parametrize(("shape", "lengths"), [((N, T), None), ((N, T), LENGTHS), ((T,), None)])
def test_tapes_used_again_two_backwards_and_no_later_changes(source, shape, lengths):
    model, _ = pair(source, "lstm", num_layers=2, bidirectional=True)
    x = ids(*shape)
    output, _, tape = model.record(x, lengths=lengths)
    dy = np.ones_like(output)
    expected, output = model.backward(tape, dy).parameters, output.copy()
    x[...] = 0
    assert same_bits(model.backward(tape, dy).parameters, expected)
    for _ in range(3):
        again, _, new = model.record(ids(*shape)[::-1], lengths=lengths, reuse=tape)
        with pytest.raises(RuntimeError, match="its buffers were given to another"):
            model.backward(tape, dy)
        tape = new
    again, _, tape = model.record(ids(*shape), lengths=lengths, reuse=tape)
    assert same_bits(again, output)
    assert same_bits(model.backward(tape, dy).parameters, expected)


@pytest.mark.parametrize(("source", "i"), [("table", 0), ("table", 1), ("one-hot", 1)])
def test_changed_parameters_are_noticed(source, i):
    model, _ = pair(source, "gru")
    output, _, tape = model.record(ids())
    next(iter(model.layers[i].parameters().values()))[...] += 1
    with pytest.raises(RuntimeError, match="the parameters have changed"):
        model.backward(tape, np.ones_like(output))


def test_copies_have_parameters_of_their_own():
    model, _ = pair("table", "lstm")
    expected = model(ids())
    twin = copy.deepcopy(model)
    for array in twin.parameters().values():
        array[...] = 0
    assert not twin(ids()).any()
    assert same_bits(model(ids()), expected)


@pytest.mark.parametrize("size", [5, 5000])  # more ids than there are places for, and fewer
def test_vectors_of_ids_that_do_not_occur_do_not_matter(size):
    model = fastrnn.Sequential(fastrnn.Embedding(1000, E, seed=0), fastrnn.RNN(E, 3, seed=0))
    x = rng().integers(0, 1000, (1, size)) // 3 * 3
    expected, _, tape = model.record(x)
    weight = model.layers[0].parameters()["weight"]
    weight[1::3] = np.nan
    output, _, tape = model.record(x)
    assert same_bits(output, expected)
    grads = model.backward(tape, np.ones_like(output)).parameters
    assert all(np.isfinite(grad).all() for grad in grads.values())
    occurs = np.isin(np.arange(1000), x)
    assert grads["0.weight"][occurs].any(axis=1).all()
    assert not grads["0.weight"][~occurs].any()


def test_which_ids_occur():
    for shape, count in product(((), (0,), (7,), (3, 0), (5, 40)), (1, 6, 60, 1000)):
        x = rng().integers(0, count, shape)
        used, places = those_used(x, count)
        np.testing.assert_array_equal(used, np.unique(x))
        np.testing.assert_array_equal(used[places], x, strict=True)


def test_no_step_is_an_error():
    for source in ("table", "one-hot"):
        for call in (pair(source, "lstm")[0], pair(source, "lstm")[0].record):
            with pytest.raises(ValueError, match=r"^x: expected at least one step, got T = 0 in shape \(0, 3, \d\)$"):
                call(np.zeros((3, 0), int))


@pytest.mark.parametrize("source", ["table", "one-hot"])
def test_training_is_that_of_vectors_written_out(source):
    """Gradient descent on the squared error, 40 steps; only the order of sums in the gradients differs."""
    losses = []
    for model in map(copy.deepcopy, pair(source, "lstm")):  # one by one, as the two share layers
        losses.append([])
        for step in range(40):
            x = np.random.default_rng(step).integers(0, V, (8, T))
            y, _, tape = model.record(x)
            error = y - (x[..., None] % 3 == np.arange(3))
            losses[-1].append(float((error**2).mean()))
            grads = model.backward(tape, error / 200).parameters
            for name, array in model.parameters().items():
                array -= grads[name]
    np.testing.assert_allclose(*losses, rtol=1e-4)
    assert losses[0][-1] < 0.7 * losses[0][0]
