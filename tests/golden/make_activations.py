"""Write activations.npz: exp, tanh and sigmoid with 30 digits, at float32 and float64 points. Needs mpmath.

    python tests/golden/make_activations.py

For each dtype: `x_<dtype>`, and for each function its true value (hi + lo)·2^e with 1/2 <= |hi| < 1, of which e, hi
and (float64 alone) lo are stored: exact to 2^-53, or to 2^-77, relative, however small the value is.
"""

from pathlib import Path

import mpmath
import numpy as np

FUNCTIONS = {"exp": mpmath.exp, "tanh": mpmath.tanh, "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x))}


# Where errors are largest, found by trying all float32 and some millions of float64 numbers on two ISAs.
WORST = [3.208279, 4.1572940, 4.391580, 4.5050907, 5.8555713, 5.8908396]
WORST += [0.21542562207926075, 4.725536159374631, 5.542883593481111, 6.7331552552331875, 20.456713294228642]


def points(dtype):
    """Return where the functions are tested: special numbers, all scales, all binades, and where things happen."""
    rng = np.random.default_rng(1)
    info = np.finfo(dtype)
    special = [0, info.smallest_subnormal, 3 * info.smallest_subnormal, info.tiny / 2, info.tiny, info.eps, 0.5, 1]
    special += [87, 88, 88.5, 89, 90, 103, 104, 105, 709, 710, 711, 745, 746, 1000, info.max]
    limits = {"float32": (9.0, 88.7, 103.9), "float64": (19.1, 709.7, 745.1)}[np.dtype(dtype).name]
    log2 = float(np.log(2))
    random = [
        rng.uniform(-1, 1, 600),
        rng.uniform(-10, 10, 900),
        rng.uniform(-limits[2], limits[2], 300),
        np.exp2(rng.uniform(np.log2(float(info.tiny)), 10, 300)),
        log2 * (np.arange(-24, 25) + 0.5),  # ends of the range that exp reduces its argument to
        np.concatenate([limit * rng.uniform(0.995, 1.005, 100) for limit in limits]),  # saturation, overflow, underflow
    ]
    x = np.concatenate([special, WORST, *random]).astype(dtype)
    x = x[np.isfinite(x)]
    with np.errstate(over="ignore"):
        near = [np.nextafter(x[:300], dtype(limit)) for limit in (np.inf, -np.inf)]
    x = np.concatenate([x, *near])
    x = x[np.isfinite(x)]
    return np.unique(np.concatenate([x, -x]))


def split(value):
    """Return e, hi, lo with value = (hi + lo)·2^e."""
    if value == 0:
        return 0, 0.0, 0.0
    mantissa, exponent = mpmath.frexp(value)
    hi = float(mantissa)
    return int(exponent), hi, float(mantissa - hi)


def main():
    mpmath.mp.dps = 400  # 1 + e^-745 must not lose the second term; one value takes no time
    arrays = {}
    for dtype in (np.float32, np.float64):
        name = np.dtype(dtype).name
        x = arrays[f"x_{name}"] = points(dtype)
        for function, exact in FUNCTIONS.items():
            limited = [max(-5000.0, min(5000.0, float(value))) for value in x]  # beyond, all is 0, 1 or overflow
            parts = [split(exact(mpmath.mpf(value))) for value in limited]
            exponents, high, low = (np.array(part) for part in zip(*parts, strict=True))
            arrays[f"{function}_{name}_e"] = exponents.astype(np.int16)
            arrays[f"{function}_{name}_hi"] = high
            if dtype is np.float64:
                arrays[f"{function}_{name}_lo"] = low.astype(np.float32)
    path = Path(__file__).with_name("activations.npz")
    np.savez_compressed(path, **arrays)
    print(
        f"{path}: {path.stat().st_size} bytes, {', '.join(f'{a.size} {n}' for n, a in arrays.items() if n[0] == 'x')}"
    )


if __name__ == "__main__":
    main()
