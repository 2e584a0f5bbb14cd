"""The benchmark's parts: which cases there are, who is equal to the reference, how times become ratios."""

import math
import time
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from fastrnn.bench import jobs, timing
from fastrnn.bench.cases import CELLS, KINDS, STACKED, Case, full, quick
from fastrnn.bench.contestants import CONTESTANTS, PEERS, Reference, entrants
from fastrnn.bench.data import data
from fastrnn.bench.equality import difference, truth
from fastrnn.bench.peak import peak
from fastrnn.bench.results import Result, Run, geometric_mean, ratios

SHAPES = [
    {"T": 20, "N": 1, "I": 4, "H": 8},
    {"T": 9, "N": 5, "I": 16, "H": 24},
    {"T": 10, "N": 4, "I": 6, "H": 8, "layers": 2},
    {"T": 40, "N": 8, "I": 8, "H": 8, "ragged": True},
    {"T": 40, "N": 3, "I": 8, "H": 8, "ragged": True, "layers": 2},
    {"T": 9, "N": 5, "I": 16, "H": 24, "dtype": "float64"},
    {"T": 9, "N": 5, "I": 16, "H": 24, "bidirectional": True},
    {"T": 10, "N": 4, "I": 6, "H": 8, "layers": 2, "bidirectional": True, "dtype": "float64"},
    {"T": 40, "N": 8, "I": 8, "H": 8, "ragged": True, "bidirectional": True},
    {"T": 40, "N": 3, "I": 8, "H": 8, "ragged": True, "layers": 2, "bidirectional": True},
]
SMALL = [Case(cell, kind, **shape) for cell in CELLS for shape in SHAPES for kind in ("infer", "train")]
SMALL += [Case(cell, "stream", 30, 1, 3, 8) for cell in CELLS]
SMALL += [Case("tdnn", kind, T, 5, 4, 6) for T in (3, 9) for kind in ("infer", "train")]  # fewer steps than a window
SMALL += [Case("lstm", "generate", 60, 1, 8, 16)]
SMALL += [Case(cell, "loop", **shape) for cell in CELLS for shape in SHAPES[:5]]


# ---- cases ----


def test_the_full_list():
    names = [case.name for case in full()]
    assert len(names) == len(set(names)) == 3 * (2 * 20 + 5) + 2 * 2 + 2 * 2 + 1 + 13 + 2 * 2
    for cell in CELLS:
        for kind in ("infer", "train"):
            assert f"{cell} {kind} (1000,1,8,8)" in names
            assert f"{cell} {kind} (629,32,128,128)" in names
            assert f"{cell} {kind} (25,32,1024,1024)" in names
            assert f"{cell} {kind} (200,32,256,256) ragged" in names
            assert f"{cell} {kind} (200,32,256,256) bidirectional ragged" in names
            for shape in ("(100,32,128,128)", "(1000,1,16,32)"):
                assert {f"{cell} {kind} {shape} {more}" for more in ("bidirectional", "2 layers")} < set(names)
        assert f"{cell} stream (1,1,1,8)" in names
        assert f"{cell} stream (1,1,32,128)" in names
    assert [name for name in names if "1760" in name] == ["rnn infer (50,16,1760,1760)", "rnn train (50,16,1760,1760)"]
    assert [name for name in names if "128,256" in name] == [
        "lstm infer (100,32,128,256) 2 layers",
        "lstm train (100,32,128,256) 2 layers",
    ]
    assert {"lstm loop (1000,1,8,8)", "lstm loop (200,32,64,64) ragged", "gru loop (100,32,128,128)"} < set(names)
    assert [name for name in names if name.split()[0] == "tdnn" or "generate" in name] == [
        "tdnn infer (100,32,128,128)",
        "tdnn train (100,32,128,128)",
        "tdnn infer (1000,1,16,32)",
        "tdnn train (1000,1,16,32)",
        "lstm generate (1000,1,64,128)",
    ]


def test_the_plain_cases_are_those_that_the_means_have_always_been_of():
    plain = [case for case in full() if case.plain]
    assert len(plain) == 3 * (2 * 14 + 5) + 2 * 2
    assert {(case.cell, case.kind) for case in plain} == set(product(CELLS, KINDS))
    assert [case.shape for case in plain if case.layers > 1] == [STACKED] * 2
    assert not any(case.bidirectional for case in plain)


def test_the_quick_list_is_part_of_the_full_one():
    everything = set(full())
    assert set(quick(2)) < set(quick(1)) < everything
    kinds = {(case.cell, case.kind) for case in quick(1)}
    assert kinds == {(case.cell, case.kind) for case in everything}


def test_every_plain_case_is_run_in_double_precision_too():
    planned = list(jobs.plan(1, short=False))
    single = {job.case for job in planned if job.work == "compare" and job.case.dtype == "float32"}
    double = {replace(job.case, dtype="float32") for job in planned if job.case.dtype == "float64"}
    assert single == set(full())
    assert double == {case for case in single if case.plain and case.kind != "stream"}


def test_lengths_are_between_a_twentieth_and_the_whole():
    lengths = Case("rnn", "infer", 200, 32, 64, 64, ragged=True).lengths
    assert lengths.min() >= 10
    assert lengths.max() == 200
    assert 80 < lengths.mean() < 130


def test_operations_are_counted_as_on_paper():
    case = Case("lstm", "infer", 10, 3, 5, 7)
    assert case.flops == 10 * 3 * 2 * 4 * 7 * (5 + 7)
    assert replace(case, kind="train").flops == 3 * case.flops
    assert replace(case, kind="loop").flops == 3 * case.flops
    assert replace(case, kind="stream", N=1).flops == 2 * 4 * 7 * (5 + 7)
    assert replace(case, layers=2).flops == case.flops + 10 * 3 * 2 * 4 * 7 * (7 + 7)
    ragged = replace(case, ragged=True)
    assert ragged.flops == ragged.lengths.sum() * 2 * 4 * 7 * (5 + 7)
    assert case.intensity == case.flops / (4 * (4 * 7 * 5 + 10 * 4 * 7 * 7))
    assert replace(case, bidirectional=True).flops == 2 * case.flops
    both = replace(case, bidirectional=True, layers=2)
    assert both.flops == 2 * case.flops + 2 * 10 * 3 * 2 * 4 * 7 * (14 + 7)
    windows = Case("tdnn", "infer", 10, 3, 5, 7)
    assert windows.flops == 10 * 3 * 2 * 5 * 5 * 7
    assert windows.intensity == 10 * 3 * 2 / 4
    drawn = Case("lstm", "generate", 10, 1, 5, 7)
    assert drawn.flops == 10 * 2 * (4 * 7 * (5 + 7) + 7 * 80)
    assert drawn.intensity == 2 / 4


# ---- equal first ----


@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.name)
def test_all_that_are_installed_are_equal_to_the_reference(case):
    for contestant in entrants(case).values():
        if not (contestant.missing() or contestant.refuses(case)):
            made = jobs.prepared(contestant, case, 1, truth(case).arrays)
            assert not isinstance(made, str), made
            made.call()


@pytest.mark.parametrize("bidirectional", [False, True])
def test_each_row_of_a_ragged_reference_is_that_row_by_itself(bidirectional):
    case = Case("lstm", "train", 12, 4, 3, 5, ragged=True, layers=2, bidirectional=bidirectional)
    given = data(case)
    together = truth(case).arrays
    for row, length in enumerate(given.lengths):
        alone = given._replace(
            x=given.x[:length, [row]],
            grad=given.grad[:length, [row]],
            state=tuple(part[:, [row]] for part in given.state),
            lengths=None,
        )
        found = Reference(replace(case, T=int(length), N=1, ragged=False), alone, 1).arrays()
        np.testing.assert_allclose(together["x"][:length, [row]], found["x"], rtol=0, atol=1e-12)
        np.testing.assert_allclose(together["h_0"][:, [row]], found["h_0"], rtol=0, atol=1e-12)
        assert not together["x"][length:, row].any()


CASE = Case("lstm", "train", 9, 2, 3, 4)


@pytest.mark.parametrize("name", ["x", "h_0", "c_0", "weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"])
def test_whatever_is_broken_is_reported_wrong_and_not_timed(monkeypatch, name):
    class Broken(CONTESTANTS["fastrnn"]):
        def arrays(self):
            found = dict(super().arrays())
            found[name] = found[name] + np.float32(1e-3) * np.abs(found[name]).max()
            return found

    monkeypatch.setitem(CONTESTANTS, "fastrnn", Broken)
    found = jobs.compare(CASE, 1, 3)
    assert found["reasons"]["fastrnn"].startswith(f"WRONG: {name}: differs from the reference by ")
    assert "fastrnn" not in found["seconds"]


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_what_is_not_a_number_is_wrong(broken):
    expected = truth(CASE).arrays
    assert difference(CASE, expected, expected) is None
    assert "x: differs" in difference(CASE, {"x": np.full_like(expected["x"], broken)}, expected)
    assert "x: expected shape" in difference(CASE, {"x": expected["x"][1:]}, expected)


def test_who_enters_a_case():
    assert set(entrants(CASE)) == {"fastrnn", "pytorch", "onnxruntime", "jax"}
    assert set(entrants(replace(CASE, ragged=True))) == {*entrants(CASE), "pytorch padded"}
    assert set(entrants(replace(CASE, ragged=True, bidirectional=True))) == set(entrants(CASE))
    assert set(entrants(replace(CASE, kind="stream"))) == {*entrants(CASE), "onnxruntime bound"}
    assert set(entrants(replace(CASE, kind="loop", ragged=True))) == {"fastrnn", "pytorch"}
    assert set(entrants(replace(CASE, kind="generate"))) == {"fastrnn", "pytorch"}
    assert set(entrants(Case("tdnn", "infer", 9, 2, 3, 4))) == {"fastrnn", "pytorch"}


def test_of_what_is_drawn_nothing_may_differ():
    case = next(case for case in full() if case.kind == "generate")
    ids = truth(case).arrays["ids"]
    assert len(ids) == 50
    assert len(set(ids.tolist())) > 10  # not one letter again and again, which would hide a state that is lost
    other = ids.copy()
    other[-1] += 1
    assert difference(case, {"ids": ids}, {"ids": ids}) is None
    assert difference(case, {"ids": other}, {"ids": ids}) == "ids: differs from the reference by 1"


def test_a_contestant_that_raises_is_reported(monkeypatch):
    class Failing(CONTESTANTS["fastrnn"]):
        def arrays(self):
            raise RuntimeError("out of\norder")

    monkeypatch.setitem(CONTESTANTS, "fastrnn", Failing)
    assert jobs.compare(CASE, 1, 3)["reasons"]["fastrnn"] == "failed: RuntimeError: out of order"


def test_who_is_not_installed_is_named(monkeypatch):
    for peer in PEERS.values():
        monkeypatch.setattr(peer, "needs", ("no_such_module",))
    found = jobs.compare(replace(CASE, kind="infer"), 1, 3)
    assert set(found["seconds"]) == {"fastrnn", "reference"}
    assert set(found["reasons"].values()) == {"no_such_module not installed"}


# ---- times ----


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("kind", ["infer", "train"])
def test_options_are_timed_beside_the_plain_layer(cell, kind):
    found = jobs.options(Case(cell, kind, 5, 2, 3, 16), 1, 3)
    dropped, jordan = {"recurrent dropout"} if kind == "train" else set(), {"jordan"} if cell == "rnn" else set()
    assert set(found["seconds"]) == {"fastrnn", "bidirectional", "two layers", "zoneout"} | dropped | jordan
    assert all(seconds > 0 for seconds in found["seconds"].values())


def test_what_is_timed_is_what_it_is_called(monkeypatch):
    seen = {}
    monkeypatch.setattr(jobs, "interleaved", lambda calls, _: seen.update(calls) or dict.fromkeys(calls, 1.0))
    jobs.options(Case("rnn", "train", 5, 2, 3, 16), 1, 3)
    layers = {name: call.__self__.layer for name, call in seen.items()}
    assert {name for name, layer in layers.items() if getattr(layer, "random", False)} == {
        "zoneout",
        "recurrent dropout",
    }
    assert layers["zoneout"].zoneout == (0.1,)
    assert layers["recurrent dropout"].recurrent_dropout == 0.2
    assert layers["bidirectional"].bidirectional
    assert layers["two layers"].num_layers == 2
    assert [layers["jordan"].output_size(3), layers["jordan"].hidden_size] == [16, 16]


def test_calls_are_interleaved_in_rotating_order(monkeypatch):
    said = []
    monkeypatch.setattr(timing, "_count", lambda _: 1)
    found = timing.interleaved({name: lambda name=name: said.append(name) for name in "abc"}, 4)
    assert "".join(said) == "abc" + "bca" + "cab" + "abc"
    assert set(found) == set("abc")
    assert all(seconds >= 0 for seconds in found.values())


def result(case=CASE, threads=1, work="compare", reasons=None, **values):
    return Result(work, case, threads, {"fastrnn": 2.0, **values}, reasons or {})


def test_the_ratio_is_that_of_the_best_peer():
    found = result(pytorch=6.0, jax=3.0, reference=0.1)
    assert found.best_peer == "jax"
    assert found.ratio() == 1.5
    assert found.ratio("pytorch") == 3.0
    assert found.ratio("onnxruntime") is None
    assert result().ratio() is None
    assert Result("compare", CASE, 1, {"jax": 1.0}, {}).ratio() is None


def test_geometric_means():
    assert geometric_mean([1.0, 4.0]) == pytest.approx(2.0)
    assert math.isnan(geometric_mean([]))
    assert list(ratios([result(jax=4.0), result(), result(jax=1.0)])) == [2.0, 0.5]


def test_the_peak_is_never_below_a_rate_that_was_seen():
    run = Run(results=[result()])
    assert run.peak(1, "float32") is None
    run.add({"kind": "peak", "threads": 1, "dtype": "float32", "rate": 1.0})
    assert run.peak(1, "float32") == CASE.flops / 2.0
    assert run.share(run.results[0]) == 1.0
    run.add({"kind": "peak", "threads": 1, "dtype": "float32", "rate": CASE.flops})
    run.add({"kind": "peak", "threads": 1, "dtype": "float32", "rate": 1.0})
    assert run.share(run.results[0]) == 0.5


@pytest.mark.parametrize("threads", [1, 2])
def test_the_peak_is_that_of_all_threads_together(monkeypatch, threads):
    counts = []

    def multiply_adds(count, dtype):
        assert dtype == "float32"
        counts.append(count)
        time.sleep(1e-6 * count)
        return 10 * count

    monkeypatch.setattr("fastrnn.bench.peak.multiply_adds", multiply_adds)
    assert 0 < peak("float32", threads) < threads * 1e7
    assert len(set(counts[-threads:])) == 1


def test_a_run_survives_its_file():
    run = Run({"cpu": "one"}, [result(jax=3.0, reasons={"pytorch": "absent"})], {(2, "float32"): 1e9}, complete=True)
    assert Run.from_json(run.to_json()) == run
    for text in ("", "{}", "[]", '{"format": 2}', run.to_json().replace('"H"', '"K"'), "[" * 100_000):
        with pytest.raises(ValueError, match=r"fastrnn bench --json|expected format 1"):
            Run.from_json(text)
