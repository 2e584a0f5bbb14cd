"""Model: what a class gets whose attributes are layers. The documented example runs in test_documents.py."""

import copy
import pickle

import numpy as np
import pytest

import fastrnn
from layer_table import randomise, same_bits


class Encoder(fastrnn.Model):
    """Cells in a list, one of them used twice, and a parameter of its own: y = gain ∘ (c_1(c_0(c_0(x))))."""

    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        self._parameters = {"gain": np.ones(2, np.float32)}
        self.dtype = np.dtype(np.float32)
        self.cells = [fastrnn.RNN(3, 3, batch_first=True, seed=rng), fastrnn.RNN(3, 2, batch_first=True, seed=rng)]

    def record(self, x, state=None):  # noqa: ARG002
        h, _, one = self.cells[0].record(x)
        h, _, two = self.cells[0].record(h)
        h, _, three = self.cells[1].record(h)
        return h * self._parameters["gain"], None, self._tape((one, two, three, h))

    def backward(self, tape, grad_output, grad_state=None):  # noqa: ARG002
        one, two, three, h = self._open(tape)
        top = self.cells[1].backward(three, grad_output * self._parameters["gain"])
        middle = self.cells[0].backward(two, top.x)
        low = self.cells[0].backward(one, middle.x)
        grads = self.named("cells.0", low.parameters, middle.parameters) | self.named("cells.1", top.parameters)
        d_gain = (grad_output * h).reshape(-1, 2).sum(axis=0)
        return fastrnn.Gradients(low.x, None, {"gain": d_gain, **grads})


class Whole(fastrnn.Model):
    """A model in a model, layers in a dict, and dropout."""

    def __init__(self, rate=0.5):
        self.encoder = Encoder()
        self.heads = {"mean": fastrnn.Linear(2, 1, seed=1), "other": fastrnn.Linear(2, 1, seed=2)}
        self.dropout = fastrnn.Dropout(rate)
        self.note = "no layer"

    def forward(self, x, state=None):  # noqa: ARG002
        h, _ = self.encoder.forward(x)
        return np.concatenate([head(h) for head in self.heads.values()], axis=-1), None

    def record(self, x, state=None, *, seed=None):  # noqa: ARG002
        h, _, encoder = self.encoder.record(x)
        h, _, dropout = self.dropout.record(h, seed=seed)
        outputs, _, tapes = zip(*(head.record(h) for head in self.heads.values()), strict=True)
        return np.concatenate(outputs, axis=-1), None, self._tape((encoder, dropout, tapes))

    def backward(self, tape, grad_output, grad_state=None):  # noqa: ARG002
        encoder, dropout, tapes = self._open(tape)
        grads, dh = {}, 0
        for i, (name, head) in enumerate(self.heads.items()):
            found = head.backward(tapes[i], grad_output[..., i : i + 1])
            grads, dh = grads | self.named(f"heads.{name}", found.parameters), dh + found.x
        below = self.encoder.backward(encoder, self.dropout.backward(dropout, dh).x)
        return fastrnn.Gradients(below.x, None, grads | self.named("encoder", below.parameters))


NAMES = [
    "encoder.gain",
    *(f"encoder.cells.{i}.{kind}_l0" for i in range(2) for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")),
    *(f"heads.{head}.{kind}" for head in ("mean", "other") for kind in ("weight", "bias")),
]
X = np.random.default_rng(0).standard_normal((4, 5, 3)).astype(np.float32)


def test_names_and_arrays():
    m = Whole()
    assert list(m.parameters()) == NAMES
    assert m.parameters()["encoder.cells.1.weight_hh_l0"] is m.encoder.cells[1].parameters()["weight_hh_l0"]
    assert list(m.children()) == ["encoder", "heads.mean", "heads.other", "dropout"]
    assert m.multiplications() == (3 * 3 + 3 * 3) + (2 * 3 + 2 * 2) + 2 + 2
    assert (m.random, Whole(0.0).random, Encoder().random) == (True, False, False)
    assert repr(Encoder()).startswith("Encoder(cells.0=RNN(input_size=3, ")


@pytest.mark.parametrize("build", [Encoder, Whole])
def test_gradients(build):
    report = fastrnn.check_gradients(randomise(build(), np.random.default_rng(1)), X)
    assert report.ok, str(report)
    assert set(report.errors) == {"x", *build().parameters()}


def test_a_layer_under_two_names_has_its_parameters_once():
    class Tied(fastrnn.Model):
        def __init__(self):
            self.one = self.two = fastrnn.Linear(3, 3)
            self.three = fastrnn.Linear(3, 3)

        def record(self, x, state=None):  # noqa: ARG002
            return x, None, self._tape(())

        def backward(self, tape, grad_output, grad_state=None):  # noqa: ARG002
            return fastrnn.Gradients(grad_output)

    m = Tied()
    assert list(m.parameters()) == ["one.weight", "one.bias", "three.weight", "three.bias"]
    twin = copy.deepcopy(m)
    assert twin.one is twin.two
    assert twin.one is not m.one


def test_states_are_copied_out_and_in():
    m, other = Whole(), Whole()
    randomise(other, np.random.default_rng(1))
    assert not same_bits(m(X), other(X))
    m.load_state_dict(other.state_dict())
    assert same_bits(m(X), other(X))
    before = m.fingerprint()
    m.parameters()["encoder.cells.0.bias_hh_l0"][1] += 1
    assert m.fingerprint() != before
    with pytest.raises(ValueError, match=r"missing \['encoder.gain'\]"):
        m.load_state_dict({name: array for name, array in m.state_dict().items() if name != "encoder.gain"})


@pytest.mark.parametrize("how", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_are_independent(how):
    m = randomise(Whole(), np.random.default_rng(1))
    m.link = "sigmoid"
    before, expected = m.state_dict(), m(X)
    twin = how(m)
    assert same_bits(twin(X), expected)
    assert (twin.link, twin.note) == ("sigmoid", "no layer")
    for array in twin.parameters().values():
        array += 1
    assert same_bits(m.parameters(), before)
    assert same_bits(m(X), expected)


def test_tapes_watch_all_parameters():
    m = Whole()
    output, _, tape = m.record(X, seed=0)
    m.backward(tape, output)
    for array in m.parameters().values():
        kept = array.flat[0]
        array.flat[0] += 1
        with pytest.raises(RuntimeError, match="parameters have changed"):
            m.backward(tape, output)
        array.flat[0] = kept
        m.backward(tape, output)
    with pytest.raises(ValueError, match=r"^tape: expected one that this Whole recorded"):
        Whole().backward(tape, output)


def test_a_random_model_that_does_not_say_what_it_does_otherwise():
    class Careless(Whole):
        forward = fastrnn.Model.forward

    with pytest.raises(TypeError, match=r"^Careless: record draws random numbers, so forward has to be defined too"):
        Careless()(X)


def test_training_and_prediction():
    x = np.random.default_rng(0).standard_normal((32, 5, 3))
    y = (x.cumsum(axis=1)[..., :2] > 0).astype(float)

    def fit(seed):
        m = Whole(0.1)
        history = fastrnn.Trainer(m, "bce", fastrnn.Adam(2e-2), seed=seed).fit(x, y, epochs=60, verbose=0)
        return m, history

    m, history = fit(0)
    assert history.loss[-1] < 0.7 * history.loss[0]
    assert fit(0)[1].loss == history.loss  # the trainer's seed is the masks' too
    assert fit(1)[1].loss != history.loss
    np.testing.assert_allclose(m.predict_proba(X), 1 / (1 + np.exp(-m.predict(X).astype(float))), rtol=1e-5)
    with pytest.raises(ValueError, match=r"^predict_proba: this model gives no probabilities"):
        Whole().predict_proba(X)
    with pytest.raises(ValueError, match=r"^x, y: expected as many samples in both"):
        fastrnn.Trainer(m, "bce").fit(x, y[:3])


def test_a_model_may_stand_in_a_chain_as_any_layer_does():
    class Residual(fastrnn.Model):
        """y = x + tanh(W x + b), whatever the axes."""

        def __init__(self, size):
            self.dense, self.tanh = fastrnn.Linear(size, size, seed=0), fastrnn.Tanh()

        def record(self, x, state=None):  # noqa: ARG002
            h, _, dense = self.dense.record(x)
            y, _, tanh = self.tanh.record(h)
            return x + y, None, self._tape((dense, tanh))

        def backward(self, tape, grad_output, grad_state=None):  # noqa: ARG002
            dense, tanh = self._open(tape)
            below = self.dense.backward(dense, self.tanh.backward(tanh, grad_output).x)
            return fastrnn.Gradients(below.x + grad_output, None, self.named("dense", below.parameters))

    m = fastrnn.Sequential(fastrnn.RNN(3, 4, seed=0), Residual(4), fastrnn.Linear(4, 2, seed=1))
    assert "1.dense.weight" in m.parameters()
    report = fastrnn.check_gradients(m)
    assert report.ok, str(report)
    lengths = [2, 5, 1, 3]
    padded = m(X, lengths=lengths)
    for n, steps in enumerate(lengths):
        np.testing.assert_allclose(padded[n, :steps], m(X[n, :steps]), atol=1e-6)
    np.testing.assert_allclose(m.stream().run(X[0]), m(X[0]), atol=1e-6)


class Nested(fastrnn.Model):
    """Layers in containers within containers: y = b(a(x)); its backward forgets a, if asked to."""

    def __init__(self, cells, forgets=False):
        self.dtype = np.dtype(np.float32)
        self.cells, self.forgets = cells, forgets

    def record(self, x, state=None):  # noqa: ARG002
        tapes = []
        for layer in self.children().values():
            x, _, tape = layer.record(x)
            tapes.append(tape)
        return x, None, self._tape(tapes)

    def backward(self, tape, grad_output, grad_state=None):  # noqa: ARG002
        grads = {}
        for (name, layer), own in reversed([*zip(self.children().items(), self._open(tape), strict=True)]):
            gradients = layer.backward(own, grad_output)
            grad_output = gradients.x
            grads |= self.named(name, gradients.parameters)
        if self.forgets:
            del grads["cells.0.0.weight"]
        return fastrnn.Gradients(grad_output, None, grads)


def nested(**options):
    a, b = fastrnn.Linear(3, 2, seed=0), fastrnn.Linear(2, 1, bias=False, seed=1)
    return Nested([[a], {"last": (b, "no layer")}], **options)


def test_layers_are_found_however_deep_they_lie():
    model = nested()
    assert list(model.children()) == ["cells.0.0", "cells.1.last.0"]
    assert list(model.parameters()) == ["cells.0.0.weight", "cells.0.0.bias", "cells.1.last.0.weight"]
    assert fastrnn.check_gradients(model, np.random.default_rng(0).standard_normal((4, 3))).ok


def test_two_layers_of_one_name():
    model = Nested({"1": fastrnn.Linear(3, 1), 1: fastrnn.Linear(3, 1)})
    with pytest.raises(ValueError, match=r"^Nested: two layers are called 'cells.1'$"):
        model.parameters()


@pytest.mark.parametrize("optimizer", [fastrnn.SGD(), fastrnn.SGD(momentum=0.9), fastrnn.Adam()], ids=repr)
def test_a_gradient_that_backward_forgets(optimizer):
    model = nested(forgets=True)
    before = model.state_dict()
    trainer = fastrnn.Trainer(model, loss="mse", optimizer=optimizer)
    message = r"^gradients: expected one for each parameter, got none for \['cells.0.0.weight'\]$"
    with pytest.raises(ValueError, match=message):
        trainer.fit(np.ones((4, 3)), np.ones((4, 1)), epochs=1)
    assert all(same_bits(before[name], array) for name, array in model.parameters().items())
