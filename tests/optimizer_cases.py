"""Optimisers and small problems for their tests, and the steps in NumPy, operation by operation; no tests here."""

import numpy as np

import fastrnn

KINDS = (fastrnn.SGD, fastrnn.RMSprop, fastrnn.Adam, fastrnn.AdamW)
EXAMPLES = (
    fastrnn.SGD(0.2),
    fastrnn.SGD(0.2, momentum=0.5, nesterov=True, weight_decay=0.1),
    fastrnn.RMSprop(alpha=0.9),
    fastrnn.RMSprop(0.1, eps=1e-5, momentum=0.3, centered=True, weight_decay=0.1, decay_biases=True),
    fastrnn.Adam(0.02, betas=(0.8, 0.99), eps=1e-6),
    fastrnn.AdamW(0.02, weight_decay=0.3),
)


def parameters(dtype="float64"):
    return {"w": np.array([[1.0, -2.0], [0.5, 0.0]], dtype), "b": np.array([0.25], dtype)}


def gradients(steps, dtype="float64"):
    rng = np.random.default_rng(0)
    return [
        {"w": rng.standard_normal((2, 2)).astype(dtype), "b": rng.standard_normal(1).astype(dtype)}
        for _ in range(steps)
    ]


# ---- the steps as csrc/optimizers.h states them ----

RULES = {
    "sgd": {"rate": 0.1},
    "sgd_decay": {"rate": 0.1, "l2": 0.02},
    "momentum": {"rate": 0.1, "momentum": 0.9},
    "nesterov": {"rate": 0.1, "l2": 0.01, "momentum": 0.8, "nesterov": True},
    "rmsprop": {"rate": 0.01, "beta2": 0.99, "eps": 1e-8},
    "rmsprop_centered": {"rate": 0.01, "beta2": 0.9, "eps": 1e-3, "l2": 0.1},
    "rmsprop_momentum": {"rate": 0.01, "beta2": 0.9, "eps": 1e-3, "momentum": 0.7},
    "rmsprop_all": {"rate": 0.01, "beta2": 0.8, "eps": 1e-3, "l2": 0.1, "momentum": 0.7},
    "adam": {"rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "root": 3.7},
    "adam_decay": {"rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "root": 3.7, "l2": 0.1},
    "adamw": {"rate": 1e-3, "beta1": 0.8, "beta2": 0.9, "eps": 1e-4, "root": 1.5, "shrink": 0.99},
}


def memories_of(name):
    """Return which of the three memories a rule has."""
    if name.startswith("rmsprop"):
        centered, momentum = name[8:] in ("centered", "all"), name[8:] in ("momentum", "all")
        return True, centered, momentum
    return (True, True, False) if name.startswith("adam") else ("momentum" in RULES[name], False, False)


def rule_of(name):
    return "sgd" if name in ("momentum", "nesterov") else name.split("_")[0].removesuffix("w")


def step(name, w, g, memory, decayed):
    """Return the parameter after one step, and change its memories in place."""
    kind, options = w.dtype.type, RULES[name]
    rate, momentum, eps, root = (kind(options.get(key, 0)) for key in ("rate", "momentum", "eps", "root"))
    beta2 = options.get("beta2", 0)
    keep, add = kind(beta2), kind(1 - beta2)
    if decayed and "l2" in options:
        g = g + kind(options["l2"]) * w
    if rule_of(name) == "adam":
        m, v = memory[:2]
        m[...] = m + kind(1 - options["beta1"]) * (g - m)
        v[...] = keep * v + add * (g * g)
        shrink = kind(options.get("shrink", 1) if decayed else 1)
        return shrink * w - rate * m / (root * np.sqrt(v) + eps)
    if rule_of(name) == "sgd":
        v = memory[0]
        if v is None:
            return w - rate * g
        v[...] = momentum * v + g
        return w - rate * (g + momentum * v if "nesterov" in options else v)
    s, m, v = memory
    s[...] = keep * s + add * (g * g)
    variance = s
    if m is not None:
        m[...] = m + add * (g - m)
        variance = np.maximum(s - m * m, 0)
    q = g / (np.sqrt(variance) + eps)
    if v is not None:
        v[...] = momentum * v + q
        q = v
    return w - rate * q
