"""What this installation is and runs on."""

import os
import platform
import sys
from typing import TextIO

import numpy as np
import scipy

from fastrnn import _blas, _kernels
from fastrnn.threads import get_num_threads, usable_cpus


def config() -> dict[str, str]:
    """Return versions, the instructions chosen, BLAS and thread counts."""
    from fastrnn import __version__  # noqa: PLC0415 - defined by the package that imports this module

    blas = scipy.show_config(mode="dicts").get("Build Dependencies", {}).get("blas", {})
    threads = {name: os.environ[name] for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS") if os.environ.get(name)}
    return {
        "fastrnn": __version__,
        "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "instructions": f"{_kernels.ISA} (this CPU runs {', '.join(_kernels.ISAS)}; compiled in: "
        f"{', '.join(_kernels.COMPILED_ISAS)}; FASTRNN_ISA overrides)",
        "BLAS": f"SciPy's {blas.get('name', 'unknown')} {blas.get('version', '')}, {_blas.INTEGER_BITS}-bit integers",
        "kernel threads": f"{get_num_threads()} (FASTRNN_NUM_THREADS, fastrnn.set_num_threads)",
        "BLAS threads": ", ".join(f"{k}={v}" for k, v in threads.items()) or f"BLAS's default, up to {usable_cpus()}",
        "CPUs": f"{usable_cpus()} usable of {os.cpu_count()}",
    }


def show_config(file: TextIO | None = None) -> None:
    """Print versions, the instructions chosen, BLAS and thread counts."""
    entries = config()
    width = max(map(len, entries))
    for name, value in entries.items():
        print(f"{name:{width}}  {value}", file=file or sys.stdout)
