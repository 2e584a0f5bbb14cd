"""Layers that a user writes by the protocol: they work wherever fastrnn's own do."""

import copy
import pickle

import numpy as np
import pytest

import fastrnn
from fastrnn.layers.base import Gradients


class Gain(fastrnn.Layer):
    """y = g ∘ x, one g for each feature: the least that a layer with a parameter has to define."""

    def __init__(self, size):
        self.size = size
        self.dtype = np.dtype(np.float32)
        self._parameters = {"gain": np.ones(size, np.float32)}

    @classmethod
    def parameter_shapes(cls, config):
        yield "gain", (config["size"],)

    def config(self):
        return {"size": self.size}

    def record(self, x, state=None):  # noqa: ARG002
        x = np.array(x, self.dtype)
        return x * self._parameters["gain"], None, self._tape(x)

    def backward(self, tape, grad_output, grad_state=None):  # noqa: ARG002
        x = self._open(tape)
        d_gain = (grad_output * x).reshape(-1, self.size).sum(axis=0)
        return Gradients(grad_output * self._parameters["gain"], None, {"gain": d_gain})


class Leaky(fastrnn.Layer):
    """s_t = a s_{t-1} + W x_t over the first axis: a stateful layer, with another number of features out than in."""

    recurrent = True

    def __init__(self, input_size, size):
        self.input_size, self.size = input_size, size
        self.dtype = np.dtype(np.float32)
        weight = np.random.default_rng(0).normal(0, 0.5, (size, input_size))
        self._parameters = {"weight": weight.astype(np.float32), "a": np.full(size, 0.5, np.float32)}

    def config(self):
        return {"input_size": self.input_size, "size": self.size}

    def output_size(self, input_size):
        if input_size != self.input_size:
            raise ValueError(f"Leaky takes {self.input_size} features, but gets {input_size}")
        return self.size

    def record(self, x, state=None):
        x, (weight, a) = np.array(x, self.dtype), self._parameters.values()
        states = [np.zeros((*x.shape[1:-1], self.size), self.dtype) if state is None else np.array(state, self.dtype)]
        for x_t in x:
            states.append(a * states[-1] + x_t @ weight.T)
        return np.stack(states[1:]), states[-1], self._tape((x, np.stack(states)))

    def backward(self, tape, grad_output, grad_state=None):
        (x, states), (weight, a) = self._open(tape), self._parameters.values()
        ds = np.zeros_like(states[0]) if grad_state is None else np.array(grad_state)
        dx, d_weight, d_a = np.empty_like(x), np.zeros_like(weight), np.zeros_like(a)
        for t in reversed(range(len(x))):
            ds = ds + grad_output[t]
            dx[t] = ds @ weight
            d_weight += ds.reshape(-1, self.size).T @ x[t].reshape(-1, self.input_size)
            d_a += (ds * states[t]).reshape(-1, self.size).sum(axis=0)
            ds = a * ds
        return Gradients(dx, ds, {"weight": d_weight, "a": d_a})


def model():
    return fastrnn.Sequential(
        fastrnn.LSTM(3, 4, seed=0), Gain(4), Leaky(4, 2), fastrnn.Tanh(), fastrnn.Linear(2, 1, seed=1)
    )


def test_they_pass_check_gradients_alone_and_in_a_model():
    x = np.random.default_rng(0).standard_normal((5, 3, 4))
    for layer, given in ((Gain(4), x), (Leaky(4, 2), x), (Leaky(4, 2), None), (model(), None)):
        report = fastrnn.check_gradients(layer, given)
        assert report.ok, str(report)
    assert {"1.gain", "2.weight", "2.a", "state[2]"} <= report.errors.keys()


def test_check_gradients_sees_their_mistakes():
    class Wrong(Leaky):
        def backward(self, tape, grad_output, grad_state=None):
            gradients = super().backward(tape, grad_output, grad_state)
            gradients.parameters["a"][...] *= 2
            return gradients

    assert not fastrnn.check_gradients(Wrong(4, 2)).ok


def test_what_the_base_class_adds():
    layer = Leaky(4, 2)
    x = np.random.default_rng(0).standard_normal((5, 3, 4)).astype(np.float32)
    output, final, tape = layer.record(x)
    np.testing.assert_array_equal(layer(x), output)
    np.testing.assert_array_equal(layer.forward(x)[1], final)
    assert repr(layer) == "Leaky(input_size=4, size=2)"
    assert layer.multiplications() == 8
    twins = [copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))]
    layer.load_state_dict({"weight": np.ones((2, 4)), "a": [0, 0]})
    np.testing.assert_allclose(layer(x)[..., 0], x.sum(axis=-1), rtol=1e-5, atol=1e-5)
    for twin in twins:
        np.testing.assert_array_equal(twin(x), output)
    with pytest.raises(RuntimeError, match="parameters have changed"):
        layer.backward(tape, output)
    with pytest.raises(ValueError, match=r"^a: expected shape \(2,\)"):
        layer.load_state_dict({"weight": np.ones((2, 4)), "a": [0]})


def test_a_model_with_them_chains_states_sizes_and_names():
    m = model()
    assert m.sizes == [3, 4, 4, 2, 2, 1]
    assert "1.gain" in m.parameters()
    x = np.random.default_rng(0).standard_normal((2, 6, 3)).astype(np.float32)
    whole, final, _ = m.record(x)
    first, middle = m.forward(x[:, :4])
    second, last = m.forward(x[:, 4:], middle)
    # float32, values O(1), two groupings of sums of 4 to 8 terms over 6 steps: a few tens of 6e-8
    np.testing.assert_allclose(np.concatenate([first, second], axis=1), whole, atol=5e-6)
    np.testing.assert_allclose(last[2], final[2], atol=5e-6)
    assert last[1] is None
    with pytest.raises(ValueError, match=r"position 1 Leaky takes 4 features, but gets 5"):
        fastrnn.Sequential(fastrnn.Linear(3, 5), Leaky(4, 2))


def test_they_train():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((32, 8, 3)).astype(np.float32)
    y = 0.5 * x.cumsum(axis=1).sum(axis=-1, keepdims=True)
    m = model()
    before = m.state_dict()
    history = fastrnn.Trainer(m, "mse", fastrnn.Adam(1e-2), seed=0).fit(x, y, epochs=30, verbose=0)
    assert history.loss[-1] < history.loss[0] / 2
    assert all(not np.array_equal(before[name], array) for name, array in m.parameters().items())


def test_they_stream_and_the_stream_keeps_its_weights():
    m = model()
    x = np.random.default_rng(0).standard_normal((9, 3)).astype(np.float32)
    expected = m(x)
    stream = m.stream()
    head = [stream.step(x_t) for x_t in x[:3]]
    for array in m.parameters().values():
        array += 1
    rest = stream.run(x[3:])
    np.testing.assert_allclose(np.concatenate([head, rest]), expected, atol=5e-6)


def test_files_are_for_fastrnns_own_layers(tmp_path):
    with pytest.raises(ValueError, match=r"^model: .*got Gain, Leaky; save its state_dict\(\)"):
        model().save(tmp_path / "m.safetensors")
    assert not list(tmp_path.iterdir())


def test_a_class_that_only_borrows_a_name_is_not_saved_as_that_layer(tmp_path):
    class Linear(fastrnn.Linear):
        pass

    with pytest.raises(ValueError, match=r"^model: "):
        fastrnn.Sequential(Linear(2, 1)).save(tmp_path / "m.safetensors")


def test_the_protocol_has_to_be_whole():
    class Half(fastrnn.Layer):
        def record(self, x, state=None):  # noqa: ARG002
            return x, None, None

    with pytest.raises(TypeError, match="backward"):
        Half()


class Shift(fastrnn.Layer):
    """y = x + b with one number b, whose gradient comes as whatever ``make`` makes of it."""

    def __init__(self, make):
        self.make = make
        self.dtype = np.dtype(np.float32)
        self._parameters = {"b": np.zeros((), np.float32)}

    def record(self, x, state=None):  # noqa: ARG002
        return x + self._parameters["b"], None, self._tape(0)

    def backward(self, tape, grad_output, grad_state=None):  # noqa: ARG002
        self._open(tape)
        return fastrnn.Gradients(np.array(grad_output), None, {"b": self.make(np.sum(grad_output))})


def read_only(value):
    array = np.array(value)
    array.flags.writeable = False
    return array


@pytest.mark.parametrize("make", [np.float32, read_only])
@pytest.mark.parametrize("options", [{"clip_norm": 1e-3}, {"accumulate": 2}, {"clip_value": 1e-3}])
def test_gradients_that_cannot_be_written_are_clipped_and_added_up(make, options):
    x, y = np.ones((8, 3, 2)), np.ones((8, 3, 1))

    def trained(make):
        model = fastrnn.Sequential(fastrnn.RNN(2, 3, seed=0), Shift(make), fastrnn.Linear(3, 1, seed=0))
        return fastrnn.Trainer(model, "mse", **options).fit(x, y, batch_size=2, epochs=2, shuffle=False, verbose=0)

    assert trained(make).loss == trained(np.array).loss


class ByName(fastrnn.Model):
    """A model whose input is a dict."""

    def __init__(self):
        self.head = fastrnn.Linear(2, 1, seed=0)

    def record(self, x, state=None):  # noqa: ARG002
        y, _, tape = self.head.record(x["a"])
        return y, None, self._tape(tape)

    def backward(self, tape, grad_output, grad_state=None):  # noqa: ARG002
        found = self.head.backward(self._open(tape), grad_output)
        return fastrnn.Gradients(None, None, self.named("head", found.parameters))


def test_inputs_of_any_kind_that_are_not_finite():
    trainer = fastrnn.Trainer(ByName(), "mse")
    assert trainer.step({"a": np.ones((4, 2))}, np.ones((4, 1))) > 0
    with pytest.raises(FloatingPointError, match=r"^the loss is nan"):
        trainer.step({"a": np.full((4, 2), np.nan)}, np.ones((4, 1)))
