"""The pool of threads under load: many callers at once, after a fork, and in pools of processes.

Each runs in a Python of its own with a limit of time, so that callers who wait for each other fail and don't hang.
"""

import os
import subprocess
import sys

import pytest

LIMIT = 60  # seconds; each takes a few

COMMON = """
import os, signal, sys, threading, time
import numpy as np
from fastrnn import _kernels

def problem(seed, N=20, H=40, T=30):
    rng = np.random.default_rng(seed)
    draw = lambda *size: rng.standard_normal(size).astype(np.float32) / 5
    return draw(T * N, H), draw(N, H), draw(4 * H, H), draw(4 * H, H)

def work(seed, threads, **sizes):
    x, h_0, w_ih, w_hh = problem(seed, **sizes)
    h, c, saved, fed = _kernels.forward(
        "lstm", x, h_0, h_0, w_ih, w_hh, None, None, record=True, threads=threads)
    grads = _kernels.backward(
        "lstm", x, h, c, saved, fed, w_ih, w_hh, False, h[len(h_0):], h_0, h_0, threads=threads)
    return b"".join(a.tobytes() for a in (h, c, *grads) if a is not None)
"""

FORK = """
def child_succeeds(seed=1, threads=2):
    pid = os.fork()
    if pid == 0:
        try:
            signal.alarm(30)
            os._exit(0 if work(seed, threads) == expected else 3)
        finally:
            os._exit(4)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
expected = work(1, 1)
"""


def run(code):
    """Run code that prints "done" at its end."""
    result = subprocess.run(
        [sys.executable, "-c", COMMON + code],
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.endswith("done\n")


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


def test_many_threads_at_once_get_the_results_of_one():
    """One of them gets the pool and the others work alone."""
    run("""
from concurrent.futures import ThreadPoolExecutor
sizes = [dict(N=20), dict(N=3), dict(N=40, H=30)]
alone = [work(i, 1, **sizes[i % 3]) for i in range(12)]
with ThreadPoolExecutor(6) as pool:
    for _ in range(5):
        assert list(pool.map(lambda i: work(i, 2 + i % 3, **sizes[i % 3]), range(12))) == alone
print("done")
""")


def test_large_problems_of_layers_at_once():
    run("""
import fastrnn
from concurrent.futures import ThreadPoolExecutor
fastrnn.set_num_threads(3)
layer = fastrnn.LSTM(64, 128, seed=0)
x = np.random.default_rng(0).standard_normal((6, 40, 24, 64)).astype(np.float32)
def train(x):
    output, state, tape = layer.record(x)
    grads = layer.backward(tape, output, state)
    return output.tobytes() + b"".join(grad.tobytes() for grad in grads.parameters.values())
with fastrnn.num_threads(1):
    alone = [train(part) for part in x]
with ThreadPoolExecutor(4) as pool:
    for _ in range(3):
        assert list(pool.map(train, x)) == alone
print("done")
""")


def test_threads_that_come_and_go():
    run("""
alone = [work(i, 1, N=4 + 5 * i) for i in range(4)]
for threads in (2, 8, 3, 1, 20, 2):
    assert [work(i, threads, N=4 + 5 * i) for i in range(4)] == alone
    time.sleep(0.02)  # long enough for the pool to fall asleep
results = []
for i in range(4):
    thread = threading.Thread(target=lambda i=i: results.append(work(i, 2, N=4 + 5 * i)))
    thread.start()
    thread.join()
assert results == alone
print("done")
""")


@needs_fork
def test_a_child_makes_its_own_threads():
    run(
        FORK
        + """
assert child_succeeds()  # before the pool has ever been used
assert work(1, 3) == expected
assert child_succeeds()  # at once, with threads that still look for work
time.sleep(0.05)
assert child_succeeds()  # with threads asleep
assert child_succeeds(threads=4)
assert work(1, 3) == expected
print("done")
"""
    )


@needs_fork
def test_a_child_of_a_child_too():
    run(
        FORK
        + """
assert work(1, 3) == expected
pid = os.fork()
if pid == 0:
    signal.alarm(30)
    os._exit(0 if work(1, 2) == expected and child_succeeds() and work(1, 2) == expected else 3)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
print("done")
"""
    )


@needs_fork
def test_a_fork_while_other_threads_are_inside_a_kernel():
    run(
        FORK
        + """
stop, rounds = threading.Event(), [0, 0]
def busy(i):
    while not stop.is_set():
        work(2, 3, N=40)
        rounds[i] += 1
others = [threading.Thread(target=busy, args=(i,)) for i in range(2)]
for thread in others:
    thread.start()
while min(rounds) < 1:
    time.sleep(0.001)
for _ in range(20):
    assert child_succeeds()
stop.set()
for thread in others:
    thread.join()
assert work(1, 3) == expected
print("done")
"""
    )


POOLS = """
import multiprocessing, fastrnn, numpy as np
layer = fastrnn.LSTM(64, 128, seed=0)
def work(seed):
    x = np.random.default_rng(seed).standard_normal((40, 24, 64)).astype(np.float32)
    with fastrnn.num_threads(2):
        output, state, tape = layer.record(x)
        return output.tobytes() + layer.backward(tape, output).x.tobytes()
if __name__ == "__main__":
    alone = [work(seed) for seed in range(4)]
    with multiprocessing.get_context({method!r}).Pool(2) as pool:
        assert pool.map(work, range(4), chunksize=1) == alone
        assert pool.map(work, range(4), chunksize=1) == alone
    print("done")
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_pools_of_processes(tmp_path, method):
    """Started in each way, from a process whose own threads have worked."""
    if not hasattr(os, "fork") and method != "spawn":
        pytest.skip("there is no fork here")
    script = tmp_path / "pools.py"
    script.write_text(POOLS.replace("{method!r}", repr(method)))
    result = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False, timeout=LIMIT)
    assert (result.returncode, result.stdout) == (0, "done\n"), result.stderr


def test_threads_that_a_job_does_not_need_sleep():
    """A process that once used 23 threads pays for those 21 no more."""
    run("""
def cost():
    before = time.process_time()
    for _ in range(50):
        work(1, 2)
        time.sleep(0.002)  # in which whoever was woken spins
    return time.process_time() - before
work(1, 2)
before = cost()
work(1, 23)
time.sleep(0.1)
after = cost()
assert after < 3 * before + 0.1, (before, after)
print("done")
""")
