"""The kernels on another library's threads: PyTorch's, or any that are told; the same bits as on their own."""

import ctypes
import os
import signal
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import fastrnn  # noqa: E402
import fastrnn.torch  # noqa: E402
from fastrnn import _kernels  # noqa: E402
from fastrnn.torch.threads import share_threads  # noqa: E402

MEMBER = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
PARALLEL = ctypes.CFUNCTYPE(None, MEMBER, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
NUMBER = ctypes.CFUNCTYPE(ctypes.c_int)

X = np.random.default_rng(0).normal(size=(40, 32, 64)).astype(np.float32)
LAYER = fastrnn.LSTM(64, 128, num_layers=2, bidirectional=True, seed=0)


@pytest.fixture(autouse=True)
def _as_before():
    yield
    share_threads()


def results(threads):
    """Return output and gradients of work that is enough for several threads."""
    with fastrnn.num_threads(threads):
        output, _, tape = LAYER.record(X)
        grads = LAYER.backward(tape, np.ones_like(output))
    return [output, grads.x, *grads.parameters.values()]


def expect_same(got, expected):
    assert all(np.array_equal(one, other) for one, other in zip(got, expected, strict=True))


@pytest.mark.skipif(sys.platform != "linux", reason="PyTorch has another OpenMP elsewhere")
def test_results_are_the_same_bits_on_the_threads_of_pytorch():
    assert share_threads()
    shared = [results(threads) for threads in (1, 2, 3, 5)]
    _kernels.use_team(0, 0, 0)
    for own, other in zip((results(threads) for threads in (1, 2, 3, 5)), shared, strict=True):
        expect_same(own, shared[0])
        expect_same(other, shared[0])


def test_a_team_is_asked_for_as_many_as_may_work_and_may_be_smaller():
    expected, asked = results(1), []

    def parallel(member, data, threads, flags):
        asked.append((threads, flags))
        member(data)

    team = PARALLEL(parallel), NUMBER(lambda: 0), NUMBER(lambda: 1)
    _kernels.use_team(*(ctypes.cast(function, ctypes.c_void_p).value for function in team))
    try:
        got = results(3)
    finally:
        _kernels.use_team(0, 0, 0)
    expect_same(got, expected)
    assert set(asked) == {(3, 0)}  # not at every call where others want the cores: then one thread works alone


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded, use of fork:DeprecationWarning")
def test_the_child_of_a_fork_has_threads_of_its_own():
    expected = results(2)
    pid = os.fork()
    if not pid:
        signal.alarm(60)  # OpenMP's threads are not in here: to wait for them would be for ever
        same = all(np.array_equal(one, other) for one, other in zip(results(2), expected, strict=True))
        os._exit(0 if same else 1)
    assert os.waitpid(pid, 0)[1] == 0
