"""Time the kernels with other values of one number in csrc/plan.h: how each of these numbers was chosen.

    python benchmarks/choices.py HOISTED_ROWS 16 32 64
    python benchmarks/choices.py ROW_SPLIT_ROWS 8 16 32 --threads 2

builds fastrnn once for each value in a temporary directory (with what building needs, see docs/contributing.md), then
runs all of them round by round on the same cases. Columns are times in µs, the last line their geometric mean
against the first value. Run it alone on the machine.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from math import exp, log
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CELLS = ("RNN", "LSTM", "GRU")
SHAPES = (
    (1000, 1, 8, 8), (1000, 1, 16, 32), (100, 1, 32, 128), (25, 1, 512, 512), (200, 2, 64, 64), (150, 4, 256, 256),
    (150, 8, 64, 64), (100, 16, 128, 128), (100, 32, 64, 64), (100, 32, 128, 128), (50, 32, 256, 256),
    (25, 64, 512, 512),
)  # fmt: skip

MEASURE = """
import json, sys, time
import numpy as np
import fastrnn
fastrnn.set_num_threads(int(sys.argv[1]))
for line in sys.stdin:
    cell, T, N, I, H = json.loads(line)
    layer, rng = getattr(fastrnn, cell)(I, H, seed=0), np.random.default_rng(0)
    x, dy = (rng.standard_normal((T, N, size), dtype="float32") for size in (I, H))
    times, tape = {"infer": [], "train": []}, None
    for attempt in range(7):
        start = time.perf_counter()
        layer(x)
        times["infer"].append(time.perf_counter() - start)
        start = time.perf_counter()
        _, _, tape = layer.record(x, reuse=tape)
        layer.backward(tape, dy)
        times["train"].append(time.perf_counter() - start)
    print(json.dumps({kind: min(all[1:]) for kind, all in times.items()}), flush=True)
"""


def build(name: str, value: str, to: Path) -> Path:
    """Build fastrnn with one number changed, and return where it lies."""
    lib = to / value
    command = [sys.executable, "setup.py", "-q", "build", "--build-base", str(to / f"objects-{value}")]
    environment = {**os.environ, "CFLAGS": f"{os.environ.get('CFLAGS', '')} -D{name}={value}"}
    subprocess.run(
        [*command, "--build-lib", str(lib)], cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL
    )
    return lib


def start(lib: Path, threads: int) -> subprocess.Popen[str]:
    """Start a process that times the cases it is sent."""
    environment = {**os.environ, "PYTHONPATH": str(lib), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", MEASURE, str(threads)]
    return subprocess.Popen(command, cwd=lib, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def ask(process: subprocess.Popen[str], case: tuple[object, ...]) -> dict[str, float]:
    """Return the seconds that one process needs for a case, by kind."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(case) + "\n")
    process.stdin.flush()
    result: dict[str, float] = json.loads(process.stdout.readline())
    return result


def main() -> None:
    """Build, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("name", help="a number of csrc/plan.h")
    parser.add_argument("values", nargs="+")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        processes = [start(build(options.name, value, Path(directory)), options.threads) for value in options.values]
        print(f"{options.name:34}" + "".join(f"{value:>12}" for value in options.values))
        logs: list[list[float]] = []
        for cell in CELLS:
            for shape in SHAPES:
                rounds = [[ask(p, (cell, *shape)) for p in processes] for _ in range(options.rounds)]
                for kind in ("infer", "train"):
                    times = [statistics.median(r[i][kind] for r in rounds) for i in range(len(processes))]
                    print(f"{cell:5}{kind:7}{shape!s:22}" + "".join(f"{t * 1e6:12.1f}" for t in times), flush=True)
                    logs.append([log(t / times[0]) for t in times])
        means = [exp(statistics.fmean(column)) for column in zip(*logs, strict=True)]
        print(f"{'geometric mean of time':34}" + "".join(f"{mean:12.3f}" for mean in means))
        for process in processes:
            process.kill()


if __name__ == "__main__":
    main()
