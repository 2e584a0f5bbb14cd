"""Schedules: PyTorch's numbers, stored and live, their formulas, and what may be passed."""

import json
import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastrnn
from fastrnn import schedules
from fastrnn.schedules import Cosine, Factor, OneCycle, ReduceOnPlateau, StepDecay, Warmup, as_schedule
from golden import make_schedules

GOLDEN = np.load(make_schedules.PATH)
INITIAL = make_schedules.INITIAL
EXAMPLES = (
    StepDecay(5),
    StepDecay(2, 0.5, per="update"),
    Cosine(100, final_rate=1e-4),
    Warmup(10),
    Warmup(10, Cosine(90), start_factor=0.0),
    Warmup(3, StepDecay(2), per="epoch"),
    OneCycle(0.1, 50),
    ReduceOnPlateau(0.2, 3, cooldown=2),
)


def expect_rates(name, rates):
    kind, options, *_ = make_schedules.SCHEDULES[name]
    schedule = getattr(schedules, kind)(**options)
    found = [schedule.rate(INITIAL, count) for count in range(len(rates))]
    # PyTorch goes from one rate to the next, with a rounding or two at each
    np.testing.assert_allclose(found, rates, rtol=1e-12, atol=1e-15)


def expect_plateau(name, values, rates):
    schedule = ReduceOnPlateau(**make_schedules.PLATEAUS[name][0])
    found = []
    for value in values:
        schedule.observe(value)
        found.append(schedule.rate(INITIAL, len(found) + 1))
    np.testing.assert_allclose(found, rates, rtol=1e-12)
    return found


def test_the_golden_file_holds_every_case():
    kinds = {tuple(key.split("/")[:2]) for key in GOLDEN}
    expected = {("schedule", name) for name in make_schedules.SCHEDULES}
    expected |= {("plateau", name) for name in make_schedules.PLATEAUS}
    assert {kind for kind in kinds if kind[0] != "clipping"} == expected


@pytest.mark.parametrize("name", make_schedules.SCHEDULES)
def test_rates_equal_the_golden_ones(name):
    rates = GOLDEN[f"schedule/{name}/rates"]
    assert len(rates) == make_schedules.SCHEDULES[name][-1]
    assert len(set(rates.round(12))) > 4
    expect_rates(name, rates)


@pytest.mark.parametrize("name", make_schedules.PLATEAUS)
def test_plateaus_equal_the_golden_ones(name):
    found = expect_plateau(name, GOLDEN[f"plateau/{name}/values"], GOLDEN[f"plateau/{name}/rates"])
    assert len(set(found)) > 2  # it fell more than once


@pytest.mark.parametrize("name", make_schedules.SCHEDULES)
def test_rates_equal_torch(name):
    pytest.importorskip("torch")
    expect_rates(name, make_schedules.run_schedule(name))


@pytest.mark.parametrize("name", make_schedules.PLATEAUS)
def test_plateaus_equal_torch(name):
    pytest.importorskip("torch")
    for seed in range(1, 8):
        expect_plateau(name, **make_schedules.run_plateau(name, seed))


# ---- formulas and ends ----


def test_by_hand():
    assert [StepDecay(2, 0.5).rate(1.0, n) for n in range(6)] == [1, 1, 0.5, 0.5, 0.25, 0.25]
    cosine = Cosine(4, final_rate=0.2)
    assert [cosine.rate(1.0, n) for n in (0, 2, 4, 5, 400)] == pytest.approx([1, 0.6, 0.2, 0.2, 0.2])
    warmup = Warmup(4, start_factor=0.0)
    assert [warmup.rate(2.0, n) for n in (0, 1, 3, 4, 100)] == [0, 0.5, 1.5, 2, 2]
    assert Warmup(100).rate(1.0, 0) == 0.01


def test_one_cycle_begins_peaks_and_ends():
    cycle = OneCycle(1.0, 100, pct_start=0.25, div_factor=10.0, final_div_factor=100.0)
    rates = [cycle.rate(123.0, n) for n in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert np.argmax(rates) == 24
    assert rates[24] == 1
    assert rates[99] == pytest.approx(1e-3)
    assert cycle.rate(123.0, 100) == cycle.rate(123.0, 10**9) == rates[99]
    assert OneCycle(1.0, 1).rate(1.0, 0) == OneCycle(1.0, 1).rate(1.0, 7) == pytest.approx(1 / 25e4)
    assert OneCycle(1.0, 4, pct_start=0.25).rate(1.0, 0) == 1  # where the rise is one step long
    assert OneCycle(1.0, 4, pct_start=1.0).rate(1.0, 3) == 1


@given(steps=st.integers(1, 50), count=st.integers(0, 200), initial=st.floats(1e-6, 10))
def test_what_follows_a_warm_up_counts_from_its_end(steps, count, initial):
    then = Cosine(30, final_rate=1e-9)
    both = Warmup(steps, then)
    if count >= steps:
        assert both.rate(initial, count) == then.rate(initial, count - steps)
    else:
        assert both.rate(initial, count) == Warmup(steps).rate(initial, count) < initial


@given(count=st.integers(0, 10**6), initial=st.floats(1e-8, 100))
@pytest.mark.parametrize("schedule", EXAMPLES, ids=repr)
def test_rates_are_finite_and_never_negative(schedule, count, initial):
    assert 0 <= schedule.rate(initial, count) < math.inf


# ---- plateaus ----


def test_a_plateau_never_raises_the_rate():
    schedule = ReduceOnPlateau(patience=0, min_rate=0.5)
    for _ in range(5):
        schedule.observe(1.0)
    assert schedule.rate(0.1, 5) == 0.1  # which is below the least already
    assert schedule.rate(2.0, 5) == 0.5


def test_a_plateau_goes_on_from_its_state():
    values = make_schedules.watched(5)
    for cut in range(0, 60, 7):
        whole, first, second = (ReduceOnPlateau(0.5, 2, cooldown=2) for _ in range(3))
        for value in values[:cut]:
            whole.observe(value)
            first.observe(value)
        second.load_state_dict(json.loads(json.dumps(first.state_dict(), allow_nan=False)))
        for value in values[cut:]:
            whole.observe(value)
            second.observe(value)
            assert second.rate(1.0, 0) == whole.rate(1.0, 0)
        assert second.state_dict() == whole.state_dict()


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"bad": -1}, "bad"),
        ({"falls": 1.5}, "falls"),
        ({"cooling": True}, "cooling"),
        ({"best": "low"}, "best"),
        ({"best": math.nan}, "best"),
        ({"more": 1}, "state"),
    ],
)
def test_a_state_that_is_none_is_refused_and_nothing_changes(change, name):
    schedule = ReduceOnPlateau(patience=1)
    schedule.observe(3.0)
    schedule.observe(4.0)
    before = schedule.state_dict()
    assert before == {"best": 3.0, "bad": 1, "cooling": 0, "falls": 0}
    with pytest.raises((ValueError, TypeError), match=rf"^{name}: expected "):
        schedule.load_state_dict({"best": 9.0, "bad": 0, "cooling": 0, "falls": 7} | change)
    assert schedule.state_dict() == before


# ---- arguments ----


@pytest.mark.parametrize("schedule", EXAMPLES, ids=repr)
def test_repr_evaluates_back_and_pickles(schedule):
    again = eval(repr(schedule), vars(schedules).copy())
    assert repr(again) == repr(schedule)
    assert [again.rate(0.3, n) for n in range(200)] == [schedule.rate(0.3, n) for n in range(200)]
    assert pickle.loads(pickle.dumps(schedule)) == schedule
    assert as_schedule(schedule) is schedule
    assert getattr(fastrnn, type(schedule).__name__) is type(schedule)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        *[(lambda v=v: StepDecay(v), "every") for v in (0, -1, 1.5, True, None)],
        *[(lambda v=v: StepDecay(1, v), "factor") for v in (0, 1, -0.5, math.nan, "0.1")],
        *[(lambda v=v: Cosine(v), "steps") for v in (0, 2.0)],
        *[(lambda v=v: Cosine(5, v), "final_rate") for v in (-1, math.inf)],
        *[(lambda v=v: Warmup(v), "steps") for v in (0, "5")],
        *[(lambda v=v: Warmup(5, start_factor=v), "start_factor") for v in (-0.1, 1.1, math.nan)],
        *[(lambda v=v: Warmup(5, v), "then") for v in (0.1, ReduceOnPlateau(), StepDecay(3))],
        *[(lambda v=v: OneCycle(v, 5), "peak") for v in (0, -1, math.nan)],
        (lambda: OneCycle(1.0, 0), "steps"),
        (lambda: OneCycle(1.0, 5, pct_start=2), "pct_start"),
        (lambda: OneCycle(1.0, 5, div_factor=0), "div_factor"),
        (lambda: OneCycle(1.0, 5, final_div_factor=-1), "final_div_factor"),
        *[(lambda v=v: ReduceOnPlateau(v), "factor") for v in (0, 1, 2)],
        *[(lambda v=v: ReduceOnPlateau(patience=v), "patience") for v in (-1, 1.0)],
        (lambda: ReduceOnPlateau(mode="least"), "mode"),
        (lambda: ReduceOnPlateau(threshold=-1), "threshold"),
        (lambda: ReduceOnPlateau(threshold_mode="both"), "threshold_mode"),
        (lambda: ReduceOnPlateau(cooldown=-1), "cooldown"),
        (lambda: ReduceOnPlateau(min_rate=-1), "min_rate"),
        *[(lambda kind=kind: kind(1, per="step"), "per") for kind in (StepDecay, Cosine, Warmup)],
        (lambda: OneCycle(1.0, 1, per="step"), "per"),
        (lambda: Factor(abs, per="step"), "per"),
        (lambda: Factor(0.1), "function"),
        *[(lambda v=v: as_schedule(v), "schedule") for v in (0.1, None, StepDecay)],
    ],
)  # fmt: skip
def test_wrong_arguments_are_refused_by_name(make, name):
    with pytest.raises((ValueError, TypeError), match=rf"^{name}: expected .*, got "):
        make()


def test_a_function_of_the_count_scales_the_rate():
    schedule = as_schedule(lambda n: 0.5**n)
    assert (schedule.rate(8.0, 3), schedule.per) == (1.0, "epoch")
    assert Factor(np.float32, per="update").rate(2.0, 3) == 6


def test_a_schedule_of_ones_own_is_taken_as_it_is():
    class Own:
        per = "update"

        def rate(self, initial, count):
            return initial / (1 + count)

    own = Own()
    assert as_schedule(own) is own
    assert Warmup(2, own).rate(1.0, 3) == 0.5
    own.per = "minute"
    with pytest.raises(ValueError, match=r"^per: expected one of 'update', 'epoch', got 'minute'"):
        as_schedule(own)
