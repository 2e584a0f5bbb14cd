"""Tables of options, and samples of them in which every pair of values meets; no tests here."""

from itertools import combinations, product

from fastrnn import _kernels
from kernel_cases import DTYPES, Shape

# On both sides of the choices in csrc/plan.h: one row in more than one chunk, few rows, hoisted, fused, rows shared
# out, weights on both sides of 512 KiB; and rings of 512 rows that are filled twice, hoisted and not, ragged too.
SHAPES = tuple(
    Shape(*shape)
    for shape in [
        (37, 1, 2, 5), (5, 2, 3, 17), (13, 5, 3, 9), (4, 9, 5, 33), (6, 18, 4, 21), (240, 5, 2, 3), (80, 17, 2, 3),
        (2, 17, 2, 190),
    ]
)  # fmt: skip

KERNELS = {
    "cell": tuple(_kernels.CELLS),
    "shape": SHAPES,
    "reverse": (False, True),
    "ragged": (False, True),
    "bias": (False, True),
    "keep": (False, True),
    "zoneout": ("", "drawn", "expected"),
    "watch": ("", "norms", "bounds"),
    "source": ("", "table", "one-hot"),
    "dtype": DTYPES,
    "isa": _kernels.ISAS,
    "threads": (1, 2, 3),
}

LAYERS = {
    "cell": tuple(_kernels.CELLS),
    "num_layers": (1, 2),
    "bidirectional": (False, True),
    "dropout": (0.0, 0.3),
    "recurrent_dropout": (0.0, 0.25),
    "zoneout": (0.0, 0.2),
    "lengths": (False, True),
    "batch_first": (False, True),
    "unbatched": (False, True),
    "bias": (False, True),
    "dtype": DTYPES,
}


def layer_can_be(case):
    """Whether a case of LAYERS, or a part of one, contradicts itself."""
    lonely = case.get("dropout") and case.get("num_layers") == 1  # dropout is between layers
    return not lonely and not (case.get("lengths") and case.get("unbatched"))


def anything(_):
    return True


def name_of(case):
    """Return a case in a few words, for the tests' names."""
    words = (name if value is True else f"{name} {value}" for name, value in case.items() if value)
    return ", ".join(words)


def everything(table, allowed=anything):
    """Return every case of a table, a dict from options to values."""
    cases = (dict(zip(table, values, strict=True)) for values in product(*table.values()))
    return (case for case in cases if allowed(case))


def pairs_of(case):
    """Return all pairs of two options' values that occur in a case."""
    return set(combinations(case.items(), 2))


def all_pairs(table, allowed=anything):
    """Return all pairs of two options' values that may occur."""
    options = combinations(table, 2)
    found = {((a, x), (b, y)) for a, b in options for x, y in product(table[a], table[b])}
    return {pair for pair in found if allowed(dict(pair))}


def pairwise(table, allowed=anything):
    """Return few cases in which every pair of two options' values occurs: greedily, always the same ones."""
    order = {(name, value): i for name, values in table.items() for i, value in enumerate(values)}
    missing = all_pairs(table, allowed)
    cases = []
    while missing:
        first = min(missing, key=lambda pair: [(list(table).index(name), order[name, value]) for name, value in pair])
        case = dict(first)
        for name in sorted(table, key=lambda name: -len(table[name])):
            if name not in case:
                case[name] = best_value(table, case, name, missing, allowed, turn=len(cases))
        case = {name: case[name] for name in table}
        missing -= pairs_of(case)
        cases.append(case)
    return cases


def for_each_cell(table, allowed=anything):
    """Return cases in which every cell meets every pair of two other options' values."""
    return [case for cell in table["cell"] for case in pairwise(table | {"cell": (cell,)}, allowed)]


def best_value(table, case, name, missing, allowed, turn):
    """Return the value of an option with which a begun case has most of the missing pairs; of equals each in turn."""
    place = list(table).index

    def gain(value):
        met = (sorted([(name, value), item], key=lambda entry: place(entry[0])) for item in case.items())
        return sum(tuple(pair) in missing for pair in met)

    n = len(table[name])
    values = [table[name][(turn + i) % n] for i in range(n)]
    return max((value for value in values if allowed(case | {name: value})), key=gain)
