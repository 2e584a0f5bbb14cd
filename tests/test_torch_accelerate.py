"""accelerate and restore: which modules, in place; and what falls back to PyTorch's own implementation."""

import os
import re
import subprocess
import sys
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

import fastrnn.torch  # noqa: E402
from fastrnn.torch import FallbackWarning  # noqa: E402
from fastrnn.torch.fallback import TELLS_EXPORTS  # noqa: E402
from torch_cases import call, expect_equal, pair, rounding, without_torchs_own  # noqa: E402


class Own(nn.LSTM):
    """A subclass, which may do anything."""


class Model(nn.Module):
    """Recurrent modules in several places, one of them twice."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(3, 3), nn.GRU(3, 4, num_layers=2))
        self.decoders = nn.ModuleList([nn.LSTM(4, 5, batch_first=True), nn.RNN(4, 5, nonlinearity="relu")])
        self.again = self.decoders[0]
        self.projected = nn.LSTM(4, 5, proj_size=2)
        self.own = Own(4, 5)
        self.cell = nn.LSTMCell(4, 5)
        self.half = nn.GRU(4, 5, dtype=torch.bfloat16)


LEFT = {
    "projected": "a projection of the output (proj_size=2)",
    "own": "Own is a class of its own",
    "cell": "LSTMCell takes single steps, fastrnn's kernels take sequences",
    "half": "a tensor of bfloat16",
}


def test_modules_are_replaced_in_place():
    model = Model()
    before = {name: (module, list(module.parameters())) for name, module in model.named_modules()}
    result = fastrnn.torch.accelerate(model, verbose=0)
    assert list(result.modules) == ["encoder.1", "decoders.0", "decoders.1"]
    assert result.left == LEFT
    for name, module in model.named_modules():
        assert module is before[name][0]
        assert all(one is other for one, other in zip(module.parameters(), before[name][1], strict=True))
        assert isinstance(module, fastrnn.torch.modules.Kernels) == (name in result.modules)
    assert model.again is model.decoders[0]
    assert type(model.encoder[1]) is fastrnn.torch.GRU
    assert not fastrnn.torch.accelerate(model, verbose=0).modules
    assert set(fastrnn.torch.restore(model, verbose=0).modules) == set(result.modules)
    assert [type(model.encoder[1]), *map(type, model.decoders)] == [nn.GRU, nn.LSTM, nn.RNN]


def test_the_model_itself_is_replaced():
    model, x = nn.LSTM(3, 4), torch.randn(5, 2, 3)
    expected = model(x)[0]
    assert fastrnn.torch.accelerate(model, verbose=0).modules == {"": "LSTM(3, 4)"}
    with without_torchs_own():
        expect_equal([model(x)[0]], [expected], rounding(model, 5, 2))
    fastrnn.torch.restore(model, verbose=0)
    assert type(model) is nn.LSTM
    assert torch.equal(model(x)[0], expected)


def test_what_was_replaced_is_said(capsys):
    model = nn.Sequential(nn.GRU(3, 4, bidirectional=True), nn.LSTMCell(4, 5))
    result = fastrnn.torch.accelerate(model)
    assert capsys.readouterr() == ("", f"{result}\n")
    assert str(result).splitlines() == [
        "accelerated 0: GRU(3, 4, bidirectional=True)",
        "left 1: LSTMCell takes single steps, fastrnn's kernels take sequences",
    ]
    assert str(fastrnn.torch.accelerate(nn.Linear(1, 1), verbose=0)) == (
        "accelerated nothing: no torch.nn.LSTM, GRU or RNN in the model"
    )
    assert str(fastrnn.torch.restore(nn.LSTM(1, 1), verbose=0)) == (
        "restored nothing: no fastrnn.torch.LSTM, GRU or RNN in the model"
    )
    assert "accelerated the model itself: RNN(1, 2)" in str(fastrnn.torch.accelerate(nn.RNN(1, 2), verbose=0))


def test_a_parametrized_module_is_not_restored():
    model = nn.utils.parametrizations.weight_norm(fastrnn.torch.GRU(3, 4), "weight_ih_l0")
    assert fastrnn.torch.restore(model, verbose=0).left == {"": "ParametrizedGRU is a class of its own"}


@pytest.mark.parametrize("function", [fastrnn.torch.accelerate, fastrnn.torch.restore])
def test_what_is_no_module_is_refused(function):
    with pytest.raises(TypeError, match=r"model: expected a torch\.nn\.Module, got list"):
        function([nn.LSTM(1, 1)])


# ---- what falls back ----


def falls_back(cell="lstm", dtype=torch.float32, **options):
    """Return a pair of modules and inputs with initial states."""
    theirs, ours = pair(cell, 3, 4, dtype=dtype, **options)
    rows = 1, 2, options.get("proj_size", 0) or 4
    states = [torch.randn(rows, dtype=dtype), torch.randn((1, 2, 4), dtype=dtype)]
    return theirs, ours, [torch.randn(5, 2, 3, dtype=dtype), *states[: 2 if cell == "lstm" else 1]]


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN:UserWarning")
@pytest.mark.parametrize(
    ("what", "options"),
    [
        ("a tensor of bfloat16", {"dtype": torch.bfloat16}),
        ("a tensor of float16", {"dtype": torch.float16, "cell": "gru"}),
        ("a projection of the output (proj_size=2)", {"proj_size": 2}),
    ],
)
def test_a_module_that_is_not_covered_falls_back(what, options):
    theirs, ours, tensors = falls_back(**options)
    with pytest.warns(FallbackWarning) as said:
        got = call(ours, tensors, None)
    name = type(ours).__name__
    assert [str(one.message) for one in said if one.category is FallbackWarning] == [
        f"fastrnn.torch: {name}: {what}; PyTorch's own implementation computes it"
    ]
    assert all(torch.equal(one, other) for one, other in zip(got, call(theirs, tensors, None), strict=True))


def test_another_device_falls_back():
    module, x = fastrnn.torch.LSTM(3, 4).to("meta"), torch.zeros(5, 2, 3, device="meta")
    with pytest.warns(FallbackWarning, match="LSTM: a tensor on the device meta"):
        assert module(x)[0].shape == (5, 2, 4)


def test_a_sparse_tensor_is_left_to_torch():
    theirs, ours = pair("gru", 3, 4)
    x = torch.ones(5, 2, 3).to_sparse()
    with pytest.raises(RuntimeError, match="sparse") as refused:
        theirs(x)
    said = re.escape(str(refused.value))
    with pytest.warns(FallbackWarning, match="GRU: a sparse tensor"), pytest.raises(RuntimeError, match=said):
        ours(x)


def test_dropout_of_everything_falls_back():
    _, ours = pair("gru", 3, 4, num_layers=2, dropout=1.0)
    with pytest.warns(FallbackWarning, match=r"a dropout of everything \(dropout=1\)"):
        assert ours(torch.randn(5, 2, 3))[0].shape == (5, 2, 4)


def test_mixed_precision_falls_back():
    theirs, ours, tensors = falls_back()
    with torch.autocast("cpu", torch.bfloat16), pytest.warns(FallbackWarning, match="LSTM: automatic mixed precision"):
        got = call(ours, tensors, None)
    with torch.autocast("cpu", torch.bfloat16):
        assert all(torch.equal(one, other) for one, other in zip(got, call(theirs, tensors, None), strict=True))


def test_a_subclass_of_tensors_falls_back():
    class Named(torch.Tensor):
        pass

    theirs, ours = pair("gru", 3, 4)
    x = torch.randn(5, 2, 3).as_subclass(Named)
    with pytest.warns(FallbackWarning, match="GRU: a tensor of the type Named"):
        output = ours(x)[0]
    assert isinstance(output, Named)
    assert torch.equal(output, theirs(x)[0])


def test_transforms_of_functions_fall_back():
    theirs, ours = pair("gru", 3, 4, dtype=torch.float64)
    x = torch.randn(5, 2, 3, dtype=torch.float64)
    with pytest.warns(FallbackWarning, match=r"GRU: a transform of torch\.func"):
        got = torch.func.grad(lambda x: ours(x)[0].sum())(x)
    expect_equal([got], [torch.func.grad(lambda x: theirs(x)[0].sum())(x)], 1e-12)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_forward_mode_falls_back():
    theirs, ours = pair("gru", 3, 4, dtype=torch.float64)
    x, direction = torch.randn(2, 5, 2, 3, dtype=torch.float64)
    tangents = []
    with torch.autograd.forward_ad.dual_level(), torch.no_grad():
        dual = torch.autograd.forward_ad.make_dual(x, direction)
        with pytest.warns(FallbackWarning, match="GRU: forward-mode differentiation"):
            tangents.append(torch.autograd.forward_ad.unpack_dual(ours(dual)[0]).tangent)
        tangents.append(torch.autograd.forward_ad.unpack_dual(theirs(dual)[0]).tangent)
    assert tangents[1].abs().max() > 0.01
    expect_equal(tangents[:1], tangents[1:], 1e-12)


def test_the_warning_comes_once():
    module, x = fastrnn.torch.GRU(3, 4, dtype=torch.bfloat16), torch.randn(5, 2, 3, dtype=torch.bfloat16)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("default")
        for _ in range(3):
            module(x)
    assert len(said) == 1


# ---- graphs ----


def test_a_traced_module_runs_without_this_one(tmp_path):
    theirs, ours = pair("lstm", 3, 4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch: tracing is old, and sees sizes as numbers
        torch.jit.save(torch.jit.trace(ours, torch.randn(5, 2, 3)), tmp_path / "traced.pt")
        traced = torch.jit.load(tmp_path / "traced.pt")
    x = torch.randn(7, 2, 3)
    expect_equal([traced(x)[0]], [theirs(x)[0]], rounding(ours, 7, 2))


class Reader(nn.Module):
    """What is read of the last step."""

    def __init__(self):
        super().__init__()
        self.rnn, self.head = nn.GRU(3, 4, batch_first=True), nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.rnn(x)[0][:, -1])


@pytest.mark.filterwarnings("ignore:The tensor attributes:UserWarning")
@pytest.mark.parametrize("strict", [False, True] if TELLS_EXPORTS else [False])
def test_an_exported_model_runs_without_this_module(strict):
    model, x = Reader().eval(), torch.randn(2, 5, 3)
    expected = model(x)
    fastrnn.torch.accelerate(model, verbose=0)
    exported = torch.export.export(model, (x,), strict=strict)
    assert "gru" in str(exported.graph)  # PyTorch's operation
    expect_equal([exported.module()(x)], [expected], rounding(model.rnn, 5, 2))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript_is_refused():
    with pytest.raises(TypeError, match=r"script: expected torch\.nn\.LSTM, .* call fastrnn\.torch\.restore"):
        torch.jit.script(nn.Sequential(fastrnn.torch.LSTM(3, 4)))


def test_a_scripted_module_is_left():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        model = nn.Sequential(torch.jit.script(nn.LSTM(3, 4)))
    assert fastrnn.torch.accelerate(model, verbose=0).left == {"0": "LSTM compiled by TorchScript"}


@pytest.mark.parametrize("before", [False, True], ids=["compiled first", "run first"])
def test_a_compiled_model_runs_on_the_kernels(before):
    model, x = Reader(), torch.randn(2, 5, 3)
    expected = model(x)
    fastrnn.torch.accelerate(model, verbose=0)
    if before:
        model(x)
    with without_torchs_own():
        output = torch.compile(model, backend="eager")(x)
        output.sum().backward()
    expect_equal([output], [expected], rounding(model.rnn, 5, 2))
    assert model.rnn.weight_hh_l0.grad is not None


# ---- without PyTorch ----


def test_the_error_names_the_extra_and_the_core_does_not_load_torch(tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('not there')", encoding="utf-8")
    code = "import fastrnn, sys; assert 'torch' not in sys.modules; import fastrnn.torch"
    paths = [str(tmp_path), os.path.dirname(os.path.dirname(fastrnn.__file__))]
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "ImportError: fastrnn.torch needs PyTorch: pip install 'fastrnn[torch]'"


def test_numpy_is_what_tensors_share_their_memory_with():
    array = np.zeros((5, 2, 3), np.float32)
    module = fastrnn.torch.GRU(3, 4)
    first = module(torch.from_numpy(array))[0]
    array += 1
    assert not torch.equal(module(torch.from_numpy(array))[0], first)
