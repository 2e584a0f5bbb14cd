"""fastrnn.torch among code that was written for torch.nn: operations in place, hooks on what is kept, odd tensors."""

from functools import partial

import pytest

torch = pytest.importorskip("torch")

from torch.autograd.graph import allow_mutation_on_saved_tensors  # noqa: E402
from torch.utils.checkpoint import checkpoint  # noqa: E402

import fastrnn.torch  # noqa: E402
from fastrnn.torch import FallbackWarning  # noqa: E402
from torch_cases import CELLS, expect_equal, pair, without_torchs_own  # noqa: E402

T, N, F, H = 5, 3, 2, 4
SHAPES = {"one layer": {}, "two layers": {"num_layers": 2}, "two directions": {"bidirectional": True}}


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def gradients(module, x, loss, dtype=torch.float64):
    """Return the gradients of a loss of a module and its input, by the input and the parameters."""
    x = x.to(dtype).clone().requires_grad_()
    module.zero_grad()
    loss(module, x).backward()
    return [x.grad, *(one.grad for one in module.parameters())]


def in_place(module, x):
    output, _ = module(x)
    output *= 2
    output += 1
    return torch.relu_(output).sum()


# ---- what is written over ----


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("cell", CELLS)
def test_the_output_may_be_changed_in_place(cell, shape):
    theirs, ours = pair(cell, F, H, dtype=torch.float64, **SHAPES[shape])
    x = torch.randn(T, N, F)
    expected = gradients(theirs, x, in_place)
    with without_torchs_own():
        expect_equal(gradients(ours, x, in_place), expected, 1e-12)


def test_the_masks_of_dropout_outlive_a_changed_output():
    module = fastrnn.torch.GRU(F, H, num_layers=3, dropout=0.5, dtype=torch.float64)
    x, results = torch.randn(T, N, F), []
    for loss in (in_place, lambda module, x: torch.relu(module(x)[0] * 2 + 1).sum()):
        torch.manual_seed(1)
        results.append(gradients(module, x, loss))
    expect_equal(*results, 1e-12)


def test_the_packed_output_may_be_changed_in_place():
    theirs, ours = pair("lstm", F, H, dtype=torch.float64)
    rows = torch.randn(6, F)

    def loss(module, rows):
        batch = torch.nn.utils.rnn.PackedSequence(rows, torch.tensor([3, 2, 1]))
        return module(batch)[0].data.mul_(2).sum()

    expect_equal(gradients(ours, rows, loss), gradients(theirs, rows, loss), 1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_checkpointing_of_what_changes_the_output_in_place(cell):
    theirs, ours = pair(cell, F, H, dtype=torch.float64)
    x, weight = torch.randn(T, N, F), torch.randn(T, N, H, dtype=torch.float64, requires_grad=True)

    def block(module, x):
        return (module(x)[0].mul_(2) * weight).sum()

    def loss(module, x):
        return checkpoint(partial(block, module), x, use_reentrant=False)

    expect_equal(gradients(ours, x, loss), gradients(theirs, x, block), 1e-12)


@pytest.mark.parametrize("changed", ["output", "weight", "input"])
@pytest.mark.parametrize("cell", CELLS)
def test_what_is_kept_may_be_written_over_where_pytorch_sets_it_aside(cell, changed):
    theirs, ours = pair(cell, F, H, dtype=torch.float64)
    x = torch.randn(T, N, F)
    results = []
    for module in (theirs, ours):
        start = x.double().requires_grad_()
        with allow_mutation_on_saved_tensors():
            given = start * 1
            output, _ = module(given)
            loss = output.sum()
            with torch.no_grad():
                {"output": output, "weight": module.weight_hh_l0, "input": given}[changed].mul_(3)
            loss.backward()
        with torch.no_grad():
            module.weight_hh_l0.div_(3 if changed == "weight" else 1)
        results.append([start.grad, *(one.grad for one in module.parameters())])
    expect_equal(*results, 1e-12)


# ---- odd tensors and modes ----


def test_numbers_whose_sign_is_yet_to_be_changed():
    theirs, ours = pair("gru", F, H)
    x = torch._neg_view(torch.randn(T, N, F))
    assert x.is_neg()
    expect_equal([ours(x)[0]], [theirs(x)[0]], 1e-6)


def test_the_default_device_is_not_where_masks_are_drawn():
    module, x = fastrnn.torch.GRU(F, H, num_layers=2, dropout=0.5), torch.randn(T, N, F)
    with torch.device("meta"):
        output, _ = module(x)
    assert output.device.type == "cpu"


@pytest.mark.parametrize("cell", CELLS)
def test_many_gradients_at_once_fall_back(cell):
    theirs, ours = pair(cell, F, H, dtype=torch.float64)
    x = torch.randn(T, N, F, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian
    with pytest.warns(FallbackWarning, match="batches of gradients"):
        got = jacobian(lambda x: ours(x)[0], x, vectorize=True)
    assert not got.requires_grad
    expect_equal([got], [jacobian(lambda x: theirs(x)[0], x)], 1e-12)


def test_many_gradients_at_once_through_dropout_are_refused():
    module = fastrnn.torch.GRU(F, H, num_layers=2, dropout=0.5)
    x = torch.randn(T, N, F)
    with pytest.raises(RuntimeError, match=r"batches of gradients \(is_grads_batched=True\).*dropout; set dropout=0"):
        torch.autograd.functional.jacobian(lambda x: module(x)[0], x, vectorize=True)
