"""Memory that is used again: who gets which block, that two never share one, and that not too much is kept."""

import gc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from fastrnn import _memory

FLOAT32 = np.dtype(np.float32)
LARGE = (1 << 16,)  # reals: 256 KiB


def address(array):
    return array.__array_interface__["data"][0]


def test_an_array_is_what_was_asked_for():
    for shape in ((), (0,), (3,), (3, 0), (5, 7), (300, 400), (2, 300, 400)):
        for dtype in (FLOAT32, np.dtype(np.float64)):
            array = _memory.empty(shape, dtype)
            assert array.shape == shape
            assert array.dtype == dtype
            assert array.flags.c_contiguous
            assert array.flags.writeable


@pytest.mark.parametrize("size", [1, 63, 64, 4096, 1 << 16, 5 << 20])
def test_blocks_begin_at_cache_lines(size):
    block = _memory.Block(size)
    assert block.size >= size
    assert address(np.frombuffer(block, np.uint8)) % 64 == 0


def test_what_nobody_refers_to_any_more_is_used_again():
    first = _memory.empty(LARGE, FLOAT32)
    there = address(first)
    del first
    again = [_memory.empty(LARGE, FLOAT32) for _ in range(40)]  # among them every block that was kept before
    assert there in map(address, again)


def test_a_view_keeps_its_memory():
    whole = _memory.empty(LARGE, FLOAT32)
    whole[...] = 1.0
    view = whole[100:200]
    del whole
    gc.collect()
    others = [_memory.empty(LARGE, FLOAT32) for _ in range(40)]
    for other in others:
        other[...] = 2.0
    assert (view == 1.0).all()


def test_no_two_arrays_share_memory():
    rng = np.random.default_rng(0)
    alive = []
    for i in range(600):
        array = _memory.empty((int(rng.integers(1, 1 << 18)),), FLOAT32)
        array[...] = i
        alive.append((i, array))
        if len(alive) > 20:
            number, old = alive.pop(int(rng.integers(len(alive))))
            assert (old == number).all()
    for number, old in alive:
        assert (old == number).all()


def test_threads_do_not_get_the_same_block():
    def work(number):
        for _ in range(200):
            array = _memory.empty(LARGE, FLOAT32)
            array[...] = number
            if not (array == number).all():
                return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(work, range(6)))


def test_not_more_is_kept_than_the_limit_and_small_blocks_not_at_all():
    blocks = [_memory.Block(40 << 20) for _ in range(8)]
    before = _memory.kept_bytes()
    del blocks
    assert before < _memory.kept_bytes() <= 1 << 28
    kept = _memory.kept_bytes()
    small = [_memory.Block(1000) for _ in range(50)]
    del small
    assert _memory.kept_bytes() == kept


def test_more_than_there_is_raises():
    with pytest.raises(MemoryError):
        _memory.Block(1 << 62)
