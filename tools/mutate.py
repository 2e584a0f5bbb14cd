"""Break the kernels and layers on purpose and see the suite fail: ``python tools/mutate.py [NAME…]``.

Each mutation replaces one piece of source in a copy of the tree, builds it if it is C, and runs the tests until the
first failure. Prints a line a mutation and killed/total; exits with 1 if any survives. Needs the `dev` extra.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent


class Mutation(NamedTuple):
    """One break: ``old`` stands exactly once in ``file``."""

    name: str
    file: str
    old: str
    new: str


# Most mutants fall here; the whole suite follows.
FIRST = ("gradcheck", "activations", "kernels_contract", "parameters", "tapes", "optimizers", "losses", "kernels")

LSTM, ELMAN, SEQUENCE = "csrc/cells/lstm.h", "csrc/cells/elman.h", "csrc/sequence.h"
RECURRENT, TRAINER = "src/fastrnn/layers/recurrent.py", "src/fastrnn/trainer.py"

MUTATIONS = [
    # the LSTM's equations
    Mutation("forget gate zeroed", LSTM, "const vec c = fma_(f, load_n(", "const vec c = fma_(splat(0), load_n("),
    Mutation("input and forget gates swapped", LSTM, "i * g);\n        store_n(zi", "f * g);\n        store_n(zi"),
    Mutation("output gate dropped", LSTM, "o * tanh_(c), left", "tanh_(c), left"),
    Mutation("candidate through sigmoid", LSTM, "vec g = tanh_(load_n(zg", "vec g = sigmoid_(load_n(zg"),
    Mutation("derivative of input gate wrong", LSTM, "dc * g * sigmoid_slope(i)", "dc * g * tanh_slope(i)"),
    Mutation("forget gate's gradient by c_t", LSTM, "load_n(row.c_prev + j, left) * sigmoid", "load_n(row.c + j, left) * sigmoid"),
    Mutation("candidate's gradient without input gate", LSTM, "dc * i * tanh_slope(g)", "dc * tanh_slope(g)"),
    Mutation("output gate's gradient by c, not tanh c", LSTM, "dh * tanh_c * sigmoid_slope(o)", "dh * load_n(row.c + j, left) * sigmoid_slope(o)"),
    Mutation("cell gradient not carried back", LSTM, "store_n(row.dc + j, dc * f, left)", "store_n(row.dc + j, splat(0), left)"),
    Mutation("cell gradient from above ignored", LSTM, "tanh_slope(tanh_c), load_n(row.dc + j, left));", "tanh_slope(tanh_c), splat(0));"),
    # Elman's
    Mutation("tanh' as 1 - h", ELMAN, "fma_(splat(0) - h, h, splat(1))", "splat(1) - h"),
    Mutation("relu' 1 at 0", ELMAN, "if_negative(splat(0) - h, splat(1), splat(0))", "if_negative(h, splat(0), splat(1))"),
    Mutation("upstream gradient dropped", ELMAN, "load_n(row.dh + j, left) + load_n(row.dy + j, left)", "load_n(row.dh + j, left)"),
    # unfolding in time
    Mutation("h shifted by a step", SEQUENCE, "H, h + t * state, w->w_hh", "H, h + (t > 0 ? t - 1 : 0) * state, w->w_hh"),
    Mutation("bias dropped", SEQUENCE, "bias[j] = b_ih ? b_ih[j] + b_hh[j] : 0", "bias[j] = b_ih ? b_ih[j] : 0"),
    Mutation("one step missing from BPTT", SEQUENCE, "t >= start; t--", "t > start; t--"),
    Mutation("first chunk missing from the sums", SEQUENCE, "accumulate(p, w, args, start * N,", "if (start) accumulate(p, w, args, start * N,"),
    Mutation("weight gradient by h_t, not h_{t-1}", SEQUENCE, "args->h + first_row * H;", "args->h + (first_row + p->rows) * H;"),
    Mutation("recurrent gradient not carried back", SEQUENCE, "add_product(p, 0, N, H, units, dz, w->w_hh, dh);", ""),
    Mutation("second bias without gradient", SEQUENCE, "add_column_sums(rows, units, dz, args->grad_b_hh);", ""),
    Mutation("last row of the batch forgotten", SEQUENCE, "for (int64_t r = 0; r < N; r++) {\n                forward_row", "for (int64_t r = 0; r < N - (N > 1); r++) {\n                forward_row"),
    # numerics
    Mutation("polynomial one term short", "csrc/activations.h", "vec p = splat((real)(1.0 / 5040));", "vec p = splat(0);"),
    Mutation("sign of tanh lost", "csrc/activations.h", "return with_sign(abs_(e / (e + splat(2))), x);", "return abs_(e / (e + splat(2)));"),
    Mutation("edge units skipped", "csrc/multiply.h", "for (; j < units; j += LANES) {", "for (; j + LANES <= units; j += LANES) {"),
    Mutation("rows beyond fours skipped", "csrc/multiply.h", "for (; r < rows; r++) multiply_tile_1(at(m, r, j));", ""),
    Mutation("processor mode not restored", "csrc/kernels.c", "    backward(p, w, args);\n    restore_mode(before);", "    backward(p, w, args);\n    (void)before;"),
    # layers and trainer
    Mutation("gates initialised as one block", RECURRENT, "for _ in range(shape[0] // self.hidden_size)", "for _ in range(1)] * (shape[0] // self.hidden_size) + [np.zeros((0, shape[1]))"),
    Mutation("forget bias on the input gate", "src/fastrnn/layers/lstm.py", "values[self.hidden_size : 2 * self.hidden_size] = 1.0", "values[: self.hidden_size] = 1.0"),
    Mutation("stack fed by the first layer only", RECURRENT, "            x = h[1:]\n        return x, final", "            x = h[1:] if k == self.num_layers - 1 else x[..., :1] + 0 * h[1:]\n        return x, final"),
    Mutation("state handed to the wrong layer", RECURRENT, "start = [part[k] for part in states]", "start = [part[-1 - k] for part in states]"),
    Mutation("gradient of the state written into the caller's", RECURRENT, "as_real(name, part, self.dtype, copy=True)", "as_real(name, part, self.dtype)"),
    Mutation("tape shares the caller's input", RECURRENT, "self._sequence(x, copy=True)", "self._sequence(x)"),
    Mutation("mean instead of sum in a bias gradient", "src/fastrnn/layers/dense.py", 'grads["bias"] = dy.sum(axis=0)', 'grads["bias"] = dy.mean(axis=0)'),
    Mutation("changed parameters unnoticed", "src/fastrnn/layers/base.py", "tape.fingerprint != self.fingerprint()", "False"),
    Mutation("clipping off", "src/fastrnn/optimizers.py", "if norm > limit:", "if False:"),
    Mutation("Adam without bias correction", "src/fastrnn/optimizers.py", "root = np.sqrt(1 - beta2**self._steps)", "root = 1.0"),
    Mutation("cross-entropy averaged over classes", "src/fastrnn/losses.py", "count = d.size // d.shape[-1]\n        gradient", "count = d.size\n        gradient"),
    Mutation("validation rows trained on", TRAINER, "np.sort(rows[size:])", "np.sort(rows)"),
    Mutation("state lost between blocks of a stream", "src/fastrnn/_kernels.pyx", "memcpy(h, h + args.steps * step_out, step_out)", "memcpy(h, h, step_out)"),
]  # fmt: skip


def main(names: list[str]) -> int:
    """Run the mutations named, or all."""
    unknown = set(names) - {mutation.name for mutation in MUTATIONS}
    if unknown:
        raise SystemExit(f"no such mutation: {', '.join(sorted(unknown))}")
    chosen = [mutation for mutation in MUTATIONS if not names or mutation.name in names]
    with tempfile.TemporaryDirectory() as directory, ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        original = Path(directory) / "original"  # the tree may be edited meanwhile
        shutil.copytree(ROOT, original, ignore=shutil.ignore_patterns(".git", "build", ".*_cache", "__pycache__"))
        if run_suite(original, None).returncode != 0:
            raise SystemExit("the suite must pass without any mutation first")
        killed = sum(pool.map(lambda mutation: is_killed(original, mutation), chosen))
    print(f"{killed}/{len(chosen)} killed")
    return 0 if killed == len(chosen) else 1


def is_killed(original: Path, mutation: Mutation) -> bool:
    """Return whether the suite noticed, and print how."""
    start = time.perf_counter()
    tests = run_suite(original, mutation)
    verdict = {0: "SURVIVED", 1: "killed"}.get(tests.returncode, "killed" if tests.returncode < 0 else "BROKEN")
    first = next((line for line in tests.stdout.splitlines() if line.startswith("FAILED")), tests.stdout[-120:])
    print(f"{verdict:8} {mutation.name:50} {time.perf_counter() - start:4.0f} s  {first[:120]}", flush=True)
    return verdict == "killed"


def run_suite(original: Path, mutation: Mutation | None) -> subprocess.CompletedProcess[str]:
    """Copy the tree, break it, build it and run the tests until the first failure."""
    with tempfile.TemporaryDirectory() as directory:
        tree = Path(directory) / "fastrnn"
        shutil.copytree(original, tree)
        if mutation is not None:
            apply(mutation, tree)
        if mutation is None or not mutation.file.endswith(".py"):
            command([sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"], tree).check_returncode()
        environment = {"PYTHONPATH": str(tree / "src")}
        probe = command([sys.executable, "-c", "import fastrnn; print(fastrnn.__file__)"], tree, environment)
        if str(tree) not in probe.stdout:
            raise SystemExit(f"the tests would not run against the mutant but against {probe.stdout}{probe.stderr}")
        pytest = [sys.executable, "-m", "pytest", "-xq", "-p", "no:cacheprovider"]
        first = command([*pytest, *map("tests/test_{}.py".format, FIRST)], tree, environment)
        return command(pytest, tree, environment) if first.returncode == 0 else first


def apply(mutation: Mutation, tree: Path) -> None:
    """Change the source."""
    path = tree / mutation.file
    source = path.read_text(encoding="utf-8")
    if source.count(mutation.old) != 1:
        raise SystemExit(
            f"{mutation.name}: expected the text once in {mutation.file}, found {source.count(mutation.old)}"
        )
    path.write_text(source.replace(mutation.old, mutation.new), encoding="utf-8")


def command(
    words: list[str], tree: Path, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command in the tree."""
    return subprocess.run(
        words, cwd=tree, env={**os.environ, **(environment or {})}, capture_output=True, text=True, check=False
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
