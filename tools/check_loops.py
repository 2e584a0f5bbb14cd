"""Check that the innermost loops of the tiles work in registers alone.

    python tools/check_loops.py [ISA…]                    compiles csrc/kernels.c with the flags of setup.py
    python tools/check_loops.py --objects DIR [ISA…]      takes what a build left in DIR, build/temp… for instance

For every ISA of this machine and both element types it disassembles the object file with objdump, finds the loop of
each function tile_R_V and fails if that loop stores anything to memory, calls anything, reads from the stack (a
register that was spilled), or has other than the R·V multiply-adds of its tile.
Needs gcc (or CC) and objdump.
"""

import argparse
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
CC = os.environ.get("CC", "gcc")
# A tile without fused multiply-adds multiplies, and adds by another instruction.
MULTIPLY = re.compile(r"vfn?madd\d+p[sd]|v?mulp[sd]|fmla|fmul")
# %rbp is an ordinary pointer too; of a frame it points to the end.
STACK = re.compile(r"\(%rsp|-0x[0-9a-f]+\(%rbp\)|\[(sp|x29)")


class Line(NamedTuple):
    """One instruction."""

    address: int
    name: str
    operands: str


def settings() -> tuple[list[str], dict[str, list[str]]]:
    """Return the flags that setup.py gives to all kernels, and those of each ISA, without running it."""
    source = (ROOT / "setup.py").read_text(encoding="utf-8").split("\nclass BuildKernels")[0]
    source = source.replace("from Cython.Build import cythonize\n", "")
    names: dict[str, object] = {}
    exec(compile(source, "setup.py", "exec"), names)
    return [*names["OPTIMISE"], "-fPIC", "-fwrapv", "-DNDEBUG"], names["isas"]()  # type: ignore[misc,operator]


def compiled(isa: str, real: str, flags: list[str], directory: str) -> str:
    """Compile the kernels of one table and return the object file."""
    object_file = f"{directory}/{isa}_{real}.o"
    macros = [f"-DFR_ISA_{isa.upper()}", f"-DFR_REAL_{real.upper()}", f"-DFR_TABLE=fr_kernels_{isa}_{real}"]
    subprocess.run([CC, *flags, *macros, "-Icsrc", "-c", "csrc/kernels.c", "-o", object_file], cwd=ROOT, check=True)
    return object_file


def functions(object_file: str) -> dict[str, list[Line]]:
    """Return the instructions of each function."""
    listing = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", object_file], capture_output=True, text=True, check=True
    ).stdout
    found: dict[str, list[Line]] = {}
    for line in listing.splitlines():
        if start := re.match(r"[0-9a-f]+ <([\w.]+)>:", line):
            found[start[1]] = []
        elif instruction := re.match(r"\s*([0-9a-f]+):\s+(\S+)\s*(.*)", line):
            found[next(reversed(found))].append(Line(int(instruction[1], 16), instruction[2], instruction[3]))
    return found


def innermost_loops(lines: list[Line]) -> list[list[Line]]:
    """Return the loops of a function that have no loop within: from a jump's target back to the jump."""
    at = {line.address: i for i, line in enumerate(lines)}
    spans = []
    for i, line in enumerate(lines):
        jump = re.match(r"(?:j|b[.]|cb|tb|b$)", line.name) and re.search(r"([0-9a-f]+) <", line.operands)
        if jump and at.get(int(jump[1], 16), i) < i:
            spans.append((at[int(jump[1], 16)], i))
    inner = [s for s in spans if not any(o != s and s[0] <= o[0] and o[1] <= s[1] for o in spans)]
    return [lines[first : last + 1] for first, last in inner]


def faults(loop: list[Line], multiplies: int) -> list[str]:
    """Return what is wrong with the loop of a tile."""
    wrong = []
    for line in loop:
        text = f"{line.name} {line.operands}"
        x86_store = re.search(r"^v?mov[au]p[sd] .*,\s*-?(?:0x)?[0-9a-f]*\(", text)
        if x86_store or re.match(r"st[rpu]\b|st1", line.name):
            wrong.append(f"stores: {text}")
        elif STACK.search(line.operands) and re.search(r"[xyz]mm|\bq\d|\bv\d", line.operands):
            wrong.append(f"reads a spilled register: {text}")
        elif line.name in ("call", "callq", "bl"):
            wrong.append(f"calls: {text}")
    count = sum(bool(MULTIPLY.match(line.name)) for line in loop)
    if count == 0 or count % multiplies:  # a compiler may do several k in one round
        wrong.append(f"{count} multiply-adds where a round of k has {multiplies}")
    return wrong


def check(isa: str, real: str, code: dict[str, list[Line]]) -> int:
    """Print what is wrong with one table's tiles and return how many faults there are."""
    bad = tiles = 0
    for name, lines in sorted(code.items()):
        size = re.fullmatch(r"tile_(\d)_(\d)(?:\.\w+)*", name)
        if size is None:
            continue
        tiles += 1
        rows, vectors = int(size[1]), int(size[2])
        loops = [loop for loop in innermost_loops(lines) if any(MULTIPLY.match(line.name) for line in loop)]
        found = (
            ["no loop multiplies"] if not loops else [fault for loop in loops for fault in faults(loop, rows * vectors)]
        )
        for fault in found:
            print(f"{isa} {real} {name}: {fault}")
        bad += len(found)
    print(f"{isa} {real}: {tiles} tiles, {bad} faults")
    return bad + (tiles == 0)


def main(names: list[str], objects: str | None) -> int:
    """Check the ISAs named, or all that this machine's compiler makes; take the object files if there are any."""
    flags, table = settings()
    unknown = set(names) - table.keys()
    if unknown:
        raise SystemExit(f"no such ISA on {sysconfig.get_platform()}: {', '.join(sorted(unknown))}")
    bad = 0
    with tempfile.TemporaryDirectory() as directory:
        for isa in names or table:
            for real in ("f32", "f64"):
                built = f"{objects}/{isa}_{real}/csrc/kernels.o"  # as setup.py lays them out
                file = built if objects else compiled(isa, real, [*flags, *table[isa]], directory)
                bad += check(isa, real, functions(file))
    return 1 if bad else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("isas", nargs="*", metavar="ISA")
    parser.add_argument("--objects", metavar="DIR", help="the directory of a build's object files")
    given = parser.parse_args()
    sys.exit(main(given.isas, given.objects))
