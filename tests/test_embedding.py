"""Embedding: rows of a table, their gradients, and ids that are none; models of ids and their streams."""

import copy
import pickle

import numpy as np
import pytest

import fastrnn
from layer_table import DTYPES, same_bits

IDS = np.array([[3, 0, 3], [6, 3, 1]])


def model():
    return fastrnn.Sequential(fastrnn.Embedding(7, 4, seed=0), fastrnn.LSTM(4, 5, seed=1), fastrnn.Linear(5, 7, seed=2))


@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_of_the_table(dtype):
    layer = fastrnn.Embedding(7, 4, dtype=dtype, seed=0)
    weight = layer.parameters()["weight"]
    assert (weight.shape, weight.dtype) == ((7, 4), dtype)
    for ids in (IDS, IDS[0], IDS[0, 0], 5, IDS.tolist(), IDS.T, IDS.astype(np.uint8), np.zeros((2, 0, 3), np.uint64)):
        expected = weight[np.asarray(ids, int)]
        output, state, _ = layer.record(ids)
        assert same_bits(layer(ids), expected)
        assert same_bits(output, expected)
        assert state is None
    assert layer.multiplications() == 0


def test_the_gradient_adds_up_over_places():
    layer = fastrnn.Embedding(7, 4, dtype="float64", seed=0)
    dy = np.random.default_rng(0).standard_normal((*IDS.shape, 4))
    grads = layer.backward(layer.record(IDS)[2], dy)
    expected = np.zeros((7, 4))
    np.add.at(expected, IDS, dy)
    np.testing.assert_allclose(grads.parameters["weight"], expected, rtol=1e-14)
    assert grads.x is None
    assert fastrnn.check_gradients(layer, IDS).ok
    assert list(fastrnn.check_gradients(layer).errors) == ["weight"]
    empty = layer.backward(layer.record(IDS[:0])[2], dy[:0])
    assert not empty.parameters["weight"].any()


def test_gradients_of_many_ids():
    rng = np.random.default_rng(0)
    layer, ids = fastrnn.Embedding(1000, 3, seed=0), rng.integers(0, 1000, 20_000)
    dy = rng.standard_normal((20_000, 3)).astype(np.float32)
    grad = layer.backward(layer.record(ids)[2], dy).parameters["weight"]
    expected = np.zeros((1000, 3))
    np.add.at(expected, ids, dy)
    np.testing.assert_allclose(grad, expected, atol=50 * 3 * 6e-8)  # sums of up to 50 numbers below 5 in float32
    assert grad.dtype == np.float32


@pytest.mark.parametrize(("given", "index"), [(2, 2), (-1, 6), (0, 0)])
def test_padding_starts_at_zero_and_stays(given, index):
    layer = fastrnn.Embedding(7, 4, padding_idx=given, seed=0)
    assert layer.padding_idx == index
    assert [i for i, row in enumerate(layer.parameters()["weight"]) if not row.any()] == [index]
    grads = layer.backward(layer.record(np.arange(7))[2], np.ones((7, 4)))
    expected = np.ones((7, 4))
    expected[index] = 0
    np.testing.assert_array_equal(grads.parameters["weight"], expected)
    assert fastrnn.check_gradients(layer).ok


def test_initial_vectors_are_standard_normal():
    weight = fastrnn.Embedding(400, 100, seed=0).parameters()["weight"]
    assert abs(weight.mean()) < 5 / 200  # five standard deviations of the mean of 40,000
    assert abs(weight.std() - 1) < 5 / 200 / np.sqrt(2)


@pytest.mark.parametrize("padding", [None, 3])
@pytest.mark.parametrize("dtype", DTYPES)
def test_as_pytorch(dtype, padding):
    torch = pytest.importorskip("torch")
    ours = fastrnn.Embedding(7, 4, padding_idx=padding, dtype=dtype, seed=0)
    theirs = torch.nn.Embedding(7, 4, padding_idx=padding, dtype=getattr(torch, dtype))
    theirs.load_state_dict({name: torch.tensor(array) for name, array in ours.parameters().items()})
    dy = np.random.default_rng(0).standard_normal((*IDS.shape, 4)).astype(dtype)
    output = theirs(torch.tensor(IDS))
    output.backward(torch.tensor(dy))
    y, _, tape = ours.record(IDS)
    assert same_bits(y, output.detach().numpy())
    grad = ours.backward(tape, dy).parameters["weight"]
    np.testing.assert_allclose(grad, theirs.weight.grad.numpy(), atol=4 * np.finfo(dtype).eps)  # sums of three


def test_what_is_no_id_is_refused():
    layer = fastrnn.Embedding(28, 4)
    for call in (layer, layer.record):
        for ids, got in (([3, 31], 31), ([-1, 3], -1), (28, 28), (np.array([2**63], np.uint64), 2**63)):
            with pytest.raises(ValueError, match=rf"^x: expected ids from 0 to 27, got {got}$"):
                call(ids)
        for wrong in (1.0, [0.0, 1.0], [True], "a", None, [1j], [None]):
            with pytest.raises(TypeError, match=r"^x: expected ids, which are integers, got dtype "):
                call(wrong)
        with pytest.raises(ValueError, match=r"^x: expected one rectangular array"):
            call([[1, 2], [1]])


def test_arguments_that_are_refused():
    for name, value, error in (
        ("num_embeddings", 0, ValueError), ("embedding_dim", 1.5, TypeError), ("padding_idx", 7, ValueError),
        ("padding_idx", -8, ValueError), ("padding_idx", True, TypeError), ("padding_idx", 1.0, TypeError),
        ("dtype", "int64", ValueError), ("seed", -1, TypeError),
    ):  # fmt: skip
        with pytest.raises(error, match=rf"^{name}: expected "):
            fastrnn.Embedding(**{"num_embeddings": 7, "embedding_dim": 4, name: value})
    with pytest.raises(ValueError, match=r"^layers: Embedding.* at position 1 takes ids; it has to be the first"):
        fastrnn.Sequential(fastrnn.Linear(3, 7), fastrnn.Embedding(7, 4))


def test_the_tape_does_not_see_later_changes_and_copies_are_equal(tmp_path):
    layer, ids = fastrnn.Embedding(7, 4, padding_idx=1, seed=0), IDS.copy()
    dy = np.ones((*IDS.shape, 4))
    _, _, tape = layer.record(ids)
    expected = layer.backward(tape, dy).parameters
    ids[...] = 0
    assert same_bits(layer.backward(tape, dy).parameters, expected)
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert same_bits(twin(IDS), layer(IDS))
    assert repr(layer) == "Embedding(num_embeddings=7, embedding_dim=4, padding_idx=1, dtype='float32')"
    m = fastrnn.Sequential(layer, fastrnn.Linear(4, 2))
    m.save(tmp_path / "m")
    assert repr(fastrnn.load(tmp_path / "m")) == repr(m)
    assert same_bits(fastrnn.load(tmp_path / "m")(IDS), m(IDS))


# ---- models of ids ----


def test_a_model_of_ids_is_its_layers_chained():
    m = model()
    assert m.sizes == [7, 4, 5, 7]
    table, lstm, linear = m
    expected = linear(lstm(table(IDS.T))[0]).swapaxes(0, 1)
    output, _, tape = m.record(IDS)
    assert same_bits(output, expected)
    np.testing.assert_allclose(m(IDS[0]), expected[0], atol=1e-6)
    assert m.backward(tape, np.ones_like(output)).x is None
    assert fastrnn.check_gradients(m).ok
    assert fastrnn.check_gradients(m, IDS).ok
    assert "(N, T, 4)" in m.summary()


def test_a_model_of_ids_checks_them():
    m = model()
    for call in (m, m.predict, m.record, m.as_batch):
        with pytest.raises(ValueError, match=r"^x: expected ids from 0 to 6, got 31$"):
            call(np.array([[1, 31]]))
        with pytest.raises(TypeError, match=r"^x: expected ids, which are integers, got dtype float64"):
            call(np.zeros((2, 3)))
        with pytest.raises(ValueError, match=r"^x: expected ids of shape \(N, T\) or \(T,\), got \(1, 2, 3\)"):
            call(IDS[None])
    pointwise = fastrnn.Sequential(fastrnn.Embedding(7, 4, seed=0), fastrnn.Linear(4, 2, seed=0))
    assert pointwise(IDS[None]).shape == (1, 2, 3, 2)
    assert pointwise(3).shape == (2,)


def test_streams_of_ids():
    m = model()
    ids = np.random.default_rng(0).integers(0, 7, (2, 9))
    whole = m(ids)
    stream = m.stream()
    head = [stream.step(int(i)) for i in ids[0, :3]]
    np.testing.assert_allclose(np.concatenate([head, stream.run(ids[0, 3:].tolist())]), whole[0], atol=1e-6)
    assert stream.steps == 9
    pair = m.stream(batch_size=2)
    first = pair.step(ids[:, 0])
    rest = pair.run(ids[:, 1:])
    np.testing.assert_allclose(np.concatenate([first[:, None], rest], axis=1), whole, atol=1e-6)
    m.parameters()["0.weight"][...] = 0  # a stream has a snapshot
    assert same_bits(m.stream().step(0), m.stream().step(6))
    for call, wrong, shape in ((stream.step, [1], r"\(\)"), (stream.run, 1, r"\(T,\)"), (pair.run, [1], r"\(N, T\)")):
        with pytest.raises(ValueError, match=rf"expected ids of shape {shape}, got "):
            call(wrong)
    with pytest.raises(ValueError, match=r"^x: expected ids from 0 to 6, got 7"):
        stream.step(7)
    with pytest.raises(TypeError, match=r"^block: expected ids"):
        stream.run([0.5])
    with pytest.raises(ValueError, match=r"^x: expected shape \(2,\), got \(3,\)"):
        pair.step([1, 2, 3])


def test_a_model_of_ids_learns_the_next_one():
    ids = (np.arange(8)[None] + np.arange(7)[:, None]) % 7  # always one more
    m = model()
    trainer = fastrnn.Trainer(m, "cross_entropy", fastrnn.Adam(2e-2), seed=0)
    history = trainer.fit(ids[:, :-1], ids[:, 1:], epochs=150, batch_size=7, verbose=0)
    assert history.loss[-1] < 0.1 < history.loss[0]
    np.testing.assert_array_equal(m.predict(ids).argmax(axis=-1), (ids + 1) % 7)
    before = m.state_dict()
    with pytest.raises(ValueError, match=r"^x: expected ids from 0 to 6, got 7"):
        trainer.fit(np.where(ids == 6, 7, ids), ids, verbose=0)
    assert same_bits(m.state_dict(), before)
