#!/usr/bin/env bash
# Runs the tests of the kernels and layers on a build with the address and undefined-behaviour sanitizers and with
# Cython's bounds checks, in a copy of the tree. Usage: tools/sanitize.sh [PYTHON] [pytest arguments]
set -euo pipefail
cd "$(dirname "$0")/.."
python=${1:-python3}
shift || true
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
cp -r setup.py pyproject.toml README.md LICENSE MANIFEST.in csrc src tests "$tree"
cd "$tree"
rm -f src/fastrnn/*.so src/fastrnn/_*.c
FASTRNN_SANITIZE=1 $python setup.py --quiet build_ext --inplace
arguments=${*:-tests/test_kernels*.py tests/test_activations.py tests/test_blas.py tests/test_layers.py tests/test_streams*.py tests/test_tapes*.py
  tests/test_ragged.py tests/test_pool.py tests/test_threads.py}
PYTHONPATH=$tree/src LD_PRELOAD="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libubsan.so)" \
  PYTHONMALLOC=malloc ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 $python -m pytest -q -p no:cacheprovider $arguments
