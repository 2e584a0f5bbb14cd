"""Streams of several sequences side by side, and steps that go straight through C."""

import numpy as np
import pytest

import fastrnn
from layer_table import CELLS, recurrent, same_bits


def data(steps):
    return np.random.default_rng(0).standard_normal((steps, 3)).astype(np.float32)


@pytest.mark.parametrize("rows", [1, 3, 9])
@pytest.mark.parametrize("cell", CELLS)
def test_several_sequences_side_by_side_are_the_batch(cell, rows):
    x = np.random.default_rng(0).standard_normal((rows, 70, 3)).astype(np.float32)
    bare = fastrnn.Sequential(recurrent(cell, 3, 5, 2), recurrent(cell, 5, 4))
    for m in (bare, fastrnn.Sequential(*bare.layers, fastrnn.Tanh())):
        whole, states = m.forward(x)
        stream = m.stream(batch_size=rows)
        got = [stream.run(x[:, :66]), stream.step(x[:, 66].copy())[:, None], stream.step(x[:, 67])[:, None]]
        got.append(stream.run(x[:, 68:]))
        assert stream.steps == 70
        assert same_bits(np.concatenate(got, axis=1), whole)
        on, _ = m.forward(x, states)
        assert same_bits(m.stream(states, batch_size=rows).run(x), on)


def test_a_stream_of_several_refuses_other_shapes():
    m = fastrnn.Sequential(recurrent("gru", 3, 5))
    stream = m.stream(batch_size=2)
    for wrong in (np.zeros(3), np.zeros((3, 3)), np.zeros((2, 4)), np.zeros((1, 3)), np.zeros((2, 1, 3))):
        for dtype in (np.float32, np.float64):
            with pytest.raises(ValueError, match=r"^x: expected shape \("):
                stream.step(wrong.astype(dtype))
    for wrong in (np.zeros((4, 3)), np.zeros((3, 4, 3)), np.zeros((2, 4, 4))):
        with pytest.raises(ValueError, match=r"^block: expected shape \("):
            stream.run(wrong)
    for out in (np.zeros(5, np.float32), np.zeros((5, 2), np.float32), np.zeros((2, 5)), np.zeros((1, 5), np.float32)):
        with pytest.raises(ValueError, match=r"^out: expected a writable C-contiguous float32 array of shape \(2, 5\)"):
            stream.step(np.zeros((2, 3), np.float32), out=out)
    assert stream.steps == 0
    for wrong in (0, -1):
        with pytest.raises(ValueError, match=r"^batch_size: expected at least 1"):
            m.stream(batch_size=wrong)
    with pytest.raises(TypeError, match=r"^batch_size: expected an int"):
        m.stream(batch_size=2.0)


@pytest.mark.parametrize("cell", CELLS)
def test_a_step_straight_through_c_and_one_with_casts_are_the_same(cell):
    m, x = fastrnn.Sequential(recurrent(cell, 3, 5, 2)), data(4)
    one, other = m.stream(), m.stream()
    for x_t in x:
        out = np.full(7, np.nan, np.float32)
        assert one.step(x_t, out=out[1:6]).base is out
        for same in (x_t.tolist(), x_t.astype(np.float64), np.repeat(x_t, 2)[::2], x_t.astype(">f4")):
            twin = m.stream()
            twin.run(x[: one.steps - 1])
            assert same_bits(twin.step(same), out[1:6])
        assert same_bits(other.step(x_t), out[1:6])
        assert np.isnan(out[[0, 6]]).all()
