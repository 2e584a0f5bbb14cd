"""Targets: what is met, missed and, for want of a peer or of a measurement, unmet."""

from dataclasses import replace

import pytest

from fastrnn.bench import report
from fastrnn.bench.cases import CELLS, Case
from fastrnn.bench.contestants import PEERS, entrants
from fastrnn.bench.jobs import plan
from fastrnn.bench.judging import judge, verdict
from fastrnn.bench.results import Result, Run
from fastrnn.bench.targets import TARGETS
from fastrnn.bench.training import CHARACTERS, FITS, QUICK_EPOCHS, SERIES

NAMED = {target.text: target for target in TARGETS}


OPTIONS = ("bidirectional", "two layers", "recurrent dropout", "zoneout", "jordan")
RATE = 1e12  # of one thread


def outcome(job, threads, slower):
    """Return a result at the peak, in which every peer takes so many times as long as fastrnn."""
    if not isinstance(job.case, Case):
        values = dict.fromkeys(entrants(job.case), slower) | {"fastrnn": 1.0, "kernels": 0.97}
        return Result(job.work, job.case, threads, values, {})
    ours = 0.4e-6 if job.case.kind == "stream" else job.case.flops / (RATE * threads**2)
    slower *= 1 if job.case.plain else 1.5
    values = dict.fromkeys((*PEERS, "normal", "dense"), slower * ours) | dict.fromkeys(OPTIONS, ours)
    return Result(job.work, job.case, threads, {"fastrnn": ours, **values}, {})


def complete(slower=20.0):
    """Return a run of everything."""
    results = [outcome(job, threads, slower) for threads in (1, 2) for job in plan(threads, short=False)]
    peaks = {(threads, "float32"): RATE * threads**2 for threads in (1, 2)}
    return Run(results=results, peaks=peaks, complete=True)


def states(run):
    return {(v.target.text, v.threads): v.state for v in judge(run)}


def test_the_table_holds_what_is_asked():
    bounds = {target.text: target.bound for target in TARGETS}
    assert len(bounds) == len(TARGETS)
    assert bounds["geometric mean of all plain cases"] == 2
    assert bounds["any single plain case"] == 1
    assert bounds["rnn, N=1, H<=32, infer"] == 4
    assert bounds["lstm and gru, N=1, H<=32, train"] == 5
    assert bounds["lstm, N>=16, H>=500, train"] == 1.12
    assert bounds["ragged over dense, per real step"] == 1.3
    assert [bounds[text] for text in bounds if text.startswith("stream step")] == [12, 8, 4]
    assert [bounds[f"{name} over without"] for name in OPTIONS[:-1]] == [2.1, 2.1, 1.15, 1.15]
    assert bounds["jordan over elman"] == 1.5
    assert bounds["ragged bidirectional, against PyTorch packed"] == 4
    assert bounds["tdnn, against PyTorch's conv1d"] == 1.2
    assert bounds["generating characters, against PyTorch"] == 10
    assert bounds["epoch of characters, against PyTorch's loops"] == 1.5
    assert bounds["epoch of series, against PyTorch's loops"] == 4
    assert bounds["epoch of characters, share outside kernels"] == 0.05
    assert bounds["epoch of series, share outside kernels"] == 0.2
    assert bounds["adam step, 40 tensors, against PyTorch's default"] == 2
    assert bounds["adam step, against PyTorch's fused=True"] == 1
    assert bounds["estimator over trainer"] == 1.1


def test_every_target_is_for_some_case_that_is_run():
    for target in TARGETS:
        for threads in target.threads:
            jobs = [job for job in plan(threads, short=False) if job.work == target.work]
            assert any(target.cases(job.case) and job.case.dtype == target.dtype for job in jobs), target.text


def test_which_cases_a_target_is_for():
    def names(text):
        own = [job for job in plan(1, short=False) if job.work == NAMED[text].work and NAMED[text].cases(job.case)]
        return {job.case.name for job in own if job.case.dtype == "float32"}

    assert names("lstm and gru, N=1, H=128, infer") >= {"lstm infer (100,1,32,128)", "gru infer (100,1,32,128)"}
    assert "lstm train (100,32,128,256) 2 layers" in names("lstm, N>=16, H<=256, train")
    assert "lstm train (150,4,256,256)" not in names("lstm, N>=16, H<=256, train")
    assert "rnn infer (50,16,1760,1760)" in names("rnn and gru, N>=16, H>=500, infer")
    assert not any("ragged" in name for name in names("lstm, N>=16, H<=256, infer"))
    assert any("ragged" in name for name in names("geometric mean, lstm, infer"))
    assert not any("stream" in name for name in names("geometric mean, lstm, infer"))
    for text in ("geometric mean of all plain cases", "any single plain case"):
        assert len(names(text)) == 103
        assert not any(word in name for name in names(text) for word in ("bidirectional", "tdnn", "generate"))
    assert (
        len(names("ragged, against PyTorch packed")) == len(names("ragged bidirectional, against PyTorch packed")) == 12
    )
    for name, words in (("bidirectional", " bidirectional"), ("two layers", " 2 layers")):
        shapes = [f"({shape}){words}" for shape in ("100,32,128,128", "1000,1,16,32")]
        expected = {f"{cell} {kind} {shape}" for cell in CELLS for kind in ("infer", "train") for shape in shapes}
        assert names(f"{name}, against PyTorch, over the plain case") == expected
        assert len(names(f"{name} over without")) == 12
    assert len(names("recurrent dropout over without")) == 6
    assert len(names("jordan over elman")) == 4
    assert len(names("fastrnn.torch in PyTorch's loop, over the kernels' ratio")) == 17
    for what in ("against PyTorch's loops", "share outside kernels"):
        assert names(f"epoch of characters, {what}") == {epoch.name for epoch in CHARACTERS}
        assert names(f"epoch of series, {what}") == {SERIES.name}
    assert names("adam step, 40 tensors, against PyTorch's default") == {"adam step 40 tensors, 32 wide"}
    assert len(names("adam step, against PyTorch's fused=True")) == 2


def test_a_run_that_is_fast_everywhere_meets_everything():
    assert {key: state for key, state in states(complete()).items() if state != "met"} == {}


def test_a_run_that_is_slow_everywhere_misses_all_that_is_relative_to_peers():
    missed = {text for (text, _), state in states(complete(0.5)).items() if state == "missed"}
    assert {target.text for target in TARGETS if target.peers is None} <= missed
    assert {"training memory over PyTorch's", "ragged over dense, per real step"} <= missed


@pytest.mark.parametrize(
    ("peer", "unmet"),
    [
        ("pytorch", ["geometric mean of all plain cases", "float64, against PyTorch"]),
        ("pytorch", ["training memory over PyTorch's"]),
        ("pytorch", ["two layers, against PyTorch, over the plain case", "generating characters, against PyTorch"]),
        ("onnxruntime", ["any single plain case", "stream step, H=64…64, against ONNX Runtime"]),
        ("jax", ["N=1, H=512, train"]),
        (
            "pytorch slices",
            ["epoch of characters, against PyTorch's loops", "epoch of series, against PyTorch's loops"],
        ),
        ("pytorch fused", ["adam step, against PyTorch's fused=True"]),
    ],
)
def test_without_a_peer_its_targets_are_unmet_not_passed(peer, unmet):
    run = complete()
    for result in run.results:
        if result.values.pop(peer, None):
            result.reasons[peer] = "not installed"
    after = states(run)
    for text in unmet:
        assert (after[text, 1], after[text, 2]) == ("unmet", "unmet")
    assert after["µs of a stream step, H=32", 1] == "met"
    detail = verdict(run, NAMED[unmet[0]], 1).detail
    assert f"{peer}: not installed" in detail


def test_what_a_peer_can_not_do_is_no_reason():
    run = complete()
    for result in run.results:
        if result.case.kind == "train":
            del result.values["onnxruntime"]
            result.reasons["onnxruntime"] = "no gradients"
    assert set(states(run).values()) == {"met"}


@pytest.mark.parametrize("reason", ["WRONG: x: differs", "this fastrnn has no GRU"])
def test_what_fastrnn_can_not_do_leaves_its_targets_unmet(reason):
    run = complete()
    for result in run.results:
        if result.case.cell == "gru":
            del result.values["fastrnn"]
            result.reasons["fastrnn"] = reason
    after = states(run)
    assert after["any single plain case", 1] == after["geometric mean, gru, train", 2] == "unmet"
    assert after["lstm, N>=16, H<=256, infer", 1] == "met"


def test_one_slow_case_is_the_worst():
    run = complete()
    slow = next(r for r in run.results if r.case == Case("lstm", "infer", 25, 1, 512, 512) and r.threads == 2)
    slow.values["jax"] = 1.2 * slow.values["fastrnn"]
    found = verdict(run, NAMED["N=1, H=512, infer"], 2)
    assert found.state == "missed"
    assert found.value == pytest.approx(1.2)
    assert found.detail == "by 8%; lstm infer (25,1,512,512)"
    assert verdict(run, NAMED["N=1, H=512, infer"], 1).state == "met"
    assert verdict(run, NAMED["geometric mean of all plain cases"], 2).state == "met"


def test_some_of_the_cases_meet_a_target_in_part():
    run = complete()
    run.results = [result for result in run.results if result.case.cell == "lstm"]
    found = verdict(run, NAMED["N=1, H=512, train"], 1)
    assert found.state == "partly"
    assert found.detail.startswith("1 of 3 cases")
    assert verdict(run, NAMED["rnn, N=1, H=128, train"], 1)[2:] == ("unmet", None, "not measured")


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"bidirectional": True}, "bidirectional, against PyTorch, over the plain case"),
        ({"layers": 2}, "two layers, against PyTorch, over the plain case"),
        ({"kind": "loop"}, "fastrnn.torch in PyTorch's loop, over the kernels' ratio"),
    ],
)
def test_what_comes_to_a_layer_is_as_far_ahead_as_the_plain_layer(more, text):
    run = complete()
    plain = Case("gru", "train", 100, 32, 128, 128)
    for result in run.results:
        if result.case in (plain, replace(plain, **more)) and result.threads == 2:
            factor = 2.0 if result.case == plain else 1.8 * NAMED[text].bound
            result.values["pytorch"] = factor * result.values["fastrnn"]
    found = verdict(run, NAMED[text], 2)
    assert (found.state, found.value) == ("missed", pytest.approx(0.9 * NAMED[text].bound))
    assert verdict(run, NAMED[text], 1).state == "met"
    run.results = [result for result in run.results if result.case != plain]
    detail = f"nothing known of {replace(plain, **more).name}"
    assert verdict(run, NAMED[text], 1)[2:] == ("unmet", pytest.approx(1.5), detail)


def test_an_option_that_costs_too_much():
    run = complete()
    slow = next(r for r in run.results if r.work == "options" and r.case.cell == "gru" and r.case.kind == "train")
    slow.values["zoneout"] = 1.2 * slow.values["fastrnn"]
    found = verdict(run, NAMED["zoneout over without"], 1)
    assert (found.state, found.value) == ("missed", pytest.approx(1.2))
    assert found.detail.endswith(slow.case.name)
    assert verdict(run, NAMED["recurrent dropout over without"], 1).state == "met"


def test_a_report_keeps_plain_cases_and_others_apart():
    lines = report.text(complete()).splitlines()
    assert "best peer / fastrnn, geometric mean of 103 plain cases: 20.00" in lines
    assert "gru: infer 20.00, train 20.00, stream 20.00" in lines
    others = (
        "bidirectional",
        "2 layers",
        "bidirectional ragged",
        "tdnn infer",
        "tdnn train",
        "lstm generate",
        "gru loop",
    )
    for name in others:
        assert f"{name}: 30.00" in lines
    assert any(line.startswith("options, rnn train (100,32,128,128), 2 threads: fastrnn ") for line in lines)


def test_no_peak_no_share():
    run = replace(complete(), peaks={})
    assert verdict(run, NAMED["share of the FMA peak, lstm, infer, N=64, H≈512"], 1).state == "unmet"


def test_the_speed_up_needs_one_thread_too():
    run = complete()
    run.results = [result for result in run.results if result.threads == 2]
    assert verdict(run, NAMED["2 threads over 1, N>=16, H>=128"], 2).state == "unmet"


def test_the_slower_of_two_epochs_against_the_faster_of_two_loops_counts():
    run = complete()
    slow = next(r for r in run.results if r.work == "epoch" and r.case == CHARACTERS[1] and r.threads == 1)
    slow.values["pytorch slices"] = 1.2
    found = verdict(run, NAMED["epoch of characters, against PyTorch's loops"], 1)
    assert (found.state, found.value) == ("missed", pytest.approx(1.2))
    assert found.detail.endswith(slow.case.name)


def test_a_trainer_that_takes_too_long_for_itself():
    run = complete()
    slow = next(r for r in run.results if r.work == "overhead" and r.case == SERIES and r.threads == 2)
    slow.values["kernels"] = 0.7
    found = verdict(run, NAMED["epoch of series, share outside kernels"], 2)
    assert (found.state, found.value) == ("missed", pytest.approx(0.3))
    assert verdict(run, NAMED["epoch of series, share outside kernels"], 1).value == pytest.approx(0.03)


def test_an_estimator_that_takes_too_long_for_itself():
    run = complete()
    slow = next(r for r in run.results if r.case == FITS[1] and r.threads == 1)
    slow.values["trainer"] = 0.8
    found = verdict(run, NAMED["estimator over trainer"], 1)
    assert (found.state, found.value) == ("missed", pytest.approx(1.25))
    slow.values["trainer"] = 0.95
    assert verdict(run, NAMED["estimator over trainer"], 1).state == "met"


def test_an_epoch_of_a_short_text_meets_nothing():
    run = complete()
    run.results = [
        replace(r, case=QUICK_EPOCHS[0]) for r in run.results if r.work == "epoch" and r.case == CHARACTERS[0]
    ]
    found = verdict(run, NAMED["epoch of characters, against PyTorch's loops"], 1)
    assert found[2:] == ("unmet", None, "not measured")
