"""fastrnn.torch's modules give what torch.nn's give: constructor options, shapes, packed input, dtypes, errors."""

import copy
import inspect
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence  # noqa: E402

import fastrnn.torch  # noqa: E402
from torch_cases import (  # noqa: E402
    CELLS,
    FLAGS,
    KINDS,
    SIZES,
    call,
    expect_equal,
    given,
    in_double,
    pair,
    results,
    rounding,
    without_torchs_own,
)

DTYPES = {"float32": torch.float32, "float64": torch.float64}
NAMES = ("LSTM", "GRU", "RNN")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize(("layers", "bidirectional"), [(1, False), (1, True), (3, False), (2, True)])
@pytest.mark.parametrize("cell", CELLS)
def test_results_and_gradients_are_those_of_torch(cell, layers, bidirectional, sizes, dtype):
    T, N, inputs, H = sizes
    rng = np.random.default_rng([T, layers, bidirectional])
    for number, ((bias, batch_first), kind) in enumerate(product(FLAGS, KINDS)):
        options = {"num_layers": layers, "bidirectional": bidirectional, "bias": bias, "batch_first": batch_first}
        theirs, ours = pair(cell, inputs, H, dtype=DTYPES[dtype], **options)
        tensors, lengths = given(ours, kind, T, N, rng, states=number % 3 != 0)
        true_module, true_tensors = in_double(theirs, tensors)
        weights = [torch.from_numpy(rng.normal(size=y.shape)) for y in call(theirs, tensors, lengths)]
        true = results(true_module, true_tensors, lengths, weights)
        with without_torchs_own():
            got = results(ours, tensors, lengths, weights)
            with torch.no_grad():
                plain = call(ours, tensors, lengths)
        assert all(one.dtype == DTYPES[dtype] for one in got)
        expect_equal(got, true, rounding(ours, T, N))
        assert all(torch.equal(one, other) for one, other in zip(plain, got, strict=False))


@pytest.mark.parametrize("name", NAMES)
def test_constructors_parameters_and_seeds_are_those_of_torch(name):
    theirs, ours = getattr(nn, name), getattr(fastrnn.torch, name)
    assert issubclass(ours, theirs)
    assert inspect.signature(ours) == inspect.signature(theirs)
    options = {"num_layers": 2, "bidirectional": True, "batch_first": True, "dropout": 0.25, "dtype": torch.float64}
    torch.manual_seed(7)
    true = theirs(3, 4, **options)
    torch.manual_seed(7)
    module = ours(3, 4, **options)
    assert repr(module) == repr(true)
    expected = true.state_dict()
    assert list(module.state_dict()) == list(expected)
    assert all(torch.equal(tensor, expected[key]) for key, tensor in module.state_dict().items())


@pytest.mark.parametrize("name", NAMES)
def test_modules_are_saved_and_copied(name, tmp_path):
    module, x = getattr(fastrnn.torch, name)(3, 4, num_layers=2), torch.randn(5, 2, 3)
    path = tmp_path / "module.pt"
    torch.save(module, path)
    torch.save(module.state_dict(), tmp_path / "state.pt")
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    fresh = getattr(nn, name)(3, 4, num_layers=2)
    fresh.load_state_dict(state)
    for other in (torch.load(path, weights_only=False), copy.deepcopy(module)):
        assert type(other) is type(module)
        assert torch.equal(other(x)[0], module(x)[0])
    expect_equal([fresh(x)[0]], [module(x)[0]], rounding(module, 5, 2))


def test_hooks_see_what_they_see_of_torch():
    theirs, ours = pair("gru", 3, 4)
    seen = {}
    for module in (theirs, ours):
        log = seen[module] = []
        module.register_forward_pre_hook(lambda _, args, log=log: log.append(args[0]))
        module.register_forward_hook(lambda _, __, output, log=log: log.extend(output))
        module.register_full_backward_hook(lambda _, dx, dy, log=log: log.extend(one for one in (*dx, *dy)))
    x = torch.randn(5, 2, 3)
    for module in (theirs, ours):
        output, final = module(x.clone().requires_grad_())
        (output.sum() + final.square().sum()).backward()
    assert len(seen[ours]) == len(seen[theirs]) == 6
    expect_equal(seen[ours], seen[theirs], rounding(ours, 5, 2))


def test_weights_may_be_others_for_one_call():
    theirs, ours = pair("lstm", 3, 4)
    weights = {name: torch.randn_like(weight) for name, weight in ours.named_parameters()}
    x = torch.randn(5, 2, 3)
    got, true = (torch.func.functional_call(module, weights, (x,))[0] for module in (ours, theirs))
    expect_equal([got], [true], rounding(ours, 5, 2))


def test_weights_may_be_parametrized():
    theirs, ours = pair("lstm", 3, 4)
    for module in (theirs, ours):
        nn.utils.parametrizations.weight_norm(module, "weight_hh_l0")
    x = torch.randn(5, 2, 3)
    with without_torchs_own():
        got = ours(x)[0]
    got.sum().backward()
    theirs(x)[0].sum().backward()
    expect_equal(
        [one.grad for one in ours.parameters()], [one.grad for one in theirs.parameters()], 2 * rounding(ours, 5, 2)
    )


def test_input_may_lie_anyhow():
    theirs, ours = pair("lstm", 3, 4)
    wide = torch.randn(10, 4, 6)
    shared = np.random.default_rng(0).normal(size=(5, 2, 3)).astype(np.float32)
    state = tuple(torch.randn(2, 1, 4).transpose(0, 1) for _ in range(2))
    for x in (wide[::2, ::2, ::2], wide[:5, :2, :3], torch.from_numpy(shared), torch.randn(1, 1, 3).expand(5, 2, 3)):
        expect_equal(ours(x, state)[:1], theirs(x, state)[:1], rounding(ours, 5, 2))


def test_output_may_be_changed_and_does_not_change_the_module_or_its_input():
    ours, x = fastrnn.torch.LSTM(3, 4), torch.randn(5, 2, 3)
    before = x.clone()
    with torch.no_grad():
        first, (h, c) = ours(x)
        expected = first.clone()
        for tensor in (first, h, c):
            tensor.zero_()
        assert torch.equal(ours(x)[0], expected)
    assert torch.equal(x, before)


def test_many_threads_run_one_module():
    ours, x = fastrnn.torch.LSTM(8, 16, num_layers=2, bidirectional=True), torch.randn(20, 4, 8)
    with torch.no_grad():
        expected = ours(x)[0]

        def work(_):
            with torch.no_grad():
                return ours(x)[0]

        with ThreadPoolExecutor(8) as pool:
            assert all(torch.equal(output, expected) for output in pool.map(work, range(40)))


@pytest.mark.parametrize(("torchs", "ours"), [(1, 8), (8, 3)])
def test_the_smaller_number_of_threads_holds(torchs, ours, monkeypatch):
    seen = []
    monkeypatch.setattr(torch, "get_num_threads", lambda: torchs)
    for name in ("forward", "backward"):
        run = getattr(fastrnn.layers.stack.Stack, name)

        def watched(self, *args, run=run, **options):
            seen.append(fastrnn.get_num_threads())
            return run(self, *args, **options)

        monkeypatch.setattr(fastrnn.layers.stack.Stack, name, watched)
    with fastrnn.num_threads(ours):
        fastrnn.torch.GRU(3, 4)(torch.randn(5, 2, 3))[0].sum().backward()
    assert seen == [min(torchs, ours)] * 2


# ---- what is refused ----


def bad_calls():
    """Yield what is wrong, the cell, options, and what comes in; PyTorch says what is expected."""
    state = torch.zeros(1, 2, 4)
    yield "features", "lstm", {}, (torch.zeros(5, 2, 7),)
    yield "axes", "gru", {}, (torch.zeros(5, 2, 3, 1),)
    yield "no step", "rnn_tanh", {}, (torch.zeros(0, 2, 3),)
    yield "dtype", "lstm", {}, (torch.zeros(5, 2, 3, dtype=torch.float64),)
    yield "integers", "gru", {}, (torch.zeros(5, 2, 3, dtype=torch.int64),)
    yield "h_0", "lstm", {}, (torch.zeros(5, 2, 3), (torch.zeros(1, 1, 4), state))
    yield "c_0", "lstm", {}, (torch.zeros(5, 2, 3), (state, torch.zeros(1, 2, 5)))
    yield "axes of the state", "gru", {}, (torch.zeros(5, 2, 3), torch.zeros(1, 4))
    yield "axes of the state, one sequence", "gru", {}, (torch.zeros(5, 3), torch.zeros(1, 1, 4))
    yield "layers", "gru", {"num_layers": 2}, (torch.zeros(5, 2, 3), state)
    yield "one state", "gru", {}, (torch.zeros(5, 2, 3), (state, state))
    yield "two states", "lstm", {}, (torch.zeros(5, 2, 3), state)
    yield "one state in a tuple", "gru", {}, (torch.zeros(5, 2, 3), (state,))
    yield "no tensor", "gru", {}, (np.zeros((5, 2, 3), np.float32),)
    yield "packed features", "gru", {}, (pack_padded_sequence(torch.zeros(5, 2, 7), [5, 3]),)
    yield "packed axes", "gru", {}, (PackedSequence(torch.zeros(5, 1, 3), torch.tensor([3, 2])),)
    yield "packed state", "gru", {}, (pack_padded_sequence(torch.zeros(5, 2, 3), [5, 3]), torch.zeros(1, 3, 4))


BAD_CALLS = list(bad_calls())


@pytest.mark.parametrize(("what", "cell", "options", "args"), BAD_CALLS, ids=[bad[0] for bad in BAD_CALLS])
def test_what_torch_refuses_is_refused_in_its_words(what, cell, options, args):
    theirs, ours = pair(cell, 3, 4, **options)
    said = []
    for module in (theirs, ours):
        with pytest.raises((RuntimeError, ValueError, TypeError, AttributeError, IndexError)) as refused:
            module(*args)
        said.append((refused.type, str(refused.value)))
    assert said[1] == said[0], what


@pytest.mark.parametrize(
    ("rows", "counts"), [(5, [2, 3]), (5, [3, 1]), (4, [2, 3, 2]), (3, [3, 0]), (9, [3, 9, -3])], ids=str
)
def test_a_packed_sequence_that_is_none_is_refused(rows, counts):
    packed = PackedSequence(torch.zeros(rows, 3), torch.tensor(counts))
    with pytest.raises(ValueError, match="batch_sizes fall from step to step and add up to"):
        fastrnn.torch.GRU(3, 4)(packed)


def test_an_empty_batch_is_as_in_torch():
    theirs, ours = pair("lstm", 3, 4)
    x = torch.zeros(5, 0, 3)
    assert [one.shape for one in call(ours, [x], None)] == [one.shape for one in call(theirs, [x], None)]
