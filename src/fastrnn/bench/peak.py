"""The peak rate of fused multiply-adds, by a small kernel of fastrnn's own that touches no memory."""

import time
from concurrent.futures import ThreadPoolExecutor

from fastrnn._elementwise import multiply_adds

AIM = 0.02  # seconds of one measurement


def peak(dtype: str, threads: int) -> float:
    """Return operations a second of so many threads at once."""
    count, seconds = 1000, 0.0
    while True:
        start = time.perf_counter()
        multiply_adds(count, dtype)
        seconds = time.perf_counter() - start
        if seconds > AIM / 4:
            break
        count *= 4
    count = round(count * AIM / seconds)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(multiply_adds, [1] * threads, [dtype] * threads))  # threads that have started
        start = time.perf_counter()
        flops = sum(pool.map(multiply_adds, [count] * threads, [dtype] * threads))
        return float(flops / (time.perf_counter() - start))
