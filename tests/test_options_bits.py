"""With every option too the same bits, however the work is cut; and options that do nothing change none."""

from itertools import product

import numpy as np
import pytest

import fastrnn
from fastrnn import _kernels
from fastrnn._kernels import Zoneout
from fastrnn._streams import Stream
from kernel_cases import (
    ARRAYS,
    DTYPES,
    RATES,
    WEIGHTS,
    Options,
    Recorded,
    Shape,
    answers,
    backward,
    cast,
    counts_of,
    expect_equal,
    expect_same_bits,
    forward,
    outputs,
    pack,
    problem,
)
from kernel_cases import rows as rows_of_batch
from layer_table import like, randomise, recurrent, same_bits

each_kernel = pytest.mark.parametrize(("cell", "isa", "dtype"), list(product(_kernels.CELLS, _kernels.ISAS, DTYPES)))

# One row; hoisted; by units; by rows; a ring that is filled twice.
SHAPES = [Shape(9, 1, 3, 40), Shape(37, 5, 3, 9), Shape(6, 15, 5, 33), Shape(4, 37, 9, 21), Shape(70, 17, 2, 5)]
EVERYTHING = [Options(reverse, True, "drawn", "bounds") for reverse in (False, True)]


def case(cell, shape, options, dtype, *, ragged):
    return cast(problem(cell, shape, True, ragged=ragged, options=options)[0], dtype)


@each_kernel
def test_any_number_of_threads(cell, isa, dtype):
    for shape, options, ragged in product(SHAPES, EVERYTHING, (False, True)):
        a = case(cell, shape, options, dtype, ragged=ragged)
        one = answers(cell, a, isa, 1)
        for threads in (2, 3):
            expect_same_bits(answers(cell, a, isa, threads), one)


def of_rows(named):
    """Return what belongs to single sequences, (T, N, ·) or (1, N, ·)."""
    found = {name: array for name, array in named.items() if name != "c" and not name.endswith(WEIGHTS)}
    found = {name: array[..., None] if name.startswith("norms") else array for name, array in found.items()}
    return {name: array if array.ndim == 3 else array[None] for name, array in found.items()}


@each_kernel
def test_any_part_of_the_batch_by_itself(cell, isa, dtype):
    """Zoneout aside, whose masks follow the rows of the whole batch, a row's bits are its own."""
    for reverse, ragged in product((False, True), (False, True)):
        a = case(cell, Shape(5, 19, 3, 21), Options(reverse, True, "", "bounds"), dtype, ragged=ragged)
        whole = of_rows(answers(cell, a, isa))
        for lo, hi in [(0, 1), (3, 5), (2, 10), (1, 18)]:
            part = rows_of_batch(a, lo, hi)
            got = of_rows(answers(cell, part, isa))
            steps = len(part["x"])
            expect_same_bits(got, {name: array[:steps, lo:hi] for name, array in whole.items()})


@each_kernel
def test_recording_or_not(cell, isa, dtype):
    for shape, reverse, ragged in product(SHAPES, (False, True), (False, True)):
        for options in (Options(reverse, zoneout="expected"), Options(reverse, keep=True, zoneout="drawn")):
            a = case(cell, shape, options, dtype, ragged=ragged)
            recorded = outputs(a, forward(cell, a, isa))
            recorded.pop("c", None)
            h, c, _, _ = forward(cell, a, isa, threads=2, record=False)
            plain = outputs(a, Recorded(h, None, None, None)) | ({} if c is None else {"c_n": c})
            expect_same_bits(plain, recorded)


@each_kernel
def test_a_stream_with_zoneout_gives_the_bits_of_the_sequence(cell, isa, dtype):
    for shape in [Shape(150, 1, 5, 7), Shape(70, 3, 2, 9), Shape(66, 9, 4, 20)]:
        a = case(cell, shape, Options(zoneout="expected"), dtype, ragged=False)
        whole = outputs(a, forward(cell, a, isa))
        for chunks in ([1], [64], [65, 3]):
            stream = Stream(cell, *(a[name] for name in ARRAYS), zoneout=a["zoneout"], isa=isa)
            out, at = np.empty((shape.T, shape.N, shape.H), dtype), 0
            while at < shape.T:
                for steps in chunks:
                    stream.run(a["x"][at : at + steps], out[at : at + steps])
                    at += steps
            expect_same_bits({"output": out}, {"output": whole["output"]})
            final = {name: part for name, part in zip(("h_n", "c_n"), stream.state, strict=True) if part is not None}
            expect_same_bits(final, {name: whole[name] for name in final})


# ---- options that do nothing, and one at a time ----


@each_kernel
def test_options_that_do_nothing_change_no_bit(cell, isa, dtype):
    for shape, reverse in product(SHAPES[:4], (False, True)):
        a = case(cell, shape, Options(reverse), dtype, ragged=True)
        plain = answers(cell, a, isa)
        nothing = {
            "keep": np.ones_like(a["h_0"]),
            "zoneout": Zoneout(0.0, 0.0, 3),
            "watch": "bounds",
            "bounds": (np.inf, np.inf),
        }
        kept = answers(cell, a | {"keep": nothing.pop("keep")}, isa)
        of_forward = [name for name in plain if "grad" not in name]
        expect_same_bits({name: kept[name] for name in of_forward}, {name: plain[name] for name in of_forward})
        expect_equal(kept, plain, dtype, shape)  # what flows around the product is added later
        watched = answers(cell, a | nothing, isa)
        expect_same_bits({name: watched[name] for name in plain}, plain)
        assert watched["norms_h"][0].all()  # every sequence has a first step
        bounded = answers(cell, a | nothing | {"bounds": (1e30, 1e30)}, isa)
        expect_same_bits(bounded, watched)


@pytest.mark.parametrize("state", [0, 1], ids=["h", "c"])
@pytest.mark.parametrize("draw", [False, True], ids=["expected", "drawn"])
def test_zoneout_of_one_state_leaves_the_other_alone(draw, state):
    """Element by element: what is zoned out has its old value, everything else is what the cell made of it."""
    shape = Shape(1, 6, 3, 21)
    a = case("lstm", shape, Options(), "float64", ragged=False)
    rates, seed = [0.0, 0.0], 5 if draw else None
    rates[state] = RATES[state]
    plain, zoned = (outputs(b, forward("lstm", b)) for b in (a, a | {"zoneout": Zoneout(*rates, seed)}))
    names = [("h_n", "h_0"), ("c_n", "c_0")]
    other, _ = names[1 - state]
    expect_same_bits({other: zoned[other]}, {other: plain[other]})
    new, old = names[state]
    kept = zoned[new] == a[old]
    if draw:
        assert 0.05 < kept.mean() < 0.6
        np.testing.assert_array_equal(zoned[new], np.where(kept, a[old], plain[new]))
    else:
        expected = rates[state] * a[old] + (1 - rates[state]) * plain[new]
        np.testing.assert_allclose(zoned[new], expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize("cell", _kernels.CELLS)
def test_a_bound_on_one_state_alone_and_norms_of_one_alone(cell):
    info = _kernels.CELLS[cell]
    a = case(cell, Shape(6, 5, 3, 9), Options(watch="norms"), "float64", ragged=True)
    recorded = forward(cell, a)
    free = backward(cell, a, recorded)
    for state, name in enumerate("hc"[: info.states]):
        tight = [np.inf, np.inf]
        tight[state] = 0.1 * float(np.median(free[f"norms_{name}"][free[f"norms_{name}"] > 0]))
        bounded = backward(cell, a | {"bounds": tuple(tight)}, recorded)
        last = free[f"grad_{name}_0"]
        np.testing.assert_allclose(np.linalg.norm(last, axis=-1), free[f"norms_{name}"][0], rtol=1e-13)
        assert (np.linalg.norm(bounded[f"grad_{name}_0"], axis=-1) <= tight[state] * (1 + 1e-12)).all()
        assert not np.allclose(bounded["grad_weight_hh"], free["grad_weight_hh"])
        unwatched = run_backward(cell, a, recorded, bounds=tuple(tight))
        np.testing.assert_array_equal(unwatched[4], bounded["grad_weight_hh"])
    S, found = a["lengths"].sum(), []
    for wanted in ((True, False), (False, info.states == 2)):
        norms = tuple(np.zeros(S) if want else None for want in wanted)
        run_backward(cell, a, recorded, norms=norms)
        found += [array for array in norms if array is not None]
    for array, name in zip(found, "hc", strict=False):
        np.testing.assert_array_equal(array, pack(a, free[f"norms_{name}"]))


def run_backward(cell, a, recorded, **options):
    """Return what `_kernels.backward` returns, with options of one's own."""
    states = (pack(a, part, 1) for part in (recorded.h, recorded.c))
    return _kernels.backward(
        cell, pack(a, a["x"]), *states, pack(a, recorded.saved), pack(a, recorded.fed, 1), a["weight_ih"],
        a["weight_hh"], True, pack(a, a["grad_output"]), a["grad_h_n"], a["grad_c_n"], counts=counts_of(a),
        reverse=a["reverse"], keep=a["keep"], zoneout=a["zoneout"], **options,
    )  # fmt: skip


@pytest.mark.parametrize("ragged", [False, True], ids=["dense", "ragged"])
@pytest.mark.parametrize("cell", _kernels.CELLS)
def test_the_gradient_of_x_is_added_where_it_is_to_be(cell, ragged):
    for shape in (Shape(6, 5, 3, 9), Shape(40, 17, 2, 3), Shape(3, 4, 37, 5)):
        a = case(cell, shape, EVERYTHING[1], "float64", ragged=ragged)
        recorded = forward(cell, a)
        alone, *others = run_backward(cell, a, recorded)
        there = np.random.default_rng(0).standard_normal(alone.shape)
        given = there.copy()
        got, *same = run_backward(cell, a, recorded, add_to=given)
        assert got is given
        np.testing.assert_allclose(got, there + alone, rtol=0, atol=1e-13)
        for one, other in zip(same, others, strict=True):
            np.testing.assert_array_equal(one, other)
        none, *same = run_backward(cell, a, recorded, want_x=False)
        assert none is None
        for one, other in zip(same, others, strict=True):
            np.testing.assert_array_equal(one, other)


# ---- layers ----


@pytest.mark.parametrize("lengths", [None, [7, 12] * 16], ids=["dense", "ragged"])
@pytest.mark.parametrize("cell", _kernels.CELLS)
def test_layers_draw_the_same_masks_on_any_number_of_threads(cell, lengths):
    """Large enough for three threads to be woken."""
    options = {"bidirectional": True, "dropout": 0.3, "recurrent_dropout": 0.3, "zoneout": 0.2}
    layer = recurrent(cell, 64, 96 if "rnn" in cell else 64, 2, **options)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((12, 32, 64)).astype(np.float32)
    found = []
    for threads in (1, 2, 3):
        with fastrnn.num_threads(threads):
            output, state, tape = layer.record(x, lengths=lengths, seed=4)
            grads = layer.backward(tape, output, state, norms=True)
        found.append({"output": output, "dx": grads.x} | grads.parameters | grads.state_norms)
    assert same_bits(found[0], found[1])
    assert same_bits(found[0], found[2])


@pytest.mark.parametrize("cell", _kernels.CELLS)
def test_a_seed_repeats_and_another_gives_something_else(cell):
    for options in ({"dropout": 0.3}, {"recurrent_dropout": 0.3}, {"zoneout": 0.3}):
        layer = randomise(recurrent(cell, 3, 5, 2, bidirectional=True, **options), np.random.default_rng(0))
        x = np.random.default_rng(1).standard_normal((6, 4, 3)).astype(np.float32)
        first, again, other, fresh, more = (layer.record(x, seed=s)[0] for s in (1, 1, 2, None, None))
        assert same_bits(first, again)
        assert not any(np.allclose(first, array) for array in (other, fresh, layer(x)[0]))
        assert not np.allclose(fresh, more)
        assert same_bits(layer.record(x, seed=np.random.default_rng(1))[0], first)
        start = like(layer(x)[1], np.random.default_rng(2))
        assert same_bits(layer(x, start), layer(x, start))  # a call draws nothing


@pytest.mark.parametrize("cell", _kernels.CELLS)
def test_a_stream_of_a_layer_has_the_expected_zoneout_and_drops_nothing(cell):
    layer = recurrent(cell, 3, 5, 2, zoneout=0.3, dropout=0.4, recurrent_dropout=0.4)
    x = np.random.default_rng(1).standard_normal((70, 3)).astype(np.float32)
    whole = layer(x)[0]
    stream, model = layer.stream(), fastrnn.Sequential(layer).stream()
    out = np.empty_like(whole)
    stream.run(x[:66], out[:66])
    for t in range(66, 70):
        stream.run(x[t : t + 1], out[t : t + 1])
    assert same_bits(out, whole)
    assert same_bits(model.run(x), whole)
    plain = recurrent(cell, 3, 5, 2)
    plain.load_state_dict(layer.state_dict())
    assert not np.allclose(plain(x)[0], whole)
