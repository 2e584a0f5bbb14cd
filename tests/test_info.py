"""show_config, and FASTRNN_ISA: the instructions asked for are used, or importing says clearly why not."""

import io
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy

import fastrnn
from fastrnn import _blas, _kernels


def run(code, **environment):
    """Run code in a Python of its own, with these environment variables."""
    return subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


def test_show_config_says_what_runs_here(capsys):
    fastrnn.show_config()
    out = capsys.readouterr().out
    lines = dict(line.split("  ", 1) for line in out.splitlines())
    lines = {name: value.strip() for name, value in lines.items()}
    assert lines["fastrnn"] == fastrnn.__version__
    assert lines["numpy"] == np.__version__
    assert lines["scipy"] == scipy.__version__
    assert lines["python"].startswith(f"{sys.version_info.major}.{sys.version_info.minor}.")
    assert lines["instructions"].startswith(f"{_kernels.ISA} (this CPU runs {', '.join(_kernels.ISAS)};")
    assert "FASTRNN_ISA" in lines["instructions"]
    assert f"{_blas.INTEGER_BITS}-bit integers" in lines["BLAS"]
    assert {"kernel threads", "BLAS threads", "CPUs"} <= lines.keys()


def test_show_config_writes_to_a_file(capsys):
    file = io.StringIO()
    fastrnn.show_config(file)
    assert _kernels.ISA in file.getvalue()
    assert capsys.readouterr().out == ""


def test_thread_settings_are_reported():
    result = run("import fastrnn; fastrnn.show_config()", OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="3")
    assert "OPENBLAS_NUM_THREADS=1, OMP_NUM_THREADS=3" in result.stdout


def test_the_isas_are_in_order_and_base_is_always_there():
    assert _kernels.ISAS[0] == _kernels.COMPILED_ISAS[0] == "base"
    assert set(_kernels.ISAS) <= set(_kernels.COMPILED_ISAS)
    assert _kernels.ISA in _kernels.ISAS


CPUINFO = Path("/proc/cpuinfo")
FLAGS = {"avx2": {"avx2", "fma"}, "avx512": {"avx512f", "avx512dq", "avx512vl", "avx512bw"}}


if platform.machine() == "x86_64" and CPUINFO.exists():  # Linux says what its CPU has

    def test_the_isas_are_those_of_the_cpu():
        flags = set(re.search(r"^flags\s*:(.*)", CPUINFO.read_text(encoding="ascii"), re.MULTILINE)[1].split())
        assert ("base", *(isa for isa, needed in FLAGS.items() if needed <= flags)) == _kernels.ISAS


@pytest.mark.parametrize("isa", _kernels.ISAS)
def test_an_isa_asked_for_is_the_one_used(isa):
    code = (
        "import fastrnn, numpy as np; from fastrnn import _kernels;"
        "y, _ = fastrnn.LSTM(3, 37, seed=0)(np.linspace(-1, 1, 60).reshape(5, 4, 3));"
        "print(_kernels.ISA, y.tobytes().hex()); fastrnn.show_config()"
    )
    result = run(code, FASTRNN_ISA=isa)
    assert result.returncode == 0, result.stderr
    chosen, bits = result.stdout.split(maxsplit=2)[:2]
    assert chosen == isa
    assert f"{isa} (this CPU runs" in result.stdout
    # and not in name only: the bits are those of that ISA's kernels, as told apart by `isa=`
    layer, x = fastrnn.LSTM(3, 37, seed=0), np.linspace(-1, 1, 60, dtype=np.float64).reshape(20, 3).astype(np.float32)
    zeros = np.zeros((4, 37), np.float32)
    h, *_ = _kernels.forward("lstm", x, zeros, zeros, *layer.parameters().values(), record=False, isa=isa)
    assert bits == h[4:].tobytes().hex()


def test_without_a_wish_the_best_is_chosen():
    result = run("from fastrnn import _kernels; print(_kernels.ISA)", FASTRNN_ISA="")
    assert result.stdout.strip() == _kernels.ISAS[-1], result.stderr


@pytest.mark.parametrize("wrong", ["bogus", "AVX2"])
def test_an_unknown_isa_is_a_clear_import_error(wrong):
    result = run("import fastrnn", FASTRNN_ISA=wrong)
    assert result.returncode == 1
    last = result.stderr.splitlines()[-1]
    expected = (
        f"ImportError: FASTRNN_ISA: expected one of {', '.join(_kernels.ISAS)} (what this CPU runs), got {wrong!r}"
    )
    assert last.startswith(expected)
    assert "unset it" in last


def test_the_public_names_are_there():
    for name in fastrnn.__all__:
        assert getattr(fastrnn, name).__doc__
    assert len(set(fastrnn.__all__)) == len(fastrnn.__all__)
