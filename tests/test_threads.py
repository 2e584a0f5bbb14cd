"""How many threads: one number for the process, another within a block, and what the environment says at import."""

import asyncio
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import fastrnn
from fastrnn import get_num_threads, num_threads, set_num_threads, threads
from layer_table import CELLS, recurrent, same_bits


@pytest.fixture(autouse=True)
def _as_before():
    before = get_num_threads()
    yield
    set_num_threads(before)
    assert get_num_threads() == before


def in_another_thread(function):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


def test_the_number_is_one_for_all_threads():
    for n in (3, 1, 256, np.int64(7)):
        assert set_num_threads(n) is None
        assert get_num_threads() == n
        assert type(get_num_threads()) is int
        assert in_another_thread(get_num_threads) == n
    in_another_thread(lambda: set_num_threads(5))
    assert get_num_threads() == 5


def test_within_a_block_there_is_another():
    set_num_threads(4)
    with num_threads(2):
        assert get_num_threads() == 2
        with num_threads(9):
            assert get_num_threads() == 9
            with num_threads(1):
                assert get_num_threads() == 1
            assert get_num_threads() == 9
        assert get_num_threads() == 2
        set_num_threads(6)  # of the process: the block's own still counts
        assert get_num_threads() == 2
    assert get_num_threads() == 6


def test_an_error_ends_the_block():
    set_num_threads(4)
    with pytest.raises(KeyError), num_threads(2):
        raise KeyError
    assert get_num_threads() == 4


def test_a_block_is_of_its_thread_alone():
    set_num_threads(4)
    barrier = threading.Barrier(3, timeout=30)

    def work(n):
        with num_threads(n):
            barrier.wait()
            seen = get_num_threads()
            barrier.wait()
        return seen, get_num_threads()

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(work, (1, 2, 3))) == [(1, 4), (2, 4), (3, 4)]
    with num_threads(2):
        assert in_another_thread(get_num_threads) == 4


def test_a_block_is_of_its_task_alone():
    set_num_threads(4)

    async def work(n):
        with num_threads(n):
            await asyncio.sleep(0)
            return get_num_threads()

    async def both():
        return await asyncio.gather(work(2), work(3)), get_num_threads()

    assert asyncio.run(both()) == ([2, 3], 4)


def test_a_block_may_be_a_decorator():
    set_num_threads(4)

    @num_threads(2)
    def work():
        return get_num_threads()

    assert (work(), work(), get_num_threads()) == (2, 2, 4)


@pytest.mark.parametrize("wrong", [0, -1, 257, 10**30])
def test_numbers_that_are_not_possible(wrong):
    before = get_num_threads()
    with pytest.raises(ValueError, match=r"^n: expected at (least 1|most 256 threads), got"):
        set_num_threads(wrong)
    with pytest.raises(ValueError, match=r"^n: expected at"), num_threads(wrong):
        pass
    assert get_num_threads() == before


@pytest.mark.parametrize("wrong", [None, 2.0, "2", True, [2], np.float32(1)])
def test_what_is_no_number(wrong):
    before = get_num_threads()
    with pytest.raises(TypeError, match=r"^n: expected an int, got "):
        set_num_threads(wrong)
    with pytest.raises(TypeError, match=r"^n: expected an int, got "), num_threads(wrong):
        pass
    assert get_num_threads() == before


# ---- what the environment says ----


def at_import(**environment):
    """Return what a new Python prints as its number of threads, or its error's lines."""
    clean = {key: value for key, value in os.environ.items() if not key.endswith("_NUM_THREADS")}
    code = "import fastrnn; print(fastrnn.get_num_threads())"
    result = subprocess.run(
        [sys.executable, "-c", code], env=clean | environment, capture_output=True, text=True, check=False, timeout=60
    )
    return result.stdout.strip() if result.returncode == 0 else result.stderr.strip().splitlines()


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"FASTRNN_NUM_THREADS": "3"}, 3),
        ({"FASTRNN_NUM_THREADS": " 3 "}, 3),
        ({"FASTRNN_NUM_THREADS": "1000"}, 256),
        ({"OMP_NUM_THREADS": "5"}, 5),
        ({"FASTRNN_NUM_THREADS": "3", "OMP_NUM_THREADS": "5"}, 3),
        ({"FASTRNN_NUM_THREADS": "", "OMP_NUM_THREADS": "5"}, 5),
        ({"OMP_NUM_THREADS": "4,2"}, None),  # OpenMP's own form for nested loops: not ours to read, and no error
        ({"OMP_NUM_THREADS": "0"}, None),
        ({}, None),
    ],
    ids=str,
)
def test_the_environment_gives_the_number_to_begin_with(environment, expected):
    got = at_import(**environment)
    assert int(got) == (min(threads.usable_cpus(), 256) if expected is None else expected)


@pytest.mark.parametrize("wrong", ["0", "abc", "-1", "2.5", "1e3"])
def test_nonsense_in_the_environment_is_an_import_error_of_one_line(wrong):
    lines = at_import(FASTRNN_NUM_THREADS=wrong)
    assert lines[-1] == f"ImportError: FASTRNN_NUM_THREADS: expected a whole number of at least 1, got {wrong!r}"


def test_usable_cpus_are_those_of_this_process_and_its_container(monkeypatch):
    assert 1 <= threads.usable_cpus() <= (os.cpu_count() or 1)
    monkeypatch.setattr(threads, "_container_share", lambda: 1)
    assert threads.usable_cpus() == 1


@pytest.mark.parametrize(("quota", "share"), [("150000 100000", 2), ("100000 100000", 1), ("max 100000", 256)])
def test_a_containers_quota_is_rounded_up(monkeypatch, tmp_path, quota, share):
    file = tmp_path / "cpu.max"
    file.write_text(quota)
    monkeypatch.setattr(threads, "open", lambda *_, **__: file.open(encoding="ascii"), raising=False)
    assert threads._container_share() == share


# ---- and it changes no bit ----


@pytest.mark.parametrize("rows", [4, 40])  # threads share out units, or rows
@pytest.mark.parametrize("cell", CELLS)
def test_layers_of_any_number_of_threads_give_the_same_bits(cell, rows):
    rng = np.random.default_rng(0)
    layer = recurrent(cell, 60, 100, 2)
    steps = 4000 // rows
    x, lengths = rng.standard_normal((steps, rows, 60)), rng.integers(1, steps, rows, endpoint=True)

    def work():
        output, final, tape = layer.record(x, lengths=lengths)
        grads = layer.backward(tape, output, final)
        return output, final, grads.x, grads.state, grads.parameters

    results = []
    for n in (1, 2, 4):
        with num_threads(n):
            results.append(work())
    for other in results[1:]:
        assert all(map(same_bits, results[0], other))


def test_the_names_are_public():
    assert {"get_num_threads", "set_num_threads", "num_threads"} <= set(fastrnn.__all__)
