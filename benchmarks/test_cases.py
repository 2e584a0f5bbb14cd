"""The quick cases of ``fastrnn bench``, training included, by pytest-benchmark: equal first, then timed.

Run: pytest benchmarks. One group for each case, so the table shows ratios within it.
"""

import pytest

from fastrnn.bench.cases import Case, quick
from fastrnn.bench.contestants import entrants, slow
from fastrnn.bench.data import data
from fastrnn.bench.equality import truth
from fastrnn.bench.jobs import prepared
from fastrnn.bench.training import QUICK_EPOCHS, STEPS, AnyCase, Epoch

ENTRIES = [(case, name) for case in (*quick(1), *QUICK_EPOCHS, *STEPS) for name in entrants(case)]
ENTRIES += [(case, slow(case).name) for case in quick(1) if case.kind != "stream"]  # it has no call for a step


@pytest.mark.parametrize(("case", "name"), ENTRIES, ids=lambda value: getattr(value, "name", value))
def test_case(benchmark, case: AnyCase, name: str) -> None:
    benchmark.group = case.name
    if isinstance(case, Case) and name == slow(case).name:
        benchmark.pedantic(slow(case)(case, data(case), 1).call)  # one round: it is slow
        return
    contestant = prepared(entrants(case)[name], case, 1, truth(case).arrays)
    if isinstance(contestant, str):
        assert not contestant.startswith(("WRONG", "failed")), contestant
        pytest.skip(contestant)
    if isinstance(case, Epoch):
        benchmark.pedantic(contestant.call, warmup_rounds=1, rounds=3)  # as many as `fastrnn bench` has of long calls
    else:
        benchmark(contestant.call)
