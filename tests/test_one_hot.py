"""OneHot: ones in the places of ids, and nothing else; ids that are none; models and files with it."""

import copy
import json
import pickle

import numpy as np
import pytest
from safetensors.numpy import save

import fastrnn
from fastrnn.serialization import ModelFileError
from layer_table import DTYPES, same_bits

IDS = np.array([[3, 0, 3], [6, 3, 1]])


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_one_in_the_place_of_each_id(dtype):
    layer = fastrnn.OneHot(7, dtype=dtype)
    for ids in (IDS, IDS[0], IDS[0, 0], 5, IDS.tolist(), IDS.T, IDS.astype(np.uint8), np.zeros((2, 0, 3), np.uint64)):
        expected = np.eye(7, dtype=dtype)[np.asarray(ids, int)]
        output, state, _ = layer.record(ids)
        assert same_bits(layer(ids), expected)
        assert same_bits(output, expected)
        assert state is None
        assert not output.flags.writeable
    assert layer.parameters() == {}
    assert layer.multiplications() == 0
    assert layer.takes_ids


def test_there_is_nothing_to_have_a_gradient():
    layer = fastrnn.OneHot(7)
    _, _, tape = layer.record(IDS)
    grads = layer.backward(tape, np.ones((2, 3, 7)))
    assert (grads.x, grads.state, grads.parameters) == (None, None, {})
    with pytest.raises(ValueError, match=r"^grad_output: expected shape \(2, 3, 7\), got \(2, 3, 6\)$"):
        layer.backward(tape, np.ones((2, 3, 6)))
    with pytest.raises(ValueError, match=r"^tape: expected one that this OneHot recorded"):
        fastrnn.OneHot(7).backward(tape, np.ones((2, 3, 7)))


def test_what_is_no_id_is_refused():
    layer = fastrnn.OneHot(28)
    model = fastrnn.Sequential(layer, fastrnn.RNN(28, 2, seed=0))
    for call in (layer, layer.record, model, model.record):
        for ids, got in (([3, 31], 31), ([-1, 3], -1), (np.array([2**63], np.uint64), 2**63 - 1)):
            with pytest.raises(ValueError, match=rf"^x: expected ids from 0 to 27, got {str(got)[:15]}"):
                call(ids)
        for wrong in ([0.0, 1.0], [True], "a", None, [1j]):
            with pytest.raises(TypeError, match=r"^x: expected ids, which are integers, got dtype "):
                call(wrong)


def test_arguments_that_are_refused():
    for name, value, error in (
        ("num_classes", 0, ValueError), ("num_classes", 1.5, TypeError), ("num_classes", True, TypeError),
        ("dtype", "int64", ValueError),
    ):  # fmt: skip
        with pytest.raises(error, match=rf"^{name}: expected "):
            fastrnn.OneHot(**{"num_classes": 7, name: value})
    with pytest.raises(ValueError, match=r"^layers: OneHot.* at position 1 takes ids; it has to be the first"):
        fastrnn.Sequential(fastrnn.Linear(3, 7), fastrnn.OneHot(7))
    with pytest.raises(ValueError, match=r"^layers: at position 1 LSTM takes 6 features, but gets 7$"):
        fastrnn.Sequential(fastrnn.OneHot(7), fastrnn.LSTM(6, 2))
    with pytest.raises(ValueError, match=r"^layers: expected one dtype, got float32, float64$"):
        fastrnn.Sequential(fastrnn.OneHot(7, dtype="float64"), fastrnn.LSTM(7, 2))


def models():
    """Return models in which a recurrent layer takes the ids, and others in which it doesn't."""
    return [
        fastrnn.Sequential(fastrnn.OneHot(7), fastrnn.LSTM(7, 5, seed=0), fastrnn.Linear(5, 7, seed=0)),
        fastrnn.Sequential(fastrnn.OneHot(7), fastrnn.Linear(7, 5, seed=0)),
        fastrnn.Sequential(fastrnn.OneHot(7), fastrnn.MeanOverTime(), fastrnn.Linear(7, 2, seed=0)),
        fastrnn.Sequential(fastrnn.OneHot(7), fastrnn.Jordan(7, 5, 2, seed=0)),
    ]


@pytest.mark.parametrize("i", range(4))
def test_models_that_begin_with_it(i, tmp_path):
    m = models()[i]
    assert (m.takes_ids, m.sizes[:2]) == (True, [7, 7])
    hot = fastrnn.Sequential(*m.layers[1:])
    expected = hot(np.eye(7)[IDS])
    assert same_bits(m(IDS), expected)
    assert same_bits(m.record(IDS)[0], expected)
    assert fastrnn.check_gradients(m, IDS).ok
    assert "7)" in m.summary()
    m.save(tmp_path / "m")
    for again in (fastrnn.load(tmp_path / "m"), copy.deepcopy(m), pickle.loads(pickle.dumps(m))):
        assert repr(again) == repr(m)
        assert same_bits(again(IDS), expected)
    assert repr(m.layers[0]) == "OneHot(num_classes=7, dtype='float32')"


def test_a_stream_step_by_step_and_in_blocks_gives_the_bits_of_the_sequence():
    m = models()[0]
    whole = m(IDS)
    stream, wide = m.stream(), m.stream(batch_size=2)
    out = np.empty(7, np.float32)
    for t in range(3):
        assert same_bits(stream.step(IDS[0, t]), whole[0, t])
        assert same_bits(wide.step(IDS[:, t]), whole[:, t])
    assert same_bits(m.stream().run(IDS[1]), whole[1])
    assert same_bits(m.stream(batch_size=2).run(IDS), whole)
    stream = m.stream()
    stream.step(3, out)
    assert same_bits(out, whole[0, 0])
    assert m.generate(IDS, 4, seed=0).shape == (2, 4)


def test_files_with_wrong_arguments_are_refused(tmp_path):
    fastrnn.Sequential(fastrnn.OneHot(7), fastrnn.ReLU()).save(tmp_path / "good")
    assert fastrnn.load(tmp_path / "good")(6).argmax() == 6
    for wrong in ({"num_classes": 0}, {"num_classes": 2.0}, {"num_classes": None}, {"seed": 1}, {"dtype": "int8"}):
        layer = {"type": "OneHot", "num_classes": 7, "dtype": "float32"} | wrong
        own = {"format": 1, "model": {"type": "Sequential", "layers": [layer]}, "link": None}
        path = tmp_path / "bad"
        path.write_bytes(save({}, {"fastrnn": json.dumps(own)}))
        with pytest.raises(ModelFileError):
            fastrnn.load(path)
