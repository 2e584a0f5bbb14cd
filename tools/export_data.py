"""Export the data that the examples ship: the labelled sequences and the monthly series of examples/data.

Run it where the packages are installed that bring them along; fastrnn itself needs none of them:

    python -m pip install aeon==1.6.0 pmdarima==2.1.1 statsmodels==0.15.0 && python tools/export_data.py

examples/data/SOURCES.md tells whose they are; examples/sequences.py and examples/forecast.py read them.
"""

from importlib.util import find_spec
from pathlib import Path

import aeon
import numpy as np
from aeon.datasets import load_basic_motions, load_japanese_vowels
from statsmodels.datasets import co2

DATA = Path(__file__).parents[1] / "examples" / "data"
SETS = {"japanese_vowels": load_japanese_vowels, "basic_motions": load_basic_motions}


def part(x, names, classes):
    """Return the values of all sequences, one below another (ΣT, F), their lengths (N,) and class numbers (N,)."""
    values = np.concatenate([np.asarray(one).T for one in x]).astype(np.float32)  # aeon's are (F, T)
    lengths = np.array([np.shape(one)[1] for one in x], dtype=np.int16)
    return {"values": values, "lengths": lengths, "labels": np.searchsorted(classes, names).astype(np.int8)}


def export(name, load):
    """Write NAME.npz: the training part, the test part as the archive has it, and the names of the classes."""
    train, test = load(split="train"), load(split="test")
    classes = np.unique(train[1]).astype(str)
    arrays = {
        f"{prefix}_{key}": array
        for prefix, (x, names) in (("train", train), ("test", test))
        for key, array in part(x, names, classes).items()
    }
    np.savez_compressed(DATA / f"{name}.npz", classes=classes, **arrays)


def months(first, values):
    """Return a month and a value, as text, for each value from January of a year on."""
    return [(f"{first + i // 12}-{i % 12 + 1:02d}", f"{value:g}") for i, value in enumerate(values)]


def folder(package):
    """Return where a package is, without importing it."""
    return Path(find_spec(package).origin).parent


def series():
    """Return the rows (month, value) of each monthly series."""
    passengers = (folder("aeon") / "datasets/data/Airline/Airline.csv").read_text().split()[1:]
    weekly = co2.load_pandas().data["co2"]  # on Saturdays
    means = weekly.groupby(weekly.index.strftime("%Y-%m")).mean()
    return {
        "airline": [line.split(",") for line in passengers],
        "co2": [(month, "" if np.isnan(value) else f"{value:.2f}") for month, value in means.items()],
        "sunspots": months(1749, np.loadtxt(folder("pmdarima") / "datasets/data/sunspots.txt.gz").ravel()),
    }


if __name__ == "__main__":
    for name, load in SETS.items():
        export(name, load)
        size = (DATA / f"{name}.npz").stat().st_size
        print(f"{name}.npz: {size / 1e3:.0f} kB, from aeon {aeon.__version__}")
    for name, rows in series().items():
        lines = ["date,value", *(",".join(row) for row in rows)]
        (DATA / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        print(f"{name}.csv: {len(rows)} rows")
