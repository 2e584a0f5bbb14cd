"""Targets: what is met, missed and, for want of a peer or of a measurement, unmet."""

from dataclasses import replace

import pytest

from fastrnn.bench.cases import Case
from fastrnn.bench.contestants import PEERS
from fastrnn.bench.jobs import plan
from fastrnn.bench.judging import judge, verdict
from fastrnn.bench.results import Result, Run
from fastrnn.bench.targets import TARGETS

NAMED = {target.text: target for target in TARGETS}


RATE = 1e12  # of one thread


def outcome(job, threads, slower):
    """Return a result at the peak, in which every peer takes so many times as long as fastrnn."""
    ours = 0.4e-6 if job.case.kind == "stream" else job.case.flops / (RATE * threads**2)
    values = dict.fromkeys((*PEERS, "normal", "dense"), slower * ours)
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
    assert bounds["geometric mean of all cases"] == 2
    assert bounds["any single case"] == 1
    assert bounds["rnn, N=1, H<=32, infer"] == 4
    assert bounds["lstm and gru, N=1, H<=32, train"] == 5
    assert bounds["lstm, N>=16, H>=500, train"] == 1.12
    assert bounds["ragged over dense, per real step"] == 1.3
    assert [bounds[text] for text in bounds if text.startswith("stream step")] == [12, 8, 4]


def test_every_target_is_for_some_case_that_is_run():
    for target in TARGETS:
        for threads in target.threads:
            jobs = [job for job in plan(threads, short=False) if job.work == target.work]
            assert any(target.cases(job.case) and job.case.dtype == target.dtype for job in jobs), target.text


def test_which_cases_a_target_is_for():
    def names(text):
        return {job.case.name for job in plan(1, short=False) if job.work == "compare" and NAMED[text].cases(job.case)}

    assert names("lstm and gru, N=1, H=128, infer") >= {"lstm infer (100,1,32,128)", "gru infer (100,1,32,128)"}
    assert "lstm train (100,32,128,256) 2 layers" in names("lstm, N>=16, H<=256, train")
    assert "lstm train (150,4,256,256)" not in names("lstm, N>=16, H<=256, train")
    assert "rnn infer (50,16,1760,1760)" in names("rnn and gru, N>=16, H>=500, infer")
    assert not any("ragged" in name for name in names("lstm, N>=16, H<=256, infer"))
    assert any("ragged" in name for name in names("geometric mean, lstm, infer"))
    assert not any("stream" in name for name in names("geometric mean, lstm, infer"))


def test_a_run_that_is_fast_everywhere_meets_everything():
    assert {key: state for key, state in states(complete()).items() if state != "met"} == {}


def test_a_run_that_is_slow_everywhere_misses_all_that_is_relative_to_peers():
    missed = {text for (text, _), state in states(complete(0.5)).items() if state == "missed"}
    assert {target.text for target in TARGETS if target.peers is None} <= missed
    assert {"training memory over PyTorch's", "ragged over dense, per real step"} <= missed


@pytest.mark.parametrize(
    ("peer", "unmet"),
    [
        ("pytorch", ["geometric mean of all cases", "float64, against PyTorch", "training memory over PyTorch's"]),
        ("onnxruntime", ["any single case", "stream step, H=64…64, against ONNX Runtime"]),
        ("jax", ["N=1, H=512, train"]),
    ],
)
def test_without_a_peer_its_targets_are_unmet_not_passed(peer, unmet):
    run = complete()
    for result in run.results:
        del result.values[peer]
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
    assert after["any single case", 1] == after["geometric mean, gru, train", 2] == "unmet"
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
    assert verdict(run, NAMED["geometric mean of all cases"], 2).state == "met"


def test_some_of_the_cases_meet_a_target_in_part():
    run = complete()
    run.results = [result for result in run.results if result.case.cell == "lstm"]
    found = verdict(run, NAMED["N=1, H=512, train"], 1)
    assert found.state == "partly"
    assert found.detail.startswith("1 of 3 cases")
    assert verdict(run, NAMED["rnn, N=1, H=128, train"], 1)[2:] == ("unmet", None, "not measured")


def test_no_peak_no_share():
    run = replace(complete(), peaks={})
    assert verdict(run, NAMED["share of the FMA peak, lstm, infer, N=64, H≈512"], 1).state == "unmet"


def test_the_speed_up_needs_one_thread_too():
    run = complete()
    run.results = [result for result in run.results if result.threads == 2]
    assert verdict(run, NAMED["2 threads over 1, N>=16, H>=128"], 2).state == "unmet"
