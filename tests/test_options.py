"""The kernels with every option compute what the float64 reference computes: every cell, dtype, ISA, kind of shape."""

from itertools import cycle, product

import pytest

from fastrnn import _kernels
from kernel_cases import Options, answers, cast, expect_equal, solve
from option_cases import (
    KERNELS,
    LAYERS,
    SHAPES,
    all_pairs,
    anything,
    everything,
    for_each_cell,
    layer_can_be,
    name_of,
    pairs_of,
    pairwise,
)


def solved(case):
    options = Options(*(case[name] for name in Options._fields))
    return solve(case["cell"], case["shape"], case["bias"], ragged=case["ragged"], options=options)


@pytest.mark.parametrize("case", for_each_cell(KERNELS), ids=name_of)
def test_a_sample_equals_the_reference(case):
    a, true = solved(case)
    got = answers(case["cell"], cast(a, case["dtype"]), case["isa"], case["threads"])
    expect_equal(got, true, case["dtype"], case["shape"])


@pytest.mark.exhaustive
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("cell", KERNELS["cell"])
def test_every_combination_equals_the_reference(cell, shape):
    several = ("ragged", "bias", *Options._fields)
    threads = cycle(KERNELS["threads"])
    for case in everything({"cell": (cell,), "shape": (shape,)} | {name: KERNELS[name] for name in several}):
        a, true = solved(case)
        for isa, dtype in product(_kernels.ISAS, KERNELS["dtype"]):
            expect_equal(answers(cell, cast(a, dtype), isa, next(threads)), true, dtype, shape, name_of(case))


# ---- the sample ----


@pytest.mark.parametrize(("table", "allowed"), [(KERNELS, anything), (LAYERS, layer_can_be)], ids=["kernels", "layers"])
def test_every_pair_of_values_occurs_in_the_sample(table, allowed):
    for cases in (pairwise(table, allowed), for_each_cell(table, allowed)):
        assert set().union(*map(pairs_of, cases)) == all_pairs(table, allowed)
        assert all(case.keys() == table.keys() and allowed(case) for case in cases)
        assert len(cases) < 0.02 * sum(1 for _ in everything(table, allowed))


def test_pairs_by_hand():
    table = {"a": (1, 2), "b": (1, 2), "c": (1, 2)}
    assert len(all_pairs(table)) == 12
    assert (("a", 1), ("c", 2)) in all_pairs(table)
    assert pairs_of({"a": 1, "b": 2, "c": 2}) == {(("a", 1), ("b", 2)), (("a", 1), ("c", 2)), (("b", 2), ("c", 2))}
    assert len(pairwise(table)) == 4
    assert not [case for case in pairwise(table, lambda case: case.get("a") != case.get("b")) if case["a"] == case["b"]]
