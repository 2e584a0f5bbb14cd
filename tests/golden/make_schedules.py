"""Write torch-schedules.npz: learning rates of PyTorch's schedulers and gradients that it clipped. Made with 2.13.0.

    python tests/golden/make_schedules.py

The functions here also serve the live comparisons of test_schedules.py and test_clipping.py.
"""

import warnings
from pathlib import Path

import numpy as np

PATH = Path(__file__).with_name("torch-schedules.npz")
INITIAL = 0.4
# name: (our class, its arguments, PyTorch's class, its arguments, how many steps)
SCHEDULES = {
    "step": ("StepDecay", {"every": 3, "factor": 0.3}, "StepLR", {"step_size": 3, "gamma": 0.3}, 20),
    "cosine": ("Cosine", {"steps": 11}, "CosineAnnealingLR", {"T_max": 11}, 12),
    "cosine_final": (
        "Cosine", {"steps": 7, "final_rate": 0.05}, "CosineAnnealingLR", {"T_max": 7, "eta_min": 0.05}, 8,
    ),
    "warmup": (
        "Warmup", {"steps": 6, "start_factor": 0.2}, "LinearLR", {"start_factor": 0.2, "total_iters": 6}, 12,
    ),
    "one_cycle": ("OneCycle", {"peak": 2.0, "steps": 20}, "OneCycleLR", {"max_lr": 2.0, "total_steps": 20}, 20),
    "one_cycle_other": (
        "OneCycle",
        {"peak": 0.7, "steps": 15, "pct_start": 0.55, "div_factor": 5.0, "final_div_factor": 50.0},
        "OneCycleLR",
        {"max_lr": 0.7, "total_steps": 15, "pct_start": 0.55, "div_factor": 5.0, "final_div_factor": 50.0},
        15,
    ),
    "one_cycle_falling": (
        "OneCycle", {"peak": 1.0, "steps": 9, "pct_start": 0.0}, "OneCycleLR",
        {"max_lr": 1.0, "total_steps": 9, "pct_start": 0.0}, 9,
    ),
}  # fmt: skip
PLATEAUS = {
    "plain": ({"patience": 2}, {"patience": 2}),
    "none": ({"factor": 0.5, "patience": 0}, {"factor": 0.5, "patience": 0}),
    "relative_max": (
        {"mode": "max", "patience": 1, "threshold": 0.05, "factor": 0.7},
        {"mode": "max", "patience": 1, "threshold": 0.05, "factor": 0.7},
    ),
    "absolute": (
        {"patience": 1, "threshold": 0.1, "threshold_mode": "abs", "factor": 0.6, "cooldown": 3},
        {"patience": 1, "threshold": 0.1, "threshold_mode": "abs", "factor": 0.6, "cooldown": 3},
    ),
    "absolute_max": (
        {"mode": "max", "patience": 2, "threshold": 0.2, "threshold_mode": "abs", "min_rate": 0.01, "cooldown": 1},
        {"mode": "max", "patience": 2, "threshold": 0.2, "threshold_mode": "abs", "min_lr": 0.01, "cooldown": 1},
    ),
}


def torch_optimizer():
    import torch

    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=INITIAL)


def run_schedule(name):
    """Return the learning rates after 0, 1, … updates."""
    import torch

    _, _, kind, options, steps = SCHEDULES[name]
    optimizer = torch_optimizer()
    extra = {"cycle_momentum": False} if kind == "OneCycleLR" else {}
    scheduler = getattr(torch.optim.lr_scheduler, kind)(optimizer, **options, **extra)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # after the last step there is none to come
            if len(rates) < steps:
                scheduler.step()
    return np.array(rates)


def watched(seed):
    """Return the values of 60 epochs: falling for a while, then noise, sometimes NaN."""
    rng = np.random.default_rng(seed)
    values = np.concatenate([3 * 0.8 ** np.arange(15), np.full(45, 3 * 0.8**14)]) * rng.uniform(0.85, 1.15, 60)
    values[rng.integers(1, 60, 3)] = np.nan
    return values


def run_plateau(name, seed=0):
    """Return the values of each epoch, and the learning rates after it."""
    import torch

    optimizer = torch_optimizer()
    # PyTorch leaves a fall of the rate out that is smaller than eps
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **PLATEAUS[name][1], eps=0)
    rates, values = [], watched(seed)
    for value in values:
        scheduler.step(value)
        rates.append(optimizer.param_groups[0]["lr"])
    return {"values": values, "rates": np.array(rates)}


def run_clipping(limit, dtype, seed=0):
    """Return gradients, what PyTorch makes of them by both kinds of clipping, and their norm."""
    import torch

    rng = np.random.default_rng(seed)
    arrays = {name: rng.standard_normal(shape).astype(dtype) for name, shape in (("w", (7, 9)), ("b", (5,)))}
    result = {f"given.{name}": array for name, array in arrays.items()}
    for kind in ("norm", "value"):
        tensors = {name: torch.zeros(array.shape, dtype=getattr(torch, dtype)) for name, array in arrays.items()}
        for name, tensor in tensors.items():
            tensor.grad = torch.tensor(arrays[name])
        found = getattr(torch.nn.utils, f"clip_grad_{kind}_")(tensors.values(), limit)
        result |= {f"{kind}.{name}": tensor.grad.numpy() for name, tensor in tensors.items()}
        if kind == "norm":
            result["found"] = np.array(float(found))
    return result


def groups():
    """Return what the file holds."""
    result = {f"schedule/{name}/rates": run_schedule(name) for name in SCHEDULES}
    for name in PLATEAUS:
        result |= {f"plateau/{name}/{key}": array for key, array in run_plateau(name).items()}
    for dtype in ("float32", "float64"):
        result |= {f"clipping/{dtype}/{key}": array for key, array in run_clipping(0.75, dtype).items()}
    return result


if __name__ == "__main__":
    np.savez_compressed(PATH, **groups())
    print(f"{PATH}: {PATH.stat().st_size} bytes")
