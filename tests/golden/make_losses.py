"""Write torch-losses.npz: PyTorch's losses with every option, and their gradients. Made with torch 2.13.0.

    python tests/golden/make_losses.py

The functions here also serve the live comparisons of test_losses_torch.py. All predictions are numbers that float32
can hold.
"""

from pathlib import Path

import numpy as np

PATH = Path(__file__).with_name("torch-losses.npz")
CLASSES = 5
CLASS_WEIGHTS = [0.5, 2.0, 1.0, 0.0, 3.25]
POS_WEIGHTS = [0.25, 1.0, 4.0, 2.5, 0.5]

# name: (fastrnn's name, fastrnn's options, PyTorch's class, PyTorch's options, kind of target)
CASES = {
    "squared_error": ("squared_error", {}, "MSELoss", {}, "real"),
    "mse": ("mse", {}, "MSELoss", {}, "real"),
    "mae": ("mae", {}, "L1Loss", {}, "real"),
    "huber": ("huber", {}, "HuberLoss", {}, "real"),
    "huber_small": ("huber", {"delta": 0.25}, "HuberLoss", {"delta": 0.25}, "real"),
    "bce": ("bce", {}, "BCEWithLogitsLoss", {}, "share"),
    "bce_pos_weight": ("bce", {"pos_weight": POS_WEIGHTS}, "BCEWithLogitsLoss", {"pos_weight": POS_WEIGHTS}, "share"),
    "bce_one_pos_weight": ("bce", {"pos_weight": 3.0}, "BCEWithLogitsLoss", {"pos_weight": 3.0}, "share"),
    **{
        f"cross_entropy_{kind}_{name}": ("cross_entropy", options, "CrossEntropyLoss", options, kind)
        for kind in ("numbers", "probabilities")
        for name, options in {
            "plain": {},
            "weight": {"weight": CLASS_WEIGHTS},
            "smooth": {"label_smoothing": 0.1},
            "smooth_weight": {"weight": CLASS_WEIGHTS, "label_smoothing": 0.3},
        }.items()
    },
    **{
        f"cross_entropy_ignored_{name}": ("cross_entropy", options, "CrossEntropyLoss", options, "ignored")
        for name, options in {
            "plain": {},
            "number": {"ignore_index": 2},
            "all": {"ignore_index": -1, "weight": CLASS_WEIGHTS, "label_smoothing": 0.2},
        }.items()
    },
}


def draw(kind, options, rows, seed):
    """Return a prediction (rows, CLASSES) with some extreme logits, and a target of that kind."""
    rng = np.random.default_rng([seed, rows])
    shape = (rows, CLASSES)
    prediction = np.asarray(3 * rng.standard_normal(shape), np.float32).astype(np.float64)
    prediction.flat[:4] = [0, 60, -60, 1000]
    if kind == "real":
        target = rng.standard_normal(shape)
        target.flat[:6] = prediction.flat[:6]  # no error at all: the slope of |e| there
        return prediction, target
    if kind == "share":
        return prediction, np.where(rng.random(shape) < 0.5, rng.integers(0, 2, shape), rng.random(shape))
    if kind == "probabilities":
        return prediction, rng.dirichlet(np.ones(CLASSES), rows)
    target = rng.integers(0, CLASSES, rows)
    if kind == "ignored":
        target[1::3] = options.get("ignore_index", -100)
    return prediction, target


def run(name, rows=12, seed=0):
    """Return prediction, target, PyTorch's loss and its gradient; ½ Σ over features for the lesson's squared error."""
    import torch

    ours, _, theirs, options, kind = CASES[name]
    prediction, target = draw(kind, options, rows, seed)
    tensors = ("weight", "pos_weight")
    options = {key: torch.tensor(value).double() if key in tensors else value for key, value in options.items()}
    z = torch.tensor(prediction, requires_grad=True)
    loss = getattr(torch.nn, theirs)(**options)(z, torch.tensor(target))
    loss = loss * (CLASSES / 2 if ours == "squared_error" else 1)
    loss.backward()
    return {"prediction": prediction, "target": target, "value": np.array(loss.item()), "gradient": z.grad.numpy()}


def main():
    flat = {f"{name}/{key}": array for name in CASES for key, array in run(name).items()}
    np.savez_compressed(PATH, **flat)
    print(f"{PATH}: {PATH.stat().st_size} bytes, {len(CASES)} cases")


if __name__ == "__main__":
    main()
