"""Write torch-stateless.npz: what PyTorch computes for Conv1d, LayerNorm and Embedding. Made with torch 2.13.0.

python tests/golden/make_stateless.py
"""

from pathlib import Path

import numpy as np
import torch

PATH = Path(__file__).with_name("torch-stateless.npz")
T, N, I, O = 7, 3, 4, 5  # noqa: E741
MODULES = {
    **{
        f"conv1d-{window}-{dilation}": lambda window=window, dilation=dilation: torch.nn.Sequential(
            torch.nn.ConstantPad1d(((window - 1) * dilation, 0), 0.0),
            torch.nn.Conv1d(I, O, window, dilation=dilation, dtype=torch.float64),
        )
        for window, dilation in ((1, 1), (3, 1), (4, 2), (3, 5))
    },
    "layer_norm": lambda: torch.nn.LayerNorm(I, dtype=torch.float64),
    "embedding": lambda: torch.nn.Embedding(9, I, padding_idx=2, dtype=torch.float64),
}


def rounded(array):
    return np.asarray(array, np.float32).astype(np.float64)


def run(name):
    """Return input, parameters, upstream gradient, output and all gradients, time first and features last."""
    rng, module = np.random.default_rng(0), MODULES[name]()
    features_last = not name.startswith("conv1d")
    result = {"x": rng.integers(0, 9, (T, N)) if name == "embedding" else rounded(rng.standard_normal((T, N, I)))}
    for key, p in module.named_parameters():
        result[f"p.{key.removeprefix('1.')}"] = rounded(rng.standard_normal(tuple(p.shape)))
        p.data = torch.tensor(result[f"p.{key.removeprefix('1.')}"])
    x = torch.tensor(result["x"], requires_grad=name != "embedding")
    output = module(x) if features_last else module(x.permute(1, 2, 0)).permute(2, 0, 1)
    result["dy"] = rounded(rng.standard_normal(tuple(output.shape)))
    (output * torch.tensor(result["dy"])).sum().backward()
    result["output"] = output.detach().numpy()
    if x.grad is not None:
        result["grad.x"] = x.grad.numpy()
    return result | {f"grad.p.{key.removeprefix('1.')}": p.grad.numpy() for key, p in module.named_parameters()}


if __name__ == "__main__":
    np.savez_compressed(PATH, **{f"{name}/{key}": array for name in MODULES for key, array in run(name).items()})
    print(f"{PATH}: {PATH.stat().st_size} bytes")
