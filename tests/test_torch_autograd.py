"""fastrnn.torch in PyTorch's autograd: gradients, gradients of gradients, dropout, what is kept and for how long."""

import weakref

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.autograd.graph import saved_tensors_hooks  # noqa: E402
from torch.nn.utils.rnn import pack_padded_sequence  # noqa: E402

import fastrnn.torch  # noqa: E402
from fastrnn.torch import FallbackWarning  # noqa: E402
from torch_cases import CELLS, call, expect_equal, pair, rounding, without_torchs_own  # noqa: E402


def function_of(module, lengths=None):
    """Return a function of the input, initial states and parameters that gives output and final states."""
    names = [name for name, _ in module.named_parameters()]
    states = 2 if module.mode == "LSTM" else 1

    def function(*tensors):
        parameters = dict(zip(names, tensors[1 + states :], strict=True))
        hx = tensors[1:3] if states == 2 else tensors[1]
        x = tensors[0] if lengths is None else pack_padded_sequence(tensors[0], lengths, enforce_sorted=False)
        output, final = torch.func.functional_call(module, parameters, (x, hx))
        return (output if lengths is None else output.data, *(final if states == 2 else (final,)))

    return function


def doubles(module, T=4, N=3):
    """Return an input, initial states and the parameters."""
    rows = module.num_layers * (1 + module.bidirectional)
    shapes = [(T, N, module.input_size), *[(rows, N, module.hidden_size)] * (2 if module.mode == "LSTM" else 1)]
    states = [torch.randn(shape, dtype=torch.float64).requires_grad_() for shape in shapes]
    return (*states, *module.parameters())


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize("lengths", [None, [2, 4, 1]], ids=["padded", "packed"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_gradcheck(cell, bidirectional, lengths):
    _, module = pair(cell, 2, 3, num_layers=2, bidirectional=bidirectional, dtype=torch.float64)
    with without_torchs_own():
        assert torch.autograd.gradcheck(function_of(module, lengths), doubles(module))


def test_gradcheck_with_dropout():
    _, module = pair("lstm", 2, 3, num_layers=2, dropout=0.4, dtype=torch.float64)
    plain = function_of(module)

    def function(*tensors):
        torch.manual_seed(3)
        return plain(*tensors)

    assert torch.autograd.gradcheck(function, doubles(module))


@pytest.mark.filterwarnings("ignore::fastrnn.torch.FallbackWarning")
@pytest.mark.parametrize("lengths", [None, [2, 3, 1], [3, 3, 3]], ids=["padded", "packed", "packed equal"])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn_tanh"])
def test_gradgradcheck(cell, lengths):
    _, module = pair(cell, 2, 2, bidirectional=True, bias=False, dtype=torch.float64)
    assert torch.autograd.gradgradcheck(function_of(module, lengths), doubles(module, T=3))


def penalty(module, x):
    """Return the gradients of |dE/dx|² by the parameters."""
    (dx,) = torch.autograd.grad(module(x)[0].square().sum(), x, create_graph=True)
    return torch.autograd.grad(dx.square().sum(), list(module.parameters()))


def test_a_gradient_penalty_says_that_torch_computes_it():
    theirs, ours = pair("lstm", 3, 4)
    x = torch.randn(5, 2, 3, requires_grad=True)
    with pytest.warns(FallbackWarning, match="a gradient that can be differentiated again"):
        got = penalty(ours, x)
    true = penalty(theirs.double(), x.detach().double().requires_grad_())
    expect_equal(got, true, 4 * rounding(ours, 5, 2))


@pytest.mark.filterwarnings("ignore::fastrnn.torch.FallbackWarning")
@pytest.mark.parametrize("of", ["output", "h", "c"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_gradient_penalty_in_float32(bidirectional, of):
    """oneDNN computes it, which gradgradcheck in float64 does not reach."""
    theirs, ours = pair("lstm", 3, 4, num_layers=2, bidirectional=bidirectional)
    x, found = torch.randn(5, 2, 3), []
    for module, start in ((ours, x), (theirs.double(), x.double())):
        output, (h, c) = module(start.requires_grad_())
        loss = {"output": output, "h": h, "c": c}[of].square().sum()
        (dx,) = torch.autograd.grad(loss, start, create_graph=True)
        found.append(torch.autograd.grad(dx.square().sum(), list(module.parameters())))
    expect_equal(*found, 4 * rounding(ours, 5, 2))


def test_a_gradient_penalty_through_dropout_is_refused():
    module = fastrnn.torch.GRU(3, 4, num_layers=2, dropout=0.5)
    x = torch.randn(5, 2, 3, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"create_graph=True.*dropout; set dropout=0 or call eval\(\)"):
        penalty(module, x)
    with pytest.warns(FallbackWarning):
        assert penalty(module.eval(), x)


# ---- which gradients ----


@pytest.mark.parametrize("wanted", ["output", "h", "c", "h of the first layer alone"])
@pytest.mark.parametrize("lengths", [None, [2, 5]], ids=["padded", "packed"])
def test_the_loss_may_depend_on_some_outputs_alone(wanted, lengths):
    theirs, ours = pair("lstm", 3, 4, num_layers=2)
    x, grads = torch.randn(5, 2, 3), []
    for module in (theirs, ours):
        output, h, c = call(module, [x], lengths)
        {"output": output, "h": h, "c": c}.get(wanted, h[0]).sum().backward()  # expanded: strides of 0
        grads.append([torch.zeros_like(one) if one.grad is None else one.grad for one in module.parameters()])
    expect_equal(grads[1], grads[0], rounding(ours, 5, 2))


def test_only_wanted_gradients_come():
    module = fastrnn.torch.LSTM(3, 4)
    for name, weight in module.named_parameters():
        weight.requires_grad_(name == "bias_hh_l0")
    x = torch.randn(5, 2, 3)
    module(x)[0].sum().backward()
    assert {name for name, weight in module.named_parameters() if weight.grad is not None} == {"bias_hh_l0"}
    module.requires_grad_(False)
    assert not module(x)[0].requires_grad
    module(x.requires_grad_())[0].sum().backward()
    assert x.grad.shape == x.shape
    with torch.inference_mode():
        assert not module(x)[0].requires_grad


@pytest.mark.parametrize("lengths", [None, [2, 5]], ids=["padded", "packed"])
def test_gradients_of_parameters_are_the_same_bits_where_that_of_the_input_is_not_wanted(lengths):
    module = fastrnn.torch.LSTM(3, 4, num_layers=2, bidirectional=True)
    x, grads = torch.randn(5, 2, 3), []
    for wanted in (True, False):
        module.zero_grad()
        call(module, [x.clone().requires_grad_(wanted)], lengths)[0].sum().backward()
        grads.append([weight.grad for weight in module.parameters()])
    assert all(torch.equal(one, other) for one, other in zip(*grads, strict=True))


def test_gradients_add_up_as_in_torch():
    theirs, ours = pair("gru", 3, 4)
    x = torch.randn(5, 2, 3)
    for module in (theirs, ours):
        for part in (x, x * 2):
            module(part)[0].sum().backward()
    expect_equal(
        [one.grad for one in ours.parameters()], [one.grad for one in theirs.parameters()], 2 * rounding(ours, 5, 2)
    )


# ---- dropout ----


def test_dropout_drops_its_share_between_layers_in_training_alone():
    module = fastrnn.torch.RNN(64, 64, num_layers=2, dropout=0.3, bias=False)
    with torch.no_grad():  # the second layer hands on what it gets, if that is small
        for name, weight in module.named_parameters():
            weight.copy_(torch.eye(64) * 1e-3 if "ih" in name else torch.zeros(64, 64))
        module.weight_ih_l1.copy_(torch.eye(64))
    x = torch.ones(50, 20, 64)
    output = module(x)[0]
    kept = output != 0
    assert abs(kept.double().mean().item() - 0.7) < 5 * (0.3 * 0.7 / output.numel()) ** 0.5
    # tanh x = x (1 - x²/3 + …) twice, of 1e-3 and of that / 0.7: 1e-6 less
    torch.testing.assert_close(output[kept], torch.full_like(output[kept], 1e-3 / 0.7), rtol=2e-6, atol=0)
    assert not torch.equal(module(x)[0], output)
    torch.manual_seed(5)
    first = module(x)[0]
    torch.manual_seed(5)
    assert torch.equal(module(x)[0], first)
    module.eval()
    assert torch.equal(module(x)[0], module(x)[0])
    assert (module(x)[0] != 0).all()


@pytest.mark.filterwarnings("ignore:dropout option adds dropout:UserWarning")
def test_dropout_of_one_layer_does_nothing():
    theirs, ours = pair("lstm", 3, 4, dropout=0.5)
    x = torch.randn(5, 2, 3)
    expect_equal([ours(x)[0]], [theirs(x)[0]], rounding(ours, 5, 2))


# ---- what is kept ----


def test_nothing_is_copied():
    module, x = fastrnn.torch.LSTM(8, 16), torch.randn(30, 4, 8)
    kept = []
    with saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        output, _ = module(x)
    starts = [tensor.data_ptr() for tensor in kept]
    assert starts.count(x.data_ptr()) == 1
    assert {weight.data_ptr() for weight in module.parameters()} <= set(starts)
    states = next(tensor for tensor in kept if tensor.shape == (31 * 4, 16))
    assert output.data_ptr() == states.data_ptr() + 4 * 16 * 4  # beyond h_0


def test_what_is_kept_is_freed_by_backward():
    module = fastrnn.torch.LSTM(8, 16, num_layers=2, bidirectional=True)
    packed = []

    class Held:
        def __init__(self, tensor):
            self.tensor = tensor

    def hold(tensor):
        held = Held(tensor)
        packed.append(weakref.ref(held))
        return held

    with saved_tensors_hooks(hold, lambda held: held.tensor):
        output, _ = module(torch.randn(30, 4, 8))
    loss = output.sum()
    assert any(one().tensor.numel() == 30 * 4 * 16 * 4 for one in packed)  # the gates
    loss.backward()
    assert all(one() is None for one in packed)
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        loss.backward()


def test_backward_may_be_played_again():
    module = fastrnn.torch.GRU(3, 4, num_layers=2, dropout=0.5)
    loss = module(torch.randn(5, 2, 3))[0].sum()
    loss.backward(retain_graph=True)
    first = [weight.grad.clone() for weight in module.parameters()]
    module.zero_grad()
    loss.backward()
    assert all(torch.equal(weight.grad, grad) for weight, grad in zip(module.parameters(), first, strict=True))


@pytest.mark.parametrize("changed", ["weight", "input"])
def test_what_was_overwritten_meanwhile_is_noticed(changed):
    module, x = fastrnn.torch.LSTM(3, 4), torch.randn(5, 2, 3)
    output, _ = module(x)
    loss = output.sum()
    with torch.no_grad():
        {"weight": module.weight_hh_l0, "input": x}[changed].mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_checkpointing_gives_the_same_gradients():
    theirs, ours = pair("lstm", 3, 4, num_layers=2)
    x = torch.randn(5, 2, 3)
    for reentrant in (False, True):
        for module in (theirs, ours):
            module.zero_grad()
            start = x.clone().requires_grad_()
            torch.utils.checkpoint.checkpoint(module, start, use_reentrant=reentrant)[0].sum().backward()
        expect_equal(
            [one.grad for one in ours.parameters()], [one.grad for one in theirs.parameters()], 2 * rounding(ours, 5, 2)
        )


def test_what_is_kept_may_lie_elsewhere_meanwhile():
    module, x = fastrnn.torch.LSTM(3, 4, num_layers=2, bidirectional=True), torch.randn(5, 2, 3)
    module(x)[0].sum().backward()
    expected = [weight.grad.clone() for weight in module.parameters()]
    module.zero_grad()
    with saved_tensors_hooks(lambda tensor: tensor.clone(), lambda tensor: tensor):
        output, _ = module(x)
    output.sum().backward()
    assert all(torch.equal(weight.grad, grad) for weight, grad in zip(module.parameters(), expected, strict=True))


# ---- training ----


class Tagger(nn.Module):
    """A small model as people write them."""

    def __init__(self, cell):
        super().__init__()
        self.embedding = nn.Embedding(20, 8)
        self.rnn = getattr(nn, cell)(8, 16, num_layers=2, batch_first=True, bidirectional=True)
        self.head = nn.Linear(32, 5)

    def forward(self, ids):
        return self.head(self.rnn(self.embedding(ids))[0])


def losses_of(cell, dtype, *, accelerated):
    """Return the losses of 50 steps of a training script; one line of it is fastrnn's."""
    torch.manual_seed(1)
    model = Tagger(cell).to(dtype)
    if accelerated:
        fastrnn.torch.accelerate(model, verbose=0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    losses = []
    for _ in range(50):
        ids = torch.randint(20, (8, 12))
        target = ids.roll(1, dims=1) % 5
        loss = nn.functional.cross_entropy(model(ids).flatten(0, 1), target.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    return torch.tensor(losses, dtype=torch.float64)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("cell", ["LSTM", "GRU", "RNN"])
def test_fifty_steps_of_training_have_the_losses_of_torch(cell, dtype):
    expected = losses_of(cell, dtype, accelerated=False)
    with without_torchs_own():
        got = losses_of(cell, dtype, accelerated=True)
    assert expected[-1] < expected[0] / 4
    assert ((got - expected).abs() / expected).max() < 25 * torch.finfo(dtype).eps
