"""Random problems and finite differences for the tests of the reference; no tests here."""

from itertools import count

import numpy as np

from fastrnn import reference
from fastrnn.reference.sequence import pre_activation

CELLS = sorted(reference.CELLS)
STEP = 5e-4
# Central differences of fourth order: truncation f⁽⁵⁾ STEP⁴/30 ~ 2e-15 f⁽⁵⁾, rounding ~ eps |f| / STEP ~ 1e-12.
TOLERANCE = 1e-9
RAGGED = [(1, [1]), (4, [2]), (5, [3, 1, 5, 5, 2]), (7, [1, 6, 4]), (6, [2, 3])]  # (T, lengths), T not always reached
ROUNDING = 1e-13  # sums of at most T·N rows and I + H products in another order


def draw_layer(rng, cell, inputs, hidden, bias=True):
    units = cell.gates * hidden
    shapes = {"weight_ih": (units, inputs), "weight_hh": (units, hidden)}
    if bias:
        shapes |= {"bias_ih": (units,), "bias_hh": (units,)}
    return {name: 0.6 * rng.standard_normal(shape) for name, shape in shapes.items()}


def draw_state(rng, cell, N, H):
    return tuple(rng.standard_normal((N, H)) for _ in range(cell.states))


def smallest_pre_activation(tape, w):
    steps = zip(tape.x, tape.states, strict=False)
    return min(np.abs(pre_activation(x, state[0] * tape.keep, w)).min() for x, state in steps)


def derivative(loss, array):
    """[8(f(x+h) - f(x-h)) - (f(x+2h) - f(x-2h))] / 12h of every element, the array being changed in place and back."""
    result = np.empty_like(array)
    for index in np.ndindex(array.shape):
        value, at = array[index], {}
        for k in (-2, -1, 1, 2):
            array[index] = value + k * STEP
            at[k] = loss()
        array[index] = value
        result[index] = (8 * (at[1] - at[-1]) - (at[2] - at[-2])) / (12 * STEP)
    return result


def expect_gradients_of_finite_differences(cell, shape, *, bias=True, draw_options=None, lengths=None):
    """Fail unless every gradient of a random problem equals its finite difference."""
    T, N, inputs, H = shape
    # the ReLU has no derivative at 0: no pre-activation so near that a step would cross it, nor all of them below
    for seed in count():
        rng = np.random.default_rng(seed)
        x, w = rng.standard_normal((T, N, inputs)), draw_layer(rng, cell, inputs, H, bias)
        state, options = draw_state(rng, cell, N, H), draw_options(rng) if draw_options else {}
        output, tape = reference.forward(cell, x, state, w, lengths, **options)
        if smallest_pre_activation(tape, w) > 20 * STEP and output.any():
            break
    grad_output, grad_state = rng.standard_normal(output.shape), draw_state(rng, cell, N, H)

    def loss():
        y, end = reference.forward(cell, x, state, w, lengths, **options)
        return np.vdot(y, grad_output) + sum(map(np.vdot, reference.final_state(end), grad_state))

    grads = reference.backward(cell, tape, grad_output, grad_state, w)
    assert grads.parameters.keys() == w.keys()
    pairs = {"x": (x, grads.x)}
    pairs |= {f"state[{i}]": pair for i, pair in enumerate(zip(state, grads.state, strict=True))}
    pairs |= {key: (w[key], grads.parameters[key]) for key in w}
    for key, (array, grad) in pairs.items():
        numeric = derivative(loss, array)
        assert grad.shape == array.shape, key
        assert np.abs(numeric).max() > 1e-3, f"{key}: nothing to compare"
        np.testing.assert_allclose(grad, numeric, rtol=0, atol=TOLERANCE * max(1, np.abs(numeric).max()), err_msg=key)


def draw_masks(rng, cell, shape, *, keep, zones):
    """Return `keep` and `zoneout` as the reference takes them."""
    _, N, H = shape
    options = {"keep": 2.0 * (rng.random((N, H)) < 0.5) if keep else None}
    if zones == "binary":
        options["zoneout"] = tuple((rng.random(shape) < 0.4).astype(float) for _ in range(cell.states))
    if zones == "fractional":  # of a shape that broadcasts, and of the whole one
        options["zoneout"] = (np.full((1, 1, 1), 0.3), rng.uniform(0.1, 0.9, shape))[: cell.states]
    return options


class Problem:
    """A random ragged problem with masks, or any part of its steps."""

    def __init__(self, name, T, lengths, zones="fractional"):
        self.cell, self.lengths = reference.CELLS[name], np.array(lengths)
        rng, N, inputs, H = np.random.default_rng(T), len(lengths), 3, 5
        self.x, self.grad_output = rng.standard_normal((T, N, inputs)), rng.standard_normal((T, N, H))
        self.state, self.grad_state = (draw_state(rng, self.cell, N, H) for _ in range(2))
        self.w = draw_layer(rng, self.cell, inputs, H)
        self.masks = draw_masks(rng, self.cell, (T, N, H), keep=True, zones=zones)
        self.masks["zoneout"] = tuple(np.broadcast_to(part, (T, N, H)) for part in self.masks["zoneout"])

    def forward(self, **options):
        """Return output and tape."""
        return reference.forward(self.cell, self.x, self.state, self.w, self.lengths, **self.masks, **options)

    def backward(self, tape, **options):
        """Return the gradients."""
        return reference.backward(self.cell, tape, self.grad_output, self.grad_state, self.w, **options)

    def results(self, *, reverse=False, clip=None):
        """Return everything by name."""
        output, tape = self.forward(reverse=reverse)
        grads = self.backward(tape, clip=clip)
        named = {"output": output, "grad_x": grads.x, "norms": np.stack(grads.norms, axis=-1), **grads.parameters}
        named |= {f"final.{i}": part for i, part in enumerate(reference.final_state(tape))}
        return named | {f"grad_state.{i}": part for i, part in enumerate(grads.state)}

    def flip(self):
        """Turn every sequence around by itself, with all that belongs to its steps."""
        for n, end in enumerate(self.lengths):
            for array in (self.x, self.grad_output):
                array[:end, n] = array[:end, n][::-1].copy()
        self.masks["zoneout"] = tuple(part.copy() for part in self.masks["zoneout"])
        for part in self.masks["zoneout"]:
            for n, end in enumerate(self.lengths):
                part[:end, n] = part[:end, n][::-1].copy()
