"""from_torch and to_torch: the same outputs and gradients on both sides, round trips, and what is refused."""

import copy
import io
import re
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastrnn
from fastrnn.layers import Layer

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402 - where PyTorch is installed

from fastrnn.torch import accelerate, from_torch, to_torch  # noqa: E402
from layer_table import parts, randomise  # noqa: E402

DTYPES = ("float32", "float64")
N, T, F = 3, 6, 4
LENGTHS = np.array([4, 6, 1])


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def limit(dtype):
    """Return how far sums of a few dozen terms through a few layers may differ; float64 to 1e-12."""
    return 1e-12 if dtype == "float64" else 8 * np.finfo("float32").eps * np.sqrt(64 * T)


def expect_close(got, expected, dtype, name=""):
    assert got.dtype == dtype, name
    assert got.shape == expected.shape, name
    scale = max(1, np.abs(expected).max(initial=0))
    np.testing.assert_allclose(got, expected, rtol=0, atol=limit(dtype) * scale, err_msg=name)


def samples(model, dtype, rng):
    """Return a batch for a Sequential: ids (N, T), sequences (N, T, F) or vectors (N, F)."""
    if model.takes_ids:
        return rng.integers(0, model.sizes[0], (N, T))
    return rng.standard_normal((N, T, model.sizes[0]) if model.timed[0] else (N, model.sizes[0])).astype(dtype)


def expect_same(model, module, dtype, lengths=None, seed=0):
    """Compare outputs, dE/dx and all dE/d(parameter) of a Sequential and a module, by the same names."""
    rng = np.random.default_rng(seed)
    x = samples(model, dtype, rng)
    options = {} if lengths is None else {"lengths": lengths}
    output, _, tape = model.record(x, **options)
    dy = rng.standard_normal(output.shape).astype(dtype)
    grads = model.backward(tape, dy)

    module.zero_grad()
    tensor = torch.tensor(x, requires_grad=not model.takes_ids)
    theirs = module(tensor, **options)
    theirs.backward(torch.from_numpy(dy))
    expect_close(theirs.detach().numpy(), output, dtype, "output")
    if not model.takes_ids:
        expect_close(tensor.grad.numpy(), grads.x, dtype, "x")
    assert [name for name, _ in module.named_parameters()] == list(grads.parameters)
    for name, parameter in module.named_parameters():
        expect_close(parameter.grad.numpy(), grads.parameters[name], dtype, name)


def chains(dtype):
    """Return models that have every layer with a counterpart, none of them random."""
    lstm = fastrnn.LSTM(F, 5, 2, bidirectional=True, dtype=dtype, seed=1)
    models = {
        "steps": [lstm, fastrnn.Tanh(), fastrnn.LayerNorm(10, eps=1e-3, dtype=dtype), fastrnn.Linear(10, 2)],
        "last": [fastrnn.GRU(F, 5, bias=False), fastrnn.Last(), fastrnn.Linear(5, 2, bias=False), fastrnn.Softmax()],
        "mean": [fastrnn.Embedding(9, 3, padding_idx=2), fastrnn.RNN(3, 5), fastrnn.Sigmoid(), fastrnn.MeanOverTime()],
        "ends": [fastrnn.GRU(F, 3, bidirectional=True), fastrnn.Ends(), fastrnn.Linear(6, 2)],
        "max": [fastrnn.OneHot(9, dtype=dtype), fastrnn.GRU(9, 5, 2), fastrnn.MaxOverTime(), fastrnn.Linear(5, 1)],
        "causal": [fastrnn.TDNN(F, 5, 3, dilation=2), fastrnn.ReLU(), fastrnn.TDNN(5, 2, 1, bias=False)],
        "centred": [fastrnn.Linear(F, 3), fastrnn.TDNN(3, 5, 3, dilation=2, causal=False), fastrnn.LSTM(5, 3)],
        "repeat": [fastrnn.Linear(F, 5), fastrnn.Repeat(4), fastrnn.RNN(5, 3, nonlinearity="relu")],
        "again": [fastrnn.LSTM(F, 5), fastrnn.Last(), fastrnn.Repeat(4), fastrnn.GRU(5, 3, bidirectional=True)],
        "vectors": [fastrnn.LayerNorm(F, elementwise_affine=False), fastrnn.Linear(F, 2), fastrnn.Dropout(0.0)],
        "dropout": [fastrnn.LSTM(F, 5), fastrnn.Dropout(0.0, per_sequence=True), fastrnn.Linear(5, 2)],
    }
    return {name: fastrnn.Sequential(*(_of(dtype, layer) for layer in layers)) for name, layers in models.items()}


def _of(dtype, layer):
    """Return a layer of the same kind in another dtype, all of its parameters random."""
    config = layer.config()
    again = type(layer)(**(config | {"dtype": dtype} if "dtype" in config else config))
    return randomise(again, np.random.default_rng(7))


CHAINS = tuple(chains("float32"))

# ---- to PyTorch ----


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_computes_the_same_in_torch(name, dtype):
    model = chains(dtype)[name]
    expect_same(model, to_torch(model), dtype)
    if model.timed[0]:
        expect_same(model, to_torch(model), dtype, lengths=LENGTHS)


@pytest.mark.parametrize("name", CHAINS)
def test_one_sequence_alone_computes_the_same_in_torch(name):
    model = chains("float64")[name]
    x = samples(model, "float64", np.random.default_rng(0))[0]
    expect_close(to_torch(model)(torch.tensor(x)).detach().numpy(), model(x), "float64")


@pytest.mark.parametrize("name", CHAINS)
def test_there_and_back_is_the_same_model(name):
    model = chains("float64")[name]
    module = to_torch(model)
    again = from_torch(module)
    assert repr(again) == repr(model)
    assert list(module.state_dict()) == list(model.state_dict()) == list(again.state_dict())
    for key, value in model.state_dict().items():
        np.testing.assert_array_equal(again.state_dict()[key], value)
        np.testing.assert_array_equal(module.state_dict()[key], value)


def test_what_lies_beyond_a_length_is_never_read_in_torch():
    for name, model in chains("float64").items():
        if not model.timed[0]:
            continue
        module = to_torch(model)
        x = samples(model, "float64", np.random.default_rng(0))
        beyond = np.arange(T) >= LENGTHS[:, None]
        dirty = x.copy()
        dirty[beyond] = 10**6 if model.takes_ids else np.nan
        clean, expected = torch.tensor(dirty), module(torch.tensor(x), lengths=LENGTHS)
        clean.requires_grad_(not model.takes_ids)
        output = module(clean, lengths=torch.tensor(LENGTHS))  # as a tensor too
        assert torch.equal(output, expected), name
        output.sum().backward()
        assert all(parameter.grad.isfinite().all() for parameter in module.parameters()), name
        if not model.takes_ids:
            assert (clean.grad[torch.tensor(beyond)] == 0).all(), name


@pytest.mark.parametrize(
    ("lengths", "shape", "said"),
    [
        ([4, 7, 1], (N, T, F), "lengths: expected 1 to 6, the steps of x, got 1 to 7"),
        ([4, 0, 1], (N, T, F), "lengths: expected 1 to 6, the steps of x, got 0 to 4"),
        ([4, 6], (N, T, F), "lengths: expected one for each of 3 sequences"),
        ([4], (T, F), "lengths: expected None with one sequence (6, 4)"),
    ],
    ids=str,
)
def test_wrong_lengths_are_refused_in_torch(lengths, shape, said):
    module = to_torch(fastrnn.Sequential(fastrnn.GRU(F, 5)))
    with pytest.raises(ValueError, match=re.escape(said)):
        module(torch.zeros(shape), lengths=lengths)


ALONE = {
    "tdnn": (lambda: fastrnn.TDNN(F, 5, 3, batch_first=True, seed=0), (N, T, F)),
    "linear": (lambda: fastrnn.Linear(F, 5, seed=0), (N, T, F)),
    "softmax": (fastrnn.Softmax, (N, T, F)),
    "layer_norm": (lambda: fastrnn.LayerNorm(F), (N, F)),
}


@pytest.mark.parametrize("name", ALONE)
def test_a_layer_alone_is_a_module_alone(name):
    build, shape = ALONE[name]
    x = np.random.default_rng(0).standard_normal(shape).astype("float32")
    ours = build()(x)
    expect_close(to_torch(build())(torch.tensor(x)).detach().numpy(), parts(ours)[0], "float32")


def test_new_modules_draw_nothing_and_own_their_parameters():
    model = chains("float32")["steps"]
    before, state = model.state_dict(), torch.get_rng_state()
    module = to_torch(model)
    assert torch.equal(torch.get_rng_state(), state)
    with torch.no_grad():
        for parameter in module.parameters():
            assert parameter.requires_grad
            parameter.add_(1)
    back = from_torch(module)
    for key, value in back.parameters().items():
        value += 1
        np.testing.assert_array_equal(model.parameters()[key], before[key])
        np.testing.assert_allclose(module.state_dict()[key], before[key] + 1, rtol=1e-6)
        np.testing.assert_allclose(value, before[key] + 2, rtol=1e-6)


def test_the_chain_trains_saves_and_exports(tmp_path):
    model = chains("float32")["last"]
    module = to_torch(model)
    x, y = torch.randn(8, T, F, generator=torch.Generator().manual_seed(0)), torch.arange(8) % 2
    optimizer = torch.optim.Adam(module.parameters(), 0.05)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = -module(x)[torch.arange(8), y].log().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 3
    expect_close(from_torch(module)(x.numpy()), module(x).detach().numpy(), "float32")

    torch.save(module, tmp_path / "module.pt")
    assert torch.equal(torch.load(tmp_path / "module.pt", weights_only=False)(x), module(x))
    assert torch.equal(copy.deepcopy(module)(x), module(x))
    with warnings.catch_warnings():  # PyTorch's own, of every nn.GRU and of every file
        warnings.simplefilter("ignore")
        file = io.BytesIO()
        torch.export.save(torch.export.export(module.eval(), (x,)), file)
        exported = torch.export.load(io.BytesIO(file.getvalue())).module()
    expect_close(exported(x).detach().numpy(), module(x).detach().numpy(), "float32")


def test_one_hot_follows_the_dtype_of_the_module():
    module = to_torch(fastrnn.Sequential(fastrnn.OneHot(3), fastrnn.GRU(3, 4))).double()
    assert module(torch.zeros(N, T, dtype=torch.int32)).dtype == torch.float64


class Mine(fastrnn.Linear):
    """May compute anything."""


def encoder_decoder():
    return fastrnn.EncoderDecoder(fastrnn.Sequential(fastrnn.GRU(3, 4)), fastrnn.Sequential(fastrnn.GRU(3, 4)))


class MyChain(fastrnn.Sequential):
    """A chain that may do anything."""


NOT_TO_TORCH = {
    "jordan": (lambda: fastrnn.Jordan(3, 4, 2), TypeError, "model: expected a layer with a counterpart in PyTorch"),
    "own chain": (
        lambda: MyChain(fastrnn.Linear(3, 4)),
        TypeError,
        "model: expected a layer with a counterpart in PyTorch",
    ),
    "own": (lambda: Mine(3, 4), TypeError, "with a counterpart in PyTorch, got Mine("),
    "encoder": (encoder_decoder, TypeError, "convert its encoder and its decoder"),
    "zoneout": (lambda: fastrnn.LSTM(3, 4, zoneout=0.1), ValueError, "model: zoneout: expected 0.0"),
    "recurrent": (lambda: fastrnn.GRU(3, 4, recurrent_dropout=0.1), ValueError, "recurrent_dropout: expected 0.0"),
    "reset": (lambda: fastrnn.GRU(3, 4, reset_after=False), ValueError, "reset_after: expected True"),
    "sigmoid": (lambda: fastrnn.RNN(3, 4, nonlinearity="sigmoid"), ValueError, "'tanh' or 'relu'"),
    "none": (lambda: None, TypeError, "model: expected a Sequential or a layer, got None"),
    "place": (
        lambda: fastrnn.Sequential(fastrnn.Linear(3, 3), fastrnn.GRU(3, 4, reset_after=False)),
        ValueError,
        "layer 1: reset_after",
    ),
}


@pytest.mark.parametrize("name", NOT_TO_TORCH)
def test_what_torch_does_not_have_is_refused(name):
    build, error, said = NOT_TO_TORCH[name]
    with pytest.raises(error, match=re.escape(said)):
        to_torch(build())


def test_every_layer_is_converted_or_known_not_to_be():
    from fastrnn.layers import __all__ as names
    from fastrnn.torch.counterparts import OF_LAYERS

    kinds = {getattr(fastrnn.layers, name) for name in names}
    layers = {kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Layer)}
    bases = {fastrnn.layers.Layer, fastrnn.layers.Model, fastrnn.layers.Recurrent, fastrnn.Sequential}
    assert layers - bases - set(OF_LAYERS) == {fastrnn.Jordan, fastrnn.EncoderDecoder}


# ---- from PyTorch ----


def numpy_parts(state):
    return [part.detach().numpy() for part in parts(state)]


@settings(deadline=None, max_examples=60)
@given(
    kind=st.sampled_from(["LSTM", "GRU", "RNN", "RNN relu"]),
    layers=st.integers(1, 3),
    bias=st.booleans(),
    batch_first=st.booleans(),
    bidirectional=st.booleans(),
    dtype=st.sampled_from(DTYPES),
    batched=st.booleans(),
    sizes=st.tuples(*[st.integers(1, 6)] * 4),
    seed=st.integers(0, 99),
)
def test_a_recurrent_module_alone_takes_what_it_took(
    kind, layers, bias, batch_first, bidirectional, dtype, batched, sizes, seed
):
    steps, rows, inputs, hidden = sizes
    name, *more = kind.split()
    options = {"nonlinearity": more[0]} if more else {}
    options |= {"bias": bias, "batch_first": batch_first, "bidirectional": bidirectional}
    torch.manual_seed(seed)
    module = getattr(nn, name)(inputs, hidden, layers, dtype=getattr(torch, dtype), **options)
    layer = from_torch(module)
    assert type(layer) is getattr(fastrnn, name)
    lead = (steps,) if not batched else (rows, steps) if batch_first else (steps, rows)
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((*lead, inputs)).astype(dtype)
    output, state, tape = layer.record(x)
    theirs, their_state = module(torch.tensor(x))
    expect_close(output, theirs.detach().numpy(), dtype)
    for ours, other in zip(parts(state), numpy_parts(their_state), strict=True):
        expect_close(ours, other, dtype)
    if not more or dtype == "float64":  # in float32 a ReLU's slope may fall on either side of 0
        dy = rng.standard_normal(output.shape).astype(dtype)
        theirs.backward(torch.from_numpy(dy))
        grads = layer.backward(tape, dy).parameters
        assert list(grads) == [key for key, _ in module.named_parameters()]
        for key, parameter in module.named_parameters():
            expect_close(grads[key], parameter.grad.numpy(), dtype, key)
    again = to_torch(layer)
    assert type(again) is type(module)
    assert repr(again) == repr(module)
    assert torch.equal(again(torch.tensor(x))[0], theirs)


class Net(nn.Module):
    """How sequence models are written for PyTorch."""

    def __init__(self, dtype=torch.float64):
        super().__init__()
        self.embedding = nn.Embedding(9, 4, padding_idx=0, dtype=dtype)
        self.lstm = nn.LSTM(4, 5, 2, batch_first=True, bidirectional=True, dtype=dtype)
        self.head = nn.Sequential(nn.Dropout(0.0), nn.Sequential(nn.Linear(10, 6), nn.ReLU()), nn.Linear(6, 2))
        self.head.to(dtype)

    def forward(self, ids):
        output, _ = self.lstm(self.embedding(ids))
        return self.head(output[:, -1])


def test_the_modules_of_a_forward_of_its_own_are_listed():
    net = Net()
    model = from_torch([net.embedding, net.lstm, fastrnn.Last(), net.head])
    assert [type(layer).__name__ for layer in model] == [
        *("Embedding", "LSTM", "Last", "Dropout", "Linear", "ReLU", "Linear")
    ]
    ids = np.random.default_rng(0).integers(0, 9, (N, T))
    expect_close(model(ids), net(torch.tensor(ids)).detach().numpy(), "float64")

    output, _, tape = model.record(ids)
    grads = model.backward(tape, np.ones_like(output)).parameters
    net(torch.tensor(ids)).sum().backward()
    assert len(grads) == len(list(net.parameters()))
    for ours, parameter in zip(grads.values(), net.parameters(), strict=True):
        expect_close(ours, parameter.grad.numpy(), "float64")


def test_layers_stand_for_what_a_forward_does_with_output_and_state():
    torch.manual_seed(0)
    both = nn.GRU(F, 5, 2, batch_first=True, bidirectional=True, dtype=torch.float64)
    one = nn.GRU(F, 5, 2, batch_first=True, dtype=torch.float64)
    x = torch.randn(N, T, F, dtype=torch.float64)
    output, h_n = both(x)
    for module, layer, expected in (
        (one, fastrnn.Last(), one(x)[1][-1]),
        (both, fastrnn.Ends(), torch.cat([h_n[-2], h_n[-1]], dim=-1)),
        (both, fastrnn.MeanOverTime(), output.mean(dim=1)),
        (both, fastrnn.MaxOverTime(), output.max(dim=1).values),
    ):
        expect_close(from_torch([module, layer])(x.numpy()), expected.detach().numpy(), "float64", repr(layer))


def test_the_error_of_a_forward_of_its_own_says_what_to_write():
    said = "from_torch([module.embedding, module.lstm, module.head]), with layers such as fastrnn.Last()"
    with pytest.raises(TypeError, match=re.escape(said)):
        from_torch(Net())
    with pytest.raises(TypeError, match=re.escape("from_torch([module[1].embedding,")):
        from_torch(nn.Sequential(nn.Linear(3, 4), Net()))


def test_modules_that_do_nothing_are_left_out():
    linear = nn.Linear(4, 2)
    x = torch.randn(N, 4, generator=torch.Generator().manual_seed(0))
    for modules in ([nn.Flatten(), nn.Identity(), linear], [nn.Identity(), linear, nn.Identity()]):
        module = nn.Sequential(*modules)
        model = from_torch(module)
        assert len(model.layers) == 1
        expect_close(model(x.numpy()), module(x).detach().numpy(), "float32")
    assert len(from_torch([nn.GRU(4, 4), fastrnn.Last(), nn.Flatten(), linear]).layers) == 3


def test_a_stateless_module_may_stand_at_two_places():
    relu = nn.ReLU()
    assert len(from_torch(nn.Sequential(nn.Linear(3, 3), relu, nn.Linear(3, 3), relu)).layers) == 4


@pytest.mark.parametrize("padding", ["same", 2])
def test_a_convolution_in_a_list_is_a_tdnn(padding):
    torch.manual_seed(0)
    convolution = nn.Conv1d(F, 5, 3, padding=padding, dilation=2, bias=False, dtype=torch.float64)
    model = from_torch([convolution, nn.Tanh()])
    x = np.random.default_rng(0).standard_normal((N, T, F))
    theirs = convolution(torch.tensor(x).transpose(1, 2)).transpose(1, 2).tanh()
    expect_close(model(x), theirs.detach().numpy(), "float64")


def test_subclasses_that_compute_the_same_count():
    class Named(nn.LSTM):
        """Only a name."""

    class Other(nn.LSTM):
        """Something else."""

        def forward(self, x):
            return super().forward(x)[0]

    assert isinstance(from_torch(Named(3, 4)), fastrnn.LSTM)
    with pytest.raises(TypeError, match="got Other, whose own forward"):
        from_torch(Other(3, 4))
    patched = nn.Linear(3, 4)
    patched.forward = lambda x: x
    with pytest.raises(TypeError, match="got Linear, whose own forward"):
        from_torch(patched)


@pytest.mark.parametrize("name", ["steps", "last", "mean"])
def test_chains_run_on_the_kernels_and_come_back_from_them(name):
    model = chains("float64")[name]
    module = to_torch(model)
    assert accelerate(module, verbose=0).modules.keys() == {"0" if name != "mean" else "1"}
    expect_same(model, module, "float64")
    expect_same(model, module, "float64", lengths=LENGTHS)
    assert repr(from_torch(module)) == repr(model)
    assert isinstance(from_torch(fastrnn.torch.GRU(3, 4)), fastrnn.GRU)


def test_dropout_without_effect_is_left_out():
    with pytest.warns(UserWarning, match="dropout option adds dropout after all but last"):
        module = nn.LSTM(3, 4, dropout=0.5)
    assert from_torch(module).dropout == 0


def hooked():
    module = nn.Linear(3, 4)
    module.register_forward_hook(lambda *_: None)
    return module


def tied():
    embedding, linear = nn.Embedding(5, 4), nn.Linear(4, 5)
    linear.weight = embedding.weight
    return [embedding, nn.GRU(4, 4), linear]


def lstm(**options):
    return nn.LSTM(3, 4, **options)


def spectral():
    return torch.nn.utils.parametrizations.weight_norm(nn.Linear(3, 4))


def twice():
    linear = nn.Linear(3, 3)
    return nn.Sequential(linear, linear)


def mixed():
    module = nn.LSTM(3, 4)
    module.weight_hh_l0.data = module.weight_hh_l0.data.double()
    return module


class Called(nn.Linear):
    """What is called is not the forward."""

    def __call__(self, x):
        return 2 * super().__call__(x)


NOT_FROM_TORCH = {
    "kind": (nn.GELU, TypeError, "module: expected a module with a counterpart in fastrnn, got GELU; there is one of"),
    "log": (lambda: [nn.Linear(3, 3), nn.LogSoftmax(-1)], TypeError, "module[1]: expected a module with a counterpart"),
    "cell": (lambda: nn.LSTMCell(3, 4), TypeError, "copy its parameters to an nn.LSTM"),
    "text": (lambda: "lstm", TypeError, "module: expected a torch.nn.Module, or a list of modules, got 'lstm'"),
    "number": (lambda: [3], TypeError, "module[0]: expected a torch.nn.Module or a layer of fastrnn, got 3"),
    "ours": (lambda: fastrnn.Linear(3, 4), TypeError, "module: expected a torch.nn.Module, or a list of modules"),
    "nothing": (nn.Identity, TypeError, "module: expected one that computes something, got Identity"),
    "empty": (nn.Sequential, ValueError, "layers: expected at least one layer"),
    "proj": (lambda: lstm(proj_size=2), ValueError, "module: LSTM: proj_size: expected 0, got 2"),
    "half": (lambda: lstm().half(), ValueError, "weight_ih_l0: expected torch.float32 or torch.float64, got torch.f"),
    "meta": (
        lambda: lstm(device="meta"),
        ValueError,
        "expected a tensor on the CPU, got one on meta; use module.cpu()",
    ),
    "mixed": (mixed, ValueError, "expected parameters of one dtype, got float32, float64; use module.float()"),
    "dtypes": (lambda: nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3).double()), ValueError, "expected one dtype"),
    "lazy": (lambda: nn.LazyLinear(3), ValueError, "got a LazyLinear that has none yet; call it once"),
    "hook": (hooked, ValueError, "module: expected no forward hooks and no parametrizations"),
    "parametrized": (spectral, ValueError, "module: expected no forward hooks and no parametrizations"),
    "call": (lambda: Called(3, 4), TypeError, "got Called, whose own forward can't be converted"),
    "tied": (tied, ValueError, "module[2].weight: expected a parameter of its own, got module[0].weight"),
    "twice": (twice, ValueError, "module[1].weight: expected a parameter of its own, got module[0].weight"),
    "max_norm": (lambda: nn.Embedding(3, 4, max_norm=1.0), ValueError, "max_norm: expected None, got 1.0"),
    "scale": (lambda: nn.Embedding(3, 4, scale_grad_by_freq=True), ValueError, "scale_grad_by_freq: expected False"),
    "norm": (lambda: nn.LayerNorm((3, 4)), ValueError, "normalized_shape: expected the last axis alone, got (3, 4)"),
    "norm_bias": (lambda: nn.LayerNorm(3, bias=False), ValueError, "bias: expected True with elementwise_affine"),
    "softmax": (lambda: nn.Softmax(dim=1), ValueError, "dim: expected -1, got 1"),
    "dropout": (lambda: nn.Dropout(1.0), ValueError, "module: Dropout: rate: expected a number from 0 to below 1"),
    "flatten": (lambda: [nn.GRU(3, 4), nn.Flatten(), nn.Linear(4, 1)], ValueError, "module[1]: expected Flatten first"),
    "flatten_late": (lambda: [nn.Linear(3, 4), nn.Flatten()], ValueError, "module[1]: expected Flatten first"),
    "flatten_batch": (lambda: [nn.Flatten(0), nn.Linear(3, 4)], ValueError, "start_dim, end_dim: expected 1, -1"),
    "conv": (lambda: nn.Sequential(nn.Conv1d(3, 4, 3, padding=1)), ValueError, "module[0]: Conv1d: expected in a list"),
    "conv_padding": (lambda: [nn.Conv1d(3, 4, 3)], ValueError, "padding: expected 1, which keeps the number of steps"),
    "conv_even": (lambda: [nn.Conv1d(3, 4, 2, padding="same")], ValueError, "window: expected an odd number"),
    "conv_stride": (lambda: [nn.Conv1d(3, 4, 3, padding=1, stride=2)], ValueError, "stride, groups: expected 1"),
    "conv_groups": (lambda: [nn.Conv1d(4, 4, 3, padding=1, groups=2)], ValueError, "stride, groups: expected 1"),
    "conv_mode": (
        lambda: [nn.Conv1d(3, 4, 3, padding=1, padding_mode="circular")],
        ValueError,
        "padding_mode: expected 'zeros', got 'circular'",
    ),
    "sizes": (lambda: nn.Sequential(nn.Linear(3, 4), nn.Linear(3, 4)), ValueError, "at position 1 Linear takes 3"),
}


@pytest.mark.parametrize("name", NOT_FROM_TORCH)
def test_what_would_compute_something_else_is_refused(name):
    build, error, said = NOT_FROM_TORCH[name]
    with pytest.raises(error, match=re.escape(said)):
        from_torch(build())


# ---- dropout ----


def test_dropout_acts_in_training_alone_and_at_the_same_rate():
    """An element is 0 or 1 / (1 - p); of 40,000 the share of zeros is p within 5 standard deviations."""
    p, size = 0.3, (200, 200)
    torch.manual_seed(0)
    for model in (fastrnn.Dropout(p), fastrnn.Dropout(p, per_sequence=True)):
        module = to_torch(model)
        assert from_torch(module).config() == model.config()
        y = module(torch.ones(size[0], 7, size[1]))
        assert torch.equal(y.unique(), torch.tensor([0.0, 1 / (1 - p)]))
        same = bool((y == y[:, :1]).all())  # at all steps
        assert same == model.per_sequence
        share = (y[:, 0] == 0).double().mean()
        assert abs(share - p) < 5 * np.sqrt(p * (1 - p) / 40_000)
        assert torch.equal(module.eval()(torch.ones(size)), torch.ones(size))
    between = to_torch(fastrnn.LSTM(3, 4, 2, dropout=0.4))
    assert (between.dropout, between.training) == (0.4, True)
    assert from_torch(between).dropout == 0.4
