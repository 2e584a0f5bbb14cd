"""Write torch*.npz: what PyTorch computes for layers, losses and optimisers. Made with torch 2.13.0.

    python tests/golden/make_torch.py [torch] [torch-gru] [torch-bidirectional] [torch-optimizers]

torch-gru.npz holds the GRU, and ragged batches of all layers; torch-bidirectional.npz ragged batches in both
directions; torch-optimizers.npz every option of the optimisers. Another CPU rounds some last bits otherwise, so write
only the file that is meant to change.

The functions here also serve the live comparisons of test_torch.py. All inputs are numbers that float32 can hold.
"""

import sys
from itertools import product
from pathlib import Path

import numpy as np

PATH = Path(__file__).with_name("torch.npz")
GRU_PATH = Path(__file__).with_name("torch-gru.npz")
BIDIRECTIONAL_PATH = Path(__file__).with_name("torch-bidirectional.npz")
OPTIMIZERS_PATH = Path(__file__).with_name("torch-optimizers.npz")
PATHS = PATH, GRU_PATH, BIDIRECTIONAL_PATH, OPTIMIZERS_PATH
SIZES = (7, 3, 5, 6)
OPTIMIZERS = {
    "sgd": ("SGD", {"lr": 0.1}),
    "momentum": ("SGD", {"lr": 0.05, "momentum": 0.9}),
    "adam": ("Adam", {}),
    "adam_other": ("Adam", {"lr": 0.05, "betas": (0.8, 0.95), "eps": 1e-4}),
}
MORE_OPTIMIZERS = {
    "nesterov": ("SGD", {"lr": 0.05, "momentum": 0.8, "nesterov": True, "weight_decay": 0.1}),
    "sgd_decay": ("SGD", {"lr": 0.1, "weight_decay": 0.05}),
    "rmsprop": ("RMSprop", {}),
    "rmsprop_centered": ("RMSprop", {"lr": 0.02, "alpha": 0.9, "eps": 1e-3, "centered": True}),
    "rmsprop_momentum": ("RMSprop", {"momentum": 0.7, "weight_decay": 0.1}),
    "rmsprop_all": ("RMSprop", {"alpha": 0.8, "eps": 1e-2, "momentum": 0.5, "centered": True, "weight_decay": 0.2}),
    "adam_decay": ("Adam", {"lr": 0.01, "weight_decay": 0.1}),
    "adamw": ("AdamW", {}),
    "adamw_other": ("AdamW", {"lr": 0.03, "betas": (0.85, 0.98), "eps": 1e-5, "weight_decay": 0.5}),
}
LOSSES = ("mse", "bce", "cross_entropy", "cross_entropy_probabilities")


def rounded(array):
    return np.asarray(array, np.float32).astype(np.float64)


def case_name(cell, layers, inputs, batch_first):
    return f"{cell}-{layers}-{inputs}" + ("-batch_first" if batch_first else "")


def cases(*cells):
    return {
        case_name(*case): case
        for case in [
            (cell, layers, inputs, (layers == 2) == (inputs == "dense"))
            for cell in cells
            for layers in (1, 2)
            for inputs in ("one_hot", "dense")
        ]
    }


CASES = cases("rnn_tanh", "rnn_relu", "lstm")
GRU_CASES = cases("gru")
RAGGED_CASES = {name: case for name, case in (CASES | GRU_CASES).items() if case[1] == 2 and case[2] == "dense"}
RAGGED_LENGTHS = (4, 6, 1)  # of up to 7 steps


def draw_x(rng, kind, shape):
    """Return dense normal numbers, or one-hot rows and zero rows (letters that the word has not)."""
    if kind == "dense":
        return rounded(rng.standard_normal(shape))
    letters = rng.integers(0, shape[-1] + 1, shape[:-1])
    return (letters[..., None] == np.arange(shape[-1])).astype(np.float64)


def run_layer(case, sizes, *, bias=True, seed=0, dtype="float64", lengths=None, bidirectional=False):
    """Return inputs, parameters, upstream gradients, outputs and all gradients of a PyTorch layer, by name.

    With `lengths` the batch is packed; its padding, in `x` and in the gradient `dy`, is as random as the rest.
    """
    import torch

    cell, layers, kind, batch_first = case
    T, N, inputs, H = sizes
    rng = np.random.default_rng([seed, *sizes])
    options = {"num_layers": layers, "bias": bias, "batch_first": batch_first, "bidirectional": bidirectional}
    options["dtype"] = getattr(torch, dtype)
    if cell in ("lstm", "gru"):
        layer = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[cell](inputs, H, **options)
    else:
        layer = torch.nn.RNN(inputs, H, nonlinearity=cell.removeprefix("rnn_"), **options)
    result = {"x": draw_x(rng, kind, (N, T, inputs) if batch_first else (T, N, inputs))}
    state_shape, states = (layers * (1 + bidirectional), N, H), 2 if cell == "lstm" else 1
    for i in range(states):
        result[f"state.{i}"] = rounded(rng.standard_normal(state_shape))
    for name, p in layer.named_parameters():
        result[f"p.{name}"] = rounded(rng.uniform(-1, 1, tuple(p.shape)) / np.sqrt(H))
        p.data = torch.tensor(result[f"p.{name}"], dtype=p.dtype)
    x, *state = (torch.tensor(result[n], dtype=options["dtype"], requires_grad=True) for n in result if n[:2] != "p.")

    start = tuple(state) if states == 2 else state[0]
    if lengths is None:
        output, final = layer(x, start)
    else:
        result["lengths"] = np.array(lengths)
        packed = torch.nn.utils.rnn.pack_padded_sequence(x, torch.tensor(lengths), batch_first, enforce_sorted=False)
        output, final = layer(packed, start)
        output, _ = torch.nn.utils.rnn.pad_packed_sequence(output, batch_first, total_length=T)
    final = final if states == 2 else (final,)
    result["dy"] = rounded(rng.standard_normal(tuple(output.shape)))
    loss = (output * torch.tensor(result["dy"])).sum()
    for i, part in enumerate(final):
        result[f"dstate.{i}"] = rounded(rng.standard_normal(state_shape))
        loss = loss + (part * torch.tensor(result[f"dstate.{i}"])).sum()
    loss.backward()

    named = {"output": output, "grad.x": x.grad}
    named |= {f"final.{i}": part for i, part in enumerate(final)}
    named |= {f"grad.state.{i}": part.grad for i, part in enumerate(state)}
    named |= {f"grad.p.{name}": p.grad for name, p in layer.named_parameters()}
    return result | {name: tensor.detach().numpy() for name, tensor in named.items()}


def run_loss(name, shape, seed=0):
    """Return a prediction with some extreme logits, a target, PyTorch's loss and its gradient."""
    import torch

    rng = np.random.default_rng([seed, *shape])
    prediction = rounded(3 * rng.standard_normal(shape))
    prediction.flat[:4] = [0, 60, -60, 1000]
    if name == "bce":
        target = rng.integers(0, 2, shape).astype(float)
        target.flat[4:8] = [0.25, 0.5, 0.9, 1]  # probabilities are targets too
    elif name == "cross_entropy":
        target = rng.integers(0, shape[-1], shape[:-1])
    elif name == "cross_entropy_probabilities":
        target = rng.dirichlet(np.ones(shape[-1]), shape[:-1])
    else:
        target = rng.standard_normal(shape)
    z = torch.tensor(prediction, requires_grad=True)
    function = {"mse": torch.nn.MSELoss, "bce": torch.nn.BCEWithLogitsLoss}.get(name, torch.nn.CrossEntropyLoss)()
    if name.startswith("cross_entropy"):
        classes = shape[-1]
        d = torch.tensor(target)
        loss = function(z.reshape(-1, classes), d.reshape(-1) if d.ndim < z.ndim else d.reshape(-1, classes))
    else:
        loss = function(z, torch.tensor(target))
    loss.backward()
    return {"prediction": prediction, "target": target, "value": np.array(loss.item()), "gradient": z.grad.numpy()}


def run_optimizer(name, steps=10, seed=0, dtype="float64"):
    """Return starting values, gradients (steps, …) and the values after each step, of two parameters."""
    import torch

    kind, options = (OPTIMIZERS | MORE_OPTIMIZERS)[name]
    rng = np.random.default_rng(seed)
    result, tensors = {}, {}
    for parameter, shape in (("w", (3, 2)), ("b", (4,))):
        result[f"start.{parameter}"] = rng.standard_normal(shape)
        # of very different sizes, and zero at times
        scales = 10.0 ** rng.integers(-6, 3, (steps, *shape)) * (rng.random((steps, *shape)) < 0.9)
        result[f"gradients.{parameter}"] = rng.standard_normal((steps, *shape)) * scales
        for key in ("start", "gradients"):
            result[f"{key}.{parameter}"] = result[f"{key}.{parameter}"].astype(dtype)
        tensors[parameter] = torch.tensor(result[f"start.{parameter}"], requires_grad=True)
        result[f"values.{parameter}"] = np.empty((steps, *shape), dtype)
    optimizer = getattr(torch.optim, kind)(tensors.values(), **options)
    for t in range(steps):
        for parameter, tensor in tensors.items():
            tensor.grad = torch.tensor(result[f"gradients.{parameter}"][t])
        optimizer.step()
        for parameter, tensor in tensors.items():
            result[f"values.{parameter}"][t] = tensor.detach().numpy()
    return result


def groups_of(path):
    """Return what a file holds, by group."""
    if path == PATH:
        groups = {f"layer/{name}": run_layer(case, SIZES) for name, case in CASES.items()}
        groups |= {f"loss/{name}": run_loss(name, (3, 4, 5)) for name in LOSSES}
        return groups | {f"optimizer/{name}": run_optimizer(name) for name in OPTIMIZERS}
    if path == BIDIRECTIONAL_PATH:
        options = {"lengths": RAGGED_LENGTHS, "bidirectional": True}
        return {f"bidirectional/{name}": run_layer(case, SIZES, **options) for name, case in RAGGED_CASES.items()}
    if path == OPTIMIZERS_PATH:
        pairs = product(MORE_OPTIMIZERS, ("float64", "float32"))
        return {f"optimizer-{dtype}/{name}": run_optimizer(name, dtype=dtype) for name, dtype in pairs}
    groups = {f"layer/{name}": run_layer(case, SIZES) for name, case in GRU_CASES.items()}
    ragged = {name: run_layer(case, SIZES, lengths=RAGGED_LENGTHS) for name, case in RAGGED_CASES.items()}
    return groups | {f"ragged/{name}": arrays for name, arrays in ragged.items()}


def main():
    paths = {path.stem: path for path in PATHS}
    for path in [paths[name] for name in sys.argv[1:] or paths]:
        groups = groups_of(path)
        flat = {f"{group}/{key}": array for group, arrays in groups.items() for key, array in arrays.items()}
        np.savez_compressed(path, **flat)
        print(f"{path}: {path.stat().st_size} bytes, {len(groups)} cases")


if __name__ == "__main__":
    main()
