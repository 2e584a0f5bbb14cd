"""A stream of one layer gives the bits of a whole sequence, however it is cut; and digests see every change."""

import numpy as np
import pytest

import fastrnn
from fastrnn import _elementwise, _kernels
from fastrnn._streams import Stream
from kernel_cases import DTYPES, WEIGHTS, Shape, cast, draw, expect_equal, expect_same_bits, forward, outputs, problem

# One row and a few (hoisted), fused, and rows enough that threads share them out; T beyond blocks of 64 steps.
SHAPES = [Shape(150, 1, 5, 7), Shape(90, 3, 2, 9), Shape(20, 1, 3, 161), Shape(66, 9, 4, 20), Shape(12, 33, 4, 130)]
CHUNKS = {
    "steps": [1],
    "uneven": [1, 2, 3, 5, 7, 11],
    "whole": [1000],
    "empty": [0, 6],
    "blocks": [64],
    "beyond blocks": [65, 63, 1],
}


def stream_of(cell, a, isa=None):
    return Stream(cell, a["h_0"], a["c_0"], *(a[name] for name in WEIGHTS), isa=isa)


def run_in_chunks(stream, x, out, chunks):
    at = turn = 0
    while at < len(x):
        end = at + chunks[turn % len(chunks)]
        stream.run(x[at:end], out[at:end])
        at, turn = end, turn + 1
    h, c = stream.state
    got = {"output": out, "h_n": h}
    return got if c is None else got | {"c_n": c}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("isa", _kernels.ISAS)
@pytest.mark.parametrize("cell", _kernels.CELLS)
def test_a_stream_gives_the_bits_of_the_sequence_however_it_is_cut(cell, isa, dtype):
    for shape in SHAPES:
        a = cast(problem(cell, shape, True)[0], dtype)
        whole = outputs(a, forward(cell, a, isa))
        for chunks in CHUNKS.values():
            out = np.full((shape.T, shape.N, shape.H), np.nan, dtype)
            got = run_in_chunks(stream_of(cell, a, isa), a["x"], out, chunks)
            assert ("c_n" in got) == (_kernels.CELLS[cell].states == 2)
            expect_same_bits(got, {name: whole[name] for name in got})


@pytest.mark.parametrize("cell", _kernels.CELLS)
def test_a_stream_of_a_large_layer_gives_the_same_bits_on_any_number_of_threads(cell):
    shape = Shape(70, 17, 40, 200)  # 100 MFLOP and more in a block of 64 steps: worth waking threads
    a = cast(draw(cell, shape, True, 0, ragged=False), "float32")
    whole = outputs(a, forward(cell, a))
    for threads in (1, 2, 4):
        with fastrnn.num_threads(threads):
            stream = stream_of(cell, a)
        got = run_in_chunks(stream, a["x"], np.empty((shape.T, shape.N, shape.H), np.float32), [67])
        expect_same_bits(got, {name: whole[name] for name in got})


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("cell", _kernels.CELLS)
def test_a_stream_keeps_a_snapshot_and_gives_copies(cell, bias):
    for shape in SHAPES:
        a, true = problem(cell, shape, bias)
        a = {name: array.copy() if isinstance(array, np.ndarray) else array for name, array in a.items()}
        stream = stream_of(cell, a)
        for part in stream.state:
            if part is not None:
                part[...] = np.nan
        for name in ("h_0", "c_0", *WEIGHTS):
            if a[name] is not None:
                a[name][...] = np.nan
        out = np.empty_like(true["output"])
        stream.run(a["x"], out)
        expect_equal({"output": out}, {"output": true["output"]}, "float64", shape)


@pytest.mark.parametrize("cell", _kernels.CELLS)
def test_a_stream_leaves_the_state_that_it_starts_from_alone(cell):
    a = cast(problem(cell, SHAPES[1], True)[0], "float32")
    a = {name: array.copy() if isinstance(array, np.ndarray) else array for name, array in a.items()}
    start = {name: a[name].copy() for name in ("h_0", "c_0") if a[name] is not None}
    stream_of(cell, a).run(a["x"], np.empty((*a["x"].shape[:2], 9), np.float32))
    expect_same_bits({name: a[name] for name in start}, start)


@pytest.mark.parametrize("cell", _kernels.CELLS)
def test_a_stream_refuses_what_does_not_fit(cell):
    shape = SHAPES[1]
    a = cast(problem(cell, shape, True)[0], "float32")
    stream = stream_of(cell, a)
    before = stream.state
    x, out = np.zeros((2, shape.N, shape.I), np.float32), np.zeros((2, shape.N, shape.H), np.float32)
    with pytest.raises(
        ValueError, match=r"^x, out: expected shapes \(T, 3, 2\) and \(T, 3, 9\), got \(2, 3, 2\) and \(1, 3, 9\)"
    ):
        stream.run(x, out[:1])
    with pytest.raises(ValueError, match=r"^x, out: "):
        stream.run(np.zeros((2, shape.N, shape.I + 1), np.float32), out)
    with pytest.raises(TypeError, match=r"^x: expected float32, got float64"):
        stream.run(x.astype(np.float64), out)
    with pytest.raises(TypeError, match=r"^out: expected float32, got int32"):
        stream.run(x, out.astype(np.int32))
    with pytest.raises(ValueError, match="contiguous"):
        stream.run(x[:, :, ::-1], out)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        stream.run(x, out)
    for part, same in zip(stream.state, before, strict=True):
        np.testing.assert_array_equal(part, same)  # nothing was run


@pytest.mark.parametrize("cell", _kernels.CELLS)
def test_a_stream_names_the_argument_of_a_wrong_shape(cell):
    a = cast(problem(cell, SHAPES[1], True)[0], "float32")
    for name in WEIGHTS:
        with pytest.raises(ValueError, match=rf"^{name}: expected shape"):
            stream_of(cell, a | {name: np.concatenate([a[name], a[name][:1]])})
    with pytest.raises(ValueError, match=r"^h_0: expected shape \(3, 9\), got \(3, 8\)"):
        stream_of(cell, a | {"h_0": a["h_0"][:, :8]})
    with pytest.raises(ValueError, match=r"^h_0, c_0: expected at least one row"):
        stream_of(cell, a | {name: a[name][:0] for name in ("h_0", "c_0") if a[name] is not None})
    with pytest.raises(ValueError, match=rf"^h_0, c_0: .* {_kernels.CELLS[cell].states} states"):
        stream_of(cell, a | {"c_0": a["h_0"] if a["c_0"] is None else None})
    with pytest.raises(ValueError, match=r"^bias_ih, bias_hh: expected both or neither"):
        stream_of(cell, a | {"bias_hh": None})


# ---- the digest of parameters ----


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 8, 9, 17])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_digest_sees_every_bit(dtype, size):
    array = np.random.default_rng(0).standard_normal(size).astype(dtype)
    original = _elementwise.fingerprint([array])
    assert _elementwise.fingerprint([array.copy()]) == original
    data = array.view(np.uint8)
    for byte in range(len(data)):
        for bit in range(8):
            data[byte] ^= 1 << bit
            assert _elementwise.fingerprint([array]) != original
            data[byte] ^= 1 << bit


def test_a_digest_sees_order_and_the_sign_of_zero():
    a, b = np.arange(5.0), np.arange(5.0) + 1
    assert _elementwise.fingerprint([a, b]) != _elementwise.fingerprint([b, a])
    assert _elementwise.fingerprint([np.array([0.0])]) != _elementwise.fingerprint([np.array([-0.0])])
