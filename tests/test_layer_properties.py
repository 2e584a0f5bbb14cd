"""What must hold of every recurrent layer, shape and batch: found by Hypothesis, compared bit by bit.

T steps, N sequences, I = 3 inputs, H = 5 hidden units, L layers, D directions.
"""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layer_table import CELLS, DTYPES, STATES, parts, randomise, recurrent, same_bits

INPUTS, H = 3, 5
each_cell = pytest.mark.parametrize("cell", CELLS)
several = settings(max_examples=25, deadline=None, database=None, derandomize=True)
batches = st.integers(1, 9).flatmap(
    lambda T: st.tuples(st.just(T), st.lists(st.integers(1, T), min_size=1, max_size=20))
)  # T and lengths, on both sides of where rows are shared out and inputs hoisted
kinds = st.fixed_dictionaries(
    {"num_layers": st.integers(1, 3), "bias": st.booleans(), "dtype": st.sampled_from(DTYPES)},
)
seeds = st.integers(0, 1000)


class Case:
    """A layer and a random batch for it; NaN in the padding."""

    def __init__(self, cell, T, lengths, seed, **options):
        rng = np.random.default_rng(seed)
        self.layer = randomise(recurrent(cell, INPUTS, H, **options), rng)
        self.lengths = np.array(lengths)
        N, D = len(lengths), 1 + self.layer.bidirectional
        self.padding = np.arange(T)[:, None] >= self.lengths
        self.x, self.dy = (self.normal(rng, T, N, size) for size in (INPUTS, D * H))
        self.x[self.padding] = self.dy[self.padding] = np.nan
        self.start, self.end = (
            [self.normal(rng, self.layer.num_layers * D, N, H) for _ in range(STATES[cell])] for _ in range(2)
        )

    def normal(self, rng, *shape):
        return rng.standard_normal(shape).astype(self.layer.dtype)

    def run(self, **changes):
        """Return everything by name, of the whole or with some of the attributes changed."""
        given = {name: getattr(self, name) for name in ("x", "dy", "start", "end", "lengths")} | changes
        start, end = (given[name][0] if len(given[name]) == 1 else tuple(given[name]) for name in ("start", "end"))
        output, final, tape = self.layer.record(given["x"], start, lengths=given["lengths"], seed=3)
        called, called_final = self.layer(given["x"], start, lengths=given["lengths"])
        grads = self.layer.backward(tape, given["dy"], end, norms=True)
        timed = {"output": output, "called": called, "dx": grads.x}
        timed |= {f"norms of {name}": norms.swapaxes(0, 1).swapaxes(1, 2) for name, norms in grads.state_norms.items()}
        trace = self.layer.trace(given["x"], start, lengths=given["lengths"])
        timed |= {f"trace of {name}": array.transpose(1, 2, 0, 3) for name, array in trace.items()}
        rows = {"final": final, "called final": called_final, "d start": grads.state}
        rows = {
            f"{name} {i}": part.swapaxes(0, 1) for name, state in rows.items() for i, part in enumerate(parts(state))
        }
        return timed, rows, grads.parameters  # (T, N, ...), (N, L·D, H), and sums over the batch


def take(case, which):
    """Return the arguments of some of the batch's sequences."""
    cut = {"x": case.x[:, which], "dy": case.dy[:, which], "lengths": case.lengths[which]}
    return cut | {name: [part[:, which] for part in getattr(case, name)] for name in ("start", "end")}


@each_cell
@several
@given(batch=batches, kind=kinds, seed=seeds, bidirectional=st.booleans(), zoneout=st.sampled_from([0.0, 0.2]))
def test_what_stands_in_the_padding_never_matters(cell, batch, kind, seed, *, bidirectional, zoneout):
    """Neither forward nor backward, trace nor norms; and it comes out as zero."""
    case = Case(cell, *batch, seed, bidirectional=bidirectional, zoneout=zoneout, **kind)
    x, dy = case.x.copy(), case.dy.copy()
    x[case.padding], dy[case.padding] = 1e30, -7
    first, second = case.run(), case.run(x=x, dy=dy)
    assert all(map(same_bits, first, second))
    for name, array in first[0].items():
        assert np.isfinite(array).all(), name
        assert not array[case.padding].any(), name


@each_cell
@several
@given(batch=batches, kind=kinds, seed=seeds, bidirectional=st.booleans(), data=st.data())
def test_sequences_in_another_order_give_the_results_in_that_order(cell, batch, kind, seed, bidirectional, data):
    case = Case(cell, *batch, seed, bidirectional=bidirectional, **kind)
    order = data.draw(st.permutations(range(len(case.lengths))))
    timed, rows, sums = case.run()
    other_timed, other_rows, other_sums = case.run(**take(case, list(order)))
    assert same_bits(other_timed, {name: array[:, order] for name, array in timed.items()})
    assert same_bits(other_rows, {name: array[order] for name, array in rows.items()})
    for name, total in sums.items():  # added up in another order
        limit = 100 * np.finfo(total.dtype).eps * max(1, np.abs(total).max())
        np.testing.assert_allclose(other_sums[name], total, rtol=0, atol=limit, err_msg=name)


@each_cell
@several
@given(
    T=st.integers(2, 12),
    N=st.integers(1, 20),
    kind=kinds,
    seed=seeds,
    zoneout=st.sampled_from([0.0, 0.2]),
    data=st.data(),
)
def test_chunks_with_the_state_carried_on_are_the_whole(cell, T, N, kind, seed, zoneout, data):
    case = Case(cell, T, [T] * N, seed, zoneout=zoneout, **kind)
    cuts = [0, *sorted(data.draw(st.sets(st.integers(1, T - 1), max_size=4))), T]
    state = case.start[0] if len(case.start) == 1 else tuple(case.start)
    output, final = case.layer(case.x, state)
    chunks = []
    for first, end in pairwise(cuts):
        y, state = case.layer(case.x[first:end], state)
        chunks.append(y)
    assert same_bits(np.concatenate(chunks), output)
    assert same_bits(state, final)


@each_cell
@several
@given(batch=batches, kind=kinds, seed=seeds)
def test_two_directions_are_two_layers_put_together_by_hand(cell, batch, kind, seed):
    """One of them sees every sequence turned around by itself, and so does what it gives."""
    T, lengths = batch
    case = Case(cell, T, lengths, seed, bidirectional=True, **kind | {"num_layers": 1})
    one_way = {}
    for d, suffix in enumerate(("", "_reverse")):
        layer = recurrent(cell, INPUTS, H, **kind | {"num_layers": 1})
        own = {name.removesuffix("_reverse"): array for name, array in case.layer.parameters().items()
               if name.endswith("_reverse") == bool(d)}  # fmt: skip
        layer.load_state_dict(own)
        one_way[suffix] = layer

    def turned(array):
        result = array.copy()
        for n, end in enumerate(lengths):
            result[:end, n] = array[:end, n][::-1]
        return result

    timed, rows, sums = case.run()
    dx = np.zeros_like(case.x)
    for d, (suffix, layer) in enumerate(one_way.items()):
        turn = turned if d else np.copy
        half = slice(d * H, (d + 1) * H)
        start, end = (tuple(part[d : d + 1] for part in state) for state in (case.start, case.end))
        start, end = (state[0] if len(state) == 1 else state for state in (start, end))
        y, final, tape = layer.record(turn(case.x), start, lengths=lengths)
        grads = layer.backward(tape, turn(case.dy[..., half]), end)
        assert same_bits(timed["output"][..., half], turn(y))
        for i, part in enumerate(parts(final)):
            assert same_bits(rows[f"final {i}"][:, d], part[0])
        for i, part in enumerate(parts(grads.state)):
            assert same_bits(rows[f"d start {i}"][:, d], part[0])
        dx += turn(grads.x)
        for name, grad in grads.parameters.items():
            expect_rounding(sums[name + suffix], grad, name)
    expect_rounding(timed["dx"], dx, "dx")


def expect_rounding(got, true, name):
    """The same terms, at most T·N = 180 and G·H = 20, in another order."""
    limit = 50 * np.finfo(got.dtype).eps * max(1, np.abs(true).max())
    np.testing.assert_allclose(got, true, rtol=0, atol=limit, err_msg=name)
