"""Many Python threads on one model: each gets the bits that one alone would. Under the GIL and without it."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import fastrnn
from fastrnn import _memory

THREADS, ROUNDS = 8, 6


def at_once(work):
    """Return what ``work(i)`` gives in each of THREADS threads, which begin together."""
    barrier = threading.Barrier(THREADS, timeout=60)

    def begin(i):
        barrier.wait()
        return work(i)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(begin, range(THREADS)))


def batch(i):
    return np.random.default_rng(i).normal(size=(5, 12, 3)).astype(np.float32)


@pytest.fixture
def model():
    return fastrnn.Sequential(
        fastrnn.LSTM(3, 70, bidirectional=True, seed=0), fastrnn.GRU(140, 9, seed=1), fastrnn.Linear(9, 2, seed=2)
    )


def trained(model, i):
    """The output and every gradient of the i-th batch, as bytes."""
    output, _, tape = model.record(batch(i))
    grads = model.backward(tape, np.ones_like(output))
    return [output.tobytes(), grads.x.tobytes(), *(g.tobytes() for g in grads.parameters.values())]


@pytest.mark.parametrize("kernel_threads", [1, 2])
def test_one_model_in_many_threads(model, kernel_threads):
    expected = [trained(model, i) for i in range(THREADS)]

    def work(i):
        with fastrnn.num_threads(kernel_threads):
            return [trained(model, i) for _ in range(ROUNDS)]

    for i, rounds in enumerate(at_once(work)):
        assert all(got == expected[i] for got in rounds), i


def test_the_pool_in_many_threads():
    """Large enough that calls want the pool: one has it, and the others compute the same alone."""
    layer = fastrnn.GRU(64, 256, seed=0)
    x = np.random.default_rng(0).normal(size=(20, 16, 64)).astype(np.float32)
    with fastrnn.num_threads(1):
        expected = layer(x)[0].tobytes()

    def work(_):
        with fastrnn.num_threads(2):
            return [layer(x)[0].tobytes() == expected for _ in range(ROUNDS)]

    assert at_once(work) == [[True] * ROUNDS] * THREADS


def test_a_stream_for_each_thread(model):
    """A stream belongs to one thread; any number of them may come from one model."""
    model = fastrnn.Sequential(fastrnn.LSTM(3, 37, seed=0), fastrnn.Linear(37, 2, seed=1))
    expected = [model(batch(i)[:1])[0] for i in range(THREADS)]

    def work(i):
        stream = model.stream()
        return np.stack([stream.step(x) for x in batch(i)[0]])

    for got, alone in zip(at_once(work), expected, strict=True):
        assert got.tobytes() == alone.tobytes()


def test_memory_in_many_threads():
    """Blocks that come and go in many threads at once: nobody's array is given to somebody else."""

    def work(i):
        kept = []
        for round_ in range(200):
            array = _memory.empty((9000 + 512 * (round_ % 5),), np.dtype(np.float32))
            array[:] = i
            kept.append(array)
            if len(kept) > 3:
                assert (kept.pop(0) == i).all()
        return all((array == i).all() for array in kept)

    assert at_once(work) == [True] * THREADS


# ---- import ----

# Each takes longer to import than fastrnn itself, or is an optional extra.
HEAVY = (
    *("matplotlib", "torch", "sklearn", "pandas", "statsmodels", "tensorboardX", "jax", "onnxruntime"),
    *("scipy.special", "scipy.sparse", "scipy.stats", "tqdm.auto", "asyncio", "ssl", "multiprocessing"),
)


def run(code):
    return subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)


def test_import_takes_no_heavy_module():
    """But for those that SciPy's BLAS brings along, which its versions differ in."""
    code = (
        "import sys, scipy.linalg.cython_blas; before = set(sys.modules); import fastrnn; "
        f"print([name for name in {HEAVY} if name in sys.modules.keys() - before])"
    )
    result = run(code)
    assert (result.returncode, result.stdout.strip()) == (0, "[]"), result.stderr


def test_import_leaves_the_gil_as_it_was():
    """An extension that does not say that it can do without the GIL has it switched on again, with a warning."""
    code = (
        "import sys; ask = getattr(sys, '_is_gil_enabled', lambda: True); a = ask(); import fastrnn; print(a == ask())"
    )
    result = run(code)
    assert (result.returncode, result.stdout.strip()) == (0, "True"), result.stderr
