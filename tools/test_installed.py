"""Run the tests of kernels and layers on the fastrnn that is installed, with the source tree out of reach.

cibuildwheel runs it on every wheel (``[tool.cibuildwheel]`` in pyproject.toml). By hand, with pytest and hypothesis in
the environment: ``python tools/test_installed.py [pytest arguments]``.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
# What needs neither the optional libraries nor the source tree.
PATTERNS = (
    "test_kernels*.py",
    "test_activations.py",
    "test_blas.py",
    "test_concurrency.py",
    "test_dense.py",
    "test_info.py",
    "test_layers.py",
    "test_masks.py",
    "test_memory.py",
    "test_optimizer_kernels.py",
    "test_pool.py",
    "test_streams*.py",
    "test_threads.py",
)
WHERE = "import fastrnn; print(fastrnn.__file__)"


def main(arguments: list[str]) -> int:
    """Copy the tests to a directory of their own and run them there; return pytest's exit status."""
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        shutil.copytree(PROJECT / "tests", work / "tests", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(PROJECT / "pyproject.toml", work)
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        ask = [sys.executable, "-c", WHERE]
        found = subprocess.check_output(ask, cwd=work, env=environment, text=True).strip()
        if Path(found).is_relative_to(PROJECT / "src"):
            raise SystemExit(f"fastrnn: expected an installed one, got the source tree's, {found}")
        print(f"testing {found}", flush=True)
        files = [str(path) for pattern in PATTERNS for path in sorted((work / "tests").glob(pattern))]
        pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files, *arguments]
        return subprocess.run(pytest, cwd=work, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
