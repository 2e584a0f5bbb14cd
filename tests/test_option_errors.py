"""Options out of range, of a wrong type or in contradiction are refused by name; so is what C cannot take."""

import numpy as np
import pytest

import fastrnn
from fastrnn import _kernels
from fastrnn._kernels import Zoneout
from kernel_cases import Options, Shape, cast, counts_of, forward, pack, problem
from layer_table import CELLS, STATES, recurrent

RATES = ("dropout", "recurrent_dropout", "zoneout")
WRONG_RATES = {
    "one": (1.0, ValueError, "a number from 0 to below 1, got 1.0"),
    "one as an int": (1, ValueError, "a number from 0 to below 1, got 1"),
    "negative": (-0.1, ValueError, "a number from 0 to below 1, got -0.1"),
    "percent": (30, ValueError, "a number from 0 to below 1, got 30"),
    "nan": (float("nan"), ValueError, "a number from 0 to below 1, got nan"),
    "text": ("0.5", TypeError, "a number from 0 to below 1, got '0.5'"),
    "none": (None, TypeError, "a number from 0 to below 1, got None"),
    "bool": (True, TypeError, "a number from 0 to below 1, got True"),
    "array": (np.array([0.5]), TypeError, "a number from 0 to below 1, got array"),
    "complex": (0.5j, TypeError, "a number from 0 to below 1, got 0.5j"),
}


@pytest.mark.parametrize(("rate", "error", "message"), WRONG_RATES.values(), ids=WRONG_RATES)
@pytest.mark.parametrize("name", RATES)
@pytest.mark.parametrize("cell", CELLS)
def test_rates(cell, name, rate, error, message):
    with pytest.raises(error, match=rf"^{name}: expected {message}"):
        recurrent(cell, 3, 5, 2, **{name: rate})


@pytest.mark.parametrize("rate", [0, 0.0, 0.5, np.float32(0.25), np.int64(0), 1 - 2**-40])
@pytest.mark.parametrize("name", RATES)
def test_rates_that_are_right(name, rate):
    layer = recurrent("gru", 3, 5, 2, **{name: rate})
    value = getattr(layer, name)
    assert value == ((rate,) if name == "zoneout" else rate)
    assert all(type(part) is float for part in (value if name == "zoneout" else [value]))


@pytest.mark.parametrize("cell", CELLS)
def test_zoneout_has_one_rate_for_each_state(cell):
    if STATES[cell] == 2:
        assert recurrent(cell, 3, 5, zoneout=0.2).zoneout == (0.2, 0.2)
        assert recurrent(cell, 3, 5, zoneout=(0.2, 0.0)).zoneout == (0.2, 0.0)
        assert recurrent(cell, 3, 5, zoneout=[0.0, 0.3]).zoneout == (0.0, 0.3)
        wrong, states = [(0.2,), (0.1, 0.1, 0.1), ()], "h, c"
    else:
        assert recurrent(cell, 3, 5, zoneout=(0.2,)).zoneout == (0.2,)
        wrong, states = [(0.2, 0.1), ()], "h"
    for rates in wrong:
        with pytest.raises(ValueError, match=rf"^zoneout: expected one number for each of {states}, got "):
            recurrent(cell, 3, 5, zoneout=rates)
    with pytest.raises(ValueError, match=r"^zoneout: expected a number from 0 to below 1, got 1\.5"):
        recurrent("lstm", 3, 5, zoneout=(0.2, 1.5))
    with pytest.raises(TypeError, match=r"^zoneout: expected a number from 0 to below 1, got 'x'"):
        recurrent("lstm", 3, 5, zoneout=("x", 0.1))


@pytest.mark.parametrize("cell", CELLS)
def test_contradictions(cell):
    with pytest.raises(ValueError, match=r"^dropout: expected 0 with num_layers=1, got 0\.3"):
        recurrent(cell, 3, 5, dropout=0.3)
    with pytest.raises(ValueError, match=r"^dropout: expected 0 with num_layers=1"):
        recurrent(cell, 3, 5, 1, dropout=0.3, bidirectional=True)
    for flag in (1, "yes", None):
        with pytest.raises(TypeError, match=r"^bidirectional: expected True or False, got "):
            recurrent(cell, 3, 5, bidirectional=flag)


@pytest.mark.parametrize("cell", CELLS)
def test_a_bidirectional_layer_has_no_stream(cell):
    layer = recurrent(cell, 3, 5, bidirectional=True)
    name = type(layer).__name__
    for make in (layer.stream, lambda: layer.stream(batch_size=2), fastrnn.Sequential(layer).stream):
        with pytest.raises(ValueError, match=rf"^stream: {name} is bidirectional, .*bidirectional=False"):
            make()


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_states_and_gradients_of_the_wrong_shape(cell, bidirectional):
    layer = recurrent(cell, 3, 5, 2, bidirectional=bidirectional)
    rows, width = (4, 10) if bidirectional else (2, 5)
    x, states = np.zeros((6, 4, 3)), STATES[cell]
    right = [np.zeros((rows, 4, 5)) for _ in range(states)]
    wrong = np.zeros((6 - rows, 4, 5))  # as many as the other kind of layer has

    def one_of(parts):
        return parts[0] if states == 1 else tuple(parts)

    output, _, tape = layer.record(x, one_of(right))
    assert output.shape == (6, 4, width)
    for i, name in enumerate("hc"[:states]):
        given = one_of([wrong if k == i else part for k, part in enumerate(right)])
        for call in (layer, layer.record, layer.trace):
            with pytest.raises(
                ValueError, match=rf"^{name}_0: expected shape \({rows}, 4, 5\), got \({6 - rows}, 4, 5\)"
            ):
                call(x, given)
        with pytest.raises(ValueError, match=rf"^grad_{name}_n: expected shape \({rows}, 4, 5\), got"):
            layer.backward(tape, output, given)
    with pytest.raises(
        ValueError, match=rf"^grad_output: expected shape \(6, 4, {width}\), got \(6, 4, {15 - width}\)"
    ):
        layer.backward(tape, np.zeros((6, 4, 15 - width)))


WRONG_CLIPS = {
    "zero": (0.0, ValueError, "expected a finite number > 0, got 0.0"),
    "negative": (-1.0, ValueError, "expected a finite number > 0, got -1.0"),
    "nan": (float("nan"), ValueError, "expected a finite number > 0, got nan"),
    "infinite": (float("inf"), ValueError, "expected a finite number > 0, got inf"),
    "text": ("1", TypeError, "expected a number, got '1'"),
    "bool": (True, TypeError, "expected a number, got True"),
}


@pytest.mark.parametrize(("bound", "error", "message"), WRONG_CLIPS.values(), ids=WRONG_CLIPS)
def test_bounds_on_the_states_gradient(bound, error, message):
    for cell, second in (("lstm", (None, bound)), ("gru", (bound,))):
        layer = recurrent(cell, 3, 5)
        output, _, tape = layer.record(np.zeros((4, 2, 3)))
        for clip in (bound, second):
            with pytest.raises(error, match=rf"^clip_state: {message}"):
                layer.backward(tape, output, clip_state=clip)


@pytest.mark.parametrize("cell", CELLS)
def test_bounds_are_as_many_as_states(cell):
    layer = recurrent(cell, 3, 5)
    output, _, tape = layer.record(np.zeros((4, 2, 3)))
    states, wrong = ("h, c", [(1.0,), (1.0, 1.0, 1.0)]) if STATES[cell] == 2 else ("h", [(1.0, 1.0), ()])
    for clip in wrong:
        with pytest.raises(ValueError, match=rf"^clip_state: expected one for each of {states}, got "):
            layer.backward(tape, output, clip_state=clip)


def test_seeds_of_record():
    for layer in (recurrent("gru", 3, 5, zoneout=0.3), recurrent("gru", 3, 5, 2, dropout=0.3)):
        for seed in (-1, 1.5, "1", True):
            with pytest.raises(TypeError, match=r"^seed: expected None, an int >= 0 or a numpy.random.Generator"):
                layer.record(np.zeros((4, 2, 3)), seed=seed)


@pytest.mark.parametrize("cell", CELLS)
def test_trace_refuses_what_a_call_refuses(cell):
    layer = recurrent(cell, 3, 5)
    with pytest.raises(ValueError, match=r"^x: expected shape"):
        layer.trace(np.zeros((6, 4, 2)))
    with pytest.raises(ValueError, match=r"^lengths: expected 1 to 6"):
        layer.trace(np.zeros((6, 4, 3)), lengths=[1, 2, 3, 7])


# ---- the kernels' own checks ----


SHAPE = Shape(4, 3, 2, 5)


def recorded(cell, options):
    a = cast(problem(cell, SHAPE, True, options=options)[0], "float32")
    left = forward(cell, a)
    rows = [pack(a, left.h, 1), pack(a, left.c, 1), pack(a, left.saved), pack(a, left.fed, 1)]

    def again(**changes):
        given = {"keep": a["keep"], "zoneout": a["zoneout"], "fed": rows[3], **changes}
        return _kernels.backward(
            cell, pack(a, a["x"]), *rows[:3], given.pop("fed"), a["weight_ih"], a["weight_hh"], True,
            pack(a, a["grad_output"]), a["grad_h_n"], a["grad_c_n"], counts=counts_of(a), **given,
        )  # fmt: skip

    return a, again


@pytest.mark.parametrize("cell", CELLS)
def test_kernels_check_options(cell):
    a, again = recorded(cell, Options(keep=True, zoneout="drawn"))
    assert len(again()) == 7
    for rates in ((1.0, 0.0), (-0.1, 0.0), (0.1, float("nan"))):
        with pytest.raises(ValueError, match=r"^zoneout: expected rates from 0 to below 1"):
            forward(cell, a | {"zoneout": Zoneout(*rates, None)})
        with pytest.raises(ValueError, match=r"^zoneout: expected rates from 0 to below 1"):
            again(zoneout=Zoneout(*rates, 1))
    with pytest.raises(ValueError, match=r"^zoneout: expected a seed"):
        again(zoneout=Zoneout(0.1, 0.1, None))
    with pytest.raises(ValueError, match=r"^keep: expected shape \(3, 5\), got \(3, 4\)"):
        forward(cell, a | {"keep": np.ones((3, 4), np.float32)})
    with pytest.raises(ValueError, match=r"^keep: expected shape \(3, 5\), got \(2, 5\)"):
        again(keep=np.ones((2, 5), np.float32))
    with pytest.raises(ValueError, match=r"^keep, fed: expected both or neither"):
        again(keep=None)
    with pytest.raises(ValueError, match=r"^keep, fed: expected both or neither"):
        again(fed=None)
    with pytest.raises(ValueError, match=r"^fed: expected shape \(15, 5\), got \(14, 5\)"):
        again(fed=np.ones((14, 5), np.float32))
    with pytest.raises(ValueError, match=r"^add_to: expected shape \(12, 2\), got \(12, 3\)"):
        again(add_to=np.ones((12, 3), np.float32))
    states = _kernels.CELLS[cell].states
    for i in range(states):
        norms = [np.empty(12 - (k == i), np.float32) for k in range(states)]
        with pytest.raises(ValueError, match=r"^norms: expected shape \(12,\), got \(11,\)"):
            again(norms=(*norms, None)[:2])
