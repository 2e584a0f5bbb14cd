"""PyTorch's threads: where they can be had, the kernels work on them.

PyTorch's operations run on OpenMP's threads, which spin for some milliseconds when they are done. In a model whose
layers take turns they would keep fastrnn's own threads from their cores.
"""

import ctypes
import sys
from pathlib import Path

import torch

from fastrnn import _kernels

FUNCTIONS = ("GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads")


def share_threads() -> bool:
    """Let the kernels work on PyTorch's threads from now on, in this process; return whether they can.

    They can where PyTorch was built with GCC's OpenMP, or one that has its functions too: on Linux.
    """
    if sys.platform != "linux":
        return False
    try:
        library = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"))  # is loaded already
        found = [ctypes.cast(getattr(library, name), ctypes.c_void_p).value for name in FUNCTIONS]
    except (OSError, AttributeError):
        return False
    _kernels.use_team(*(address or 0 for address in found))
    return True
