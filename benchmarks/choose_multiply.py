"""Which code should multiply, by shape: times the small multiply against BLAS, forward and BPTT.

Decides ``multiplies_are_small`` in csrc/sequence.h. Run it alone on the machine: python benchmarks/choose_multiply.py
"""

import statistics
import time

import numpy as np

from fastrnn import _kernels

ROWS = (1, 4, 8, 16, 32, 64)
HIDDEN = (16, 32, 48, 64, 96, 128, 192, 256, 384, 512)  # units, and as many inputs


def run(cell: str, steps: int, rows: int, hidden: int, multiply: str) -> None:
    """One forward and one backward pass."""
    w, arrays = WEIGHTS[cell, hidden], DATA[steps, rows, hidden]
    x, h_0, grad = arrays
    gated = _kernels.CELLS[cell].states == 2
    h, c, gates = _kernels.forward(cell, x, h_0, h_0 if gated else None, *w, None, None, record=True, multiply=multiply)
    _kernels.backward(cell, x, h, c, gates, *w, False, grad, h_0, h_0 if gated else None, multiply=multiply)


def seconds(*case: object) -> float:
    """Median time of one call, after a warm-up, over at least 0.1 s."""
    run(*case)  # type: ignore[arg-type]
    times: list[float] = []
    while sum(times) < 0.1 or len(times) < 5:
        start = time.perf_counter()
        run(*case)  # type: ignore[arg-type]
        times.append(time.perf_counter() - start)
    return statistics.median(times)


rng = np.random.default_rng(0)
STEPS = 32
WEIGHTS = {
    (cell, hidden): [(0.1 * rng.standard_normal((info.gates * hidden, hidden))).astype(np.float32) for _ in range(2)]
    for cell, info in _kernels.CELLS.items()
    for hidden in HIDDEN
}
DATA = {
    (STEPS, rows, hidden): (
        rng.standard_normal((STEPS, rows, hidden)).astype(np.float32),
        np.zeros((rows, hidden), np.float32),
        rng.standard_normal((STEPS, rows, hidden)).astype(np.float32),
    )
    for rows in ROWS
    for hidden in HIDDEN
}

if __name__ == "__main__":
    for cell in ("rnn_tanh", "lstm"):
        print(f"{cell}, float32, {_kernels.ISA}, forward and backward: time with BLAS / time with the small multiply")
        print("  N \\ H " + "".join(f"{hidden:7}" for hidden in HIDDEN))
        for rows in ROWS:
            ratios = (
                seconds(cell, STEPS, rows, hidden, "blas") / seconds(cell, STEPS, rows, hidden, "small")
                for hidden in HIDDEN
            )
            print(f"{rows:6}  " + "".join(f"{ratio:7.2f}" for ratio in ratios), flush=True)
