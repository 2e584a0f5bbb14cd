"""Settings for the whole suite, made before NumPy and SciPy are imported."""

import os

# OpenBLAS wakes a thread for every core even for small products; where the cores are busy with something else
# that makes the suite ten times slower. What it computes does not change.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
