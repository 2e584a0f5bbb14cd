"""Print the table of docs/performance.md: python benchmarks/table.py FILE, written by pytest --benchmark-json=FILE."""

import json
import sys
from pathlib import Path

medians: dict[str, dict[str, float]] = {}
for entry in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["benchmarks"]:
    contestant = entry["name"].rsplit("-", 1)[-1].rstrip("]")
    medians.setdefault(entry["group"], {})[contestant] = entry["stats"]["median"]

print("| case | | fastrnn, ms | PyTorch / fastrnn | reference / fastrnn |\n|---|---|---|---|---|")
for group, times in medians.items():
    cell, *sizes, work = group.split()
    shape = ", ".join(size.split("=")[1] for size in sizes)
    ours = times["fastrnn"]
    peer = f"{times['pytorch'] / ours:.2f}" if "pytorch" in times else ""
    kind = "inference" if work == "infer" else "training"
    print(f"| {cell} ({shape}) | {kind} | {ours * 1e3:.3g} | {peer} | {times['reference'] / ours:.1f} |")
