"""Recurrent layers with every option equal passes of the reference, put together by hand with the same masks."""

from itertools import count

import numpy as np
import pytest

from layer_model import Model
from layer_table import STATES, parts, randomise, recurrent
from option_cases import LAYERS, everything, for_each_cell, layer_can_be, name_of
from reference_cases import smallest_pre_activation

T, N, INPUTS, H = 7, 5, 3, 4
LENGTHS = [3, 6, 1, 6, 2]  # unsorted, and none of T
SEED = 11
BUILD = ("num_layers", "bias", "batch_first", "dropout", "bidirectional", "recurrent_dropout", "dtype")


def built(case, rng):
    options = {name: case[name] for name in BUILD}
    rates = (case["zoneout"], case["zoneout"] / 2) if STATES[case["cell"]] == 2 and case["zoneout"] else case["zoneout"]
    return randomise(recurrent(case["cell"], INPUTS, H, zoneout=rates, **options), rng)


class Given:
    """Random input for a layer, time-major and in float64; NaN in the padding."""

    def __init__(self, case, layer, rng):
        self.case, self.layer = case, layer
        self.N = 1 if case["unbatched"] else N
        self.lengths = np.array(LENGTHS if case["lengths"] else [T] * self.N)
        width, rows = H * (1 + case["bidirectional"]), case["num_layers"] * (1 + case["bidirectional"])
        states = STATES[case["cell"]]

        def normal(*shape):
            return rng.standard_normal(shape).astype(np.float32).astype(np.float64)

        self.x, self.dy = normal(T, self.N, INPUTS), normal(T, self.N, width)
        for array in (self.x, self.dy):
            array[np.arange(T)[:, None] >= self.lengths] = np.nan
        self.start, self.end = ([normal(rows, self.N, H) for _ in range(states)] for _ in range(2))

    def sequence(self, array):
        """Return (..., T, N, F) with the layer's axes."""
        if self.case["unbatched"]:
            return array[..., 0, :]
        return array.swapaxes(-3, -2) if self.case["batch_first"] else array

    def state(self, arrays):
        """Return states (L·D, N, H) as the layer takes them."""
        arrays = [array[:, 0] if self.case["unbatched"] else array for array in arrays]
        return arrays[0] if len(arrays) == 1 else tuple(arrays)


def draw(case):
    """Return a layer, input, the model of its training pass and that of inference, away from the ReLU's kink."""
    attempts = count()
    while True:
        rng = np.random.default_rng([next(attempts), 5])
        layer = built(case, rng)
        given = Given(case, layer, rng)
        models = [Model(layer, given.x, given.start, given.lengths, seed) for seed in (SEED, None)]
        tapes = [(model.weights(suffix), tape) for model in models for suffix, tape in model.tapes.items()]
        if "relu" not in case["cell"] or min(smallest_pre_activation(tape, w) for w, tape in tapes) > 1e-5:
            return layer, given, *models


def expect_close(got, true, name):
    """Every element ends sums of I + 4H products, carried on over L·T steps, and a parameter's a sum over N rows."""
    limit = 8 * np.finfo(got.dtype).eps * np.sqrt(2 * T * (INPUTS + 4 * H + N)) * max(1, np.abs(true).max())
    np.testing.assert_allclose(got, true, rtol=0, atol=limit, err_msg=name, strict=got.dtype == np.float64)


def expect_states(got, true, name):
    for i, (part, expected) in enumerate(zip(parts(got), parts(true), strict=True)):
        expect_close(part, expected, f"{name}[{i}]")


def expect_like_the_model(case):
    layer, given, training, inference = draw(case)
    x, start, lengths = given.sequence(given.x), given.state(given.start), given.lengths if case["lengths"] else None
    output, final = layer(x, start, lengths=lengths)
    expect_close(output, given.sequence(inference.output), "output of a call")
    expect_states(final, given.state(inference.final), "final state of a call")

    output, final, tape = layer.record(x, start, lengths=lengths, seed=SEED)
    expect_close(output, given.sequence(training.output), "output")
    expect_states(final, given.state(training.final), "final state")
    dx, d_start, d_parameters, norms = training.backward(given.dy, given.end)
    grads = layer.backward(tape, given.sequence(given.dy), given.state(given.end), norms=True)
    expect_close(grads.x, given.sequence(dx), "dE/dx")
    expect_states(grads.state, given.state(d_start), "dE/d(state)")
    assert list(grads.parameters) == list(layer.parameters())
    for name, grad in grads.parameters.items():
        expect_close(grad, d_parameters[name], name)
    assert list(grads.state_norms) == ["h", "c"][: len(norms)]
    for name, true in zip("hc", norms, strict=False):
        expect_close(grads.state_norms[name], given.sequence(true[..., None])[..., 0], f"norms of {name}")


@pytest.mark.parametrize("case", for_each_cell(LAYERS, layer_can_be), ids=name_of)
def test_a_sample_equals_the_reference(case):
    expect_like_the_model(case)


@pytest.mark.exhaustive
@pytest.mark.parametrize("dtype", LAYERS["dtype"])
@pytest.mark.parametrize("cell", LAYERS["cell"])
def test_every_combination_equals_the_reference(cell, dtype):
    for case in everything(LAYERS | {"cell": (cell,), "dtype": (dtype,)}, layer_can_be):
        expect_like_the_model(case)
