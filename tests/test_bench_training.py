"""Training in the benchmark: everybody's losses and parameters are those of NumPy, and what is timed is an epoch."""

import time
from dataclasses import replace

import numpy as np
import pytest

import fastrnn
from fastrnn.bench import jobs, report
from fastrnn.bench.contestants import CONTESTANTS, entrants
from fastrnn.bench.contestants.adam import FastAdam
from fastrnn.bench.contestants.fits import FastEstimator
from fastrnn.bench.equality import difference, truth
from fastrnn.bench.jobs import plan
from fastrnn.bench.pictures import SIGNS
from fastrnn.bench.results import Result, Run
from fastrnn.bench.timing import Clock, split
from fastrnn.bench.training import COMPARED, EPOCHS, FITS, QUICK_EPOCHS, SERIES, STEPS, SYMBOLS, Epoch, Fitting, Step
from fastrnn.bench.training_data import given, text

TEXTS = [Epoch(model, 300, T=4, N=3, H=8) for model in ("one-hot", "embedding")]  # 25 windows, the last one shorter
SEQUENCES = Epoch("series", 45, T=5, N=2, H=8)  # 23 batches, the last one of a single sequence
EXERCISES = [Fitting(model, 13, T=6, N=4, H=5, epochs=2) for model in ("classifier", "tagger")]
SMALL = [*TEXTS, SEQUENCES, *EXERCISES, Step("40 tensors", 3), Step("characters", 4)]


def ready(case):
    """Return the contestants of a case that are installed."""
    return {name: made for name, made in entrants(case).items() if not made.missing()}


# ---- cases ----


def test_what_is_trained():
    planned = {threads: [(job.work, job.case) for job in plan(threads, short=False)] for threads in (1, 2)}
    for epoch in EPOCHS:
        for work in ("epoch", "overhead"):
            assert all((work, epoch) in own for own in planned.values())
    assert all(("optimizer", step) in own for own in planned.values() for step in STEPS)
    assert all(("fit", fitting) in own for own in planned.values() for fitting in FITS)
    names = [case.name for case in (*EPOCHS, *QUICK_EPOCHS[:2], *STEPS, *FITS)]
    assert len(set(names)) == len(names)


def test_a_short_run_trains_with_one_thread_on_a_short_text():
    short = [job.case for job in plan(1, short=True) if job.work == "epoch"]
    assert short == list(QUICK_EPOCHS)
    assert [replace(case, size=full.size) for case, full in zip(short, EPOCHS, strict=True)] == list(EPOCHS)
    assert not [job for job in plan(2, short=True) if job.work in ("epoch", "overhead", "optimizer", "fit")]


def test_the_parameters_of_a_step():
    tensors, model = (step.shapes for step in STEPS)
    assert list(tensors.values()) == [(32, 32)] * 40
    assert 550_000 < sum(np.prod(shape) for shape in model.values()) < 650_000


def test_the_text():
    ids = text(200_000)
    assert ids.shape == (200_000,)
    assert ids.min() == 0
    assert ids.max() < SYMBOLS
    assert len(np.unique(ids)) > 80
    assert "".join(chr(i + 31) if i else "\n" for i in ids).count(" the ") > 1000
    np.testing.assert_array_equal(text(1_000_000)[:200_000], ids)


def test_the_targets_of_a_series():
    lesson = given(SEQUENCES)
    assert lesson.x.shape == (45, 5, 4)
    level = sum(0.9 ** (4 - t) * lesson.x[:, t].sum(-1) for t in range(5))
    np.testing.assert_allclose(lesson.y[:, 4, 0], level, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("case", [*EXERCISES, FITS[1]], ids=lambda case: case.name)
def test_scales_of_an_exercise_change_nothing(case):
    x, y = given(case)
    rows = np.concatenate(x)
    assert rows.dtype == np.float64
    assert np.all(rows.mean(axis=0) == 0)
    assert np.all(rows.var(axis=0) == 1)
    lengths = [len(one) for one in x]
    assert len(x) == len(y) == case.size
    assert (max(lengths) <= case.T and min(lengths) > 1) if case.ragged else lengths == [case.T] * case.size
    last = [one[-1] for one in y] if case.ragged else y
    assert last[3] == ("up" if x[3][:, 0].sum() > 0 else "down")
    assert set(last) == {"up", "down"}


# ---- equal first ----


@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.name)
def test_all_that_are_installed_are_equal_to_numpy(case):
    expected = truth(case).arrays
    for contestant in ready(case).values():
        made = jobs.prepared(contestant, case, 1, expected)
        assert not isinstance(made, str), made


@pytest.mark.parametrize("case", [*TEXTS, SEQUENCES], ids=lambda case: case.name)
def test_a_call_is_an_epoch_and_the_next_one_goes_on(case):
    runs = {name: contestant(case, given(case), 1) for name, contestant in ready(case).items()}
    for _ in range(2):
        curves = {name: run.call() for name, run in runs.items()}
        for losses in curves.values():
            assert len(losses) == (23 if case.series else 25)
            np.testing.assert_allclose(losses, curves["fastrnn"], rtol=1e-5)


CHANGES = {
    "window": (TEXTS[0], {"tbptt": (4, 5)}),
    "loss": (TEXTS[1], {"loss": fastrnn.losses.CrossEntropy(label_smoothing=1e-3)}),
    "order": (SEQUENCES, {"seed": 2}),
    "clipping": (SEQUENCES, {"clip_norm": None}),
    "optimizer": (SEQUENCES, {"optimizer": fastrnn.Adam(betas=(0.9, 0.99))}),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_training_that_differs_in_one_thing_is_reported_wrong_and_not_timed(monkeypatch, what):
    case, change = CHANGES[what]
    trainer = fastrnn.Trainer
    monkeypatch.setattr(fastrnn, "Trainer", lambda *args, **options: trainer(*args, **options | change))
    found = jobs.compare(case, 1, 3)
    assert found["reasons"]["fastrnn"].startswith("WRONG: losses: differs from the reference by ")
    assert "fastrnn" not in found["seconds"]


def test_an_optimizer_that_differs_is_wrong():
    class Other(FastAdam):
        def __init__(self, case, given, threads):
            super().__init__(case, given, threads)
            self.optimizer = fastrnn.Adam(betas=(0.9, 0.998))

    made = jobs.prepared(Other, SMALL[-1], 1, truth(SMALL[-1]).arrays)
    assert made.startswith("WRONG: ")


@pytest.mark.parametrize("case", EXERCISES, ids=lambda case: case.name)
def test_an_estimator_that_differs_in_one_bit_is_wrong(monkeypatch, case):
    class Other(FastEstimator):
        def arrays(self):
            found = super().arrays()
            found["0.weight_hh_l0"][0, 0] = np.nextafter(found["0.weight_hh_l0"][0, 0], np.float32(1))
            return found

    assert jobs.prepared(Other, case, 1, truth(case).arrays).startswith("WRONG: 0.weight_hh_l0: differs")
    monkeypatch.setattr("fastrnn.bench.contestants.fits.SEED", 2)
    expected = truth(case).arrays
    monkeypatch.undo()
    assert jobs.prepared(FastEstimator, case, 1, expected).startswith("WRONG: ")


def test_without_scikit_learn_no_estimator_is_timed(monkeypatch):
    monkeypatch.setattr(FastEstimator, "needs", ("there_is_no_such_module",))
    found = jobs.compare(EXERCISES[0], 1, 3)
    assert found["reasons"] == {"fastrnn": "there_is_no_such_module not installed"}
    assert set(found["seconds"]) == {"trainer"}


def test_losses_that_are_not_numbers_are_wrong():
    losses = truth(TEXTS[0]).arrays["losses"]
    assert losses.shape == (COMPARED,)
    assert difference(TEXTS[0], {"losses": losses}, {"losses": losses}) is None
    assert "losses: differs" in difference(TEXTS[0], {"losses": np.full(COMPARED, np.nan)}, {"losses": losses})
    assert "losses: differs" in difference(TEXTS[0], {"losses": losses * (1 + 2e-5)}, {"losses": losses})


# ---- times ----


@pytest.mark.parametrize("case", [TEXTS[0], EXERCISES[0], SMALL[-1]], ids=lambda case: case.name)
def test_those_that_are_right_are_timed(case):
    found = jobs.compare(case, 1, 3)
    assert set(found["seconds"]) == set(ready(case))
    assert set(found["seconds"]) | set(found["reasons"]) == set(entrants(case))
    assert all(seconds > 0 for seconds in found["seconds"].values())


class Worker:
    """Spends time, of a clock of its own, within what is watched, and besides; with every call more."""

    calls = 0
    seconds = 0.0

    def inner(self):
        self.seconds += 0.25
        return "found"

    def call(self):
        self.calls += 1
        assert self.inner() == "found"
        self.seconds += 0.25 * self.calls


def test_the_clock_counts_what_is_within_and_the_median_share_counts(monkeypatch):
    worker, clock = Worker(), Clock()
    monkeypatch.setattr(time, "perf_counter", lambda: worker.seconds)
    monkeypatch.setattr(time, "perf_counter_ns", lambda: round(worker.seconds * 1e9))
    clock.watch(worker, "inner")
    whole, within = split(worker.call, clock, 3)
    assert worker.calls == 3
    assert (whole, within) == (0.75, 0.25)


def test_the_clock_stops_when_something_is_raised():
    class Failing:
        def inner(self):
            raise RuntimeError

    failing, clock = Failing(), Clock()
    clock.watch(failing, "inner")
    with pytest.raises(RuntimeError):
        failing.inner()
    assert clock.seconds > 0


def test_the_rounds_end_when_they_have_taken_long_enough(monkeypatch):
    worker, clock = Worker(), Clock()
    monkeypatch.setattr(time, "perf_counter_ns", lambda: round(worker.seconds * 1e9))
    monkeypatch.setattr("fastrnn.bench.timing.ENOUGH", 1.0)
    split(worker.call, clock, 3)
    assert worker.calls == 2  # of 0.5 and 0.75 seconds


@pytest.mark.parametrize("case", [*TEXTS, SEQUENCES], ids=lambda case: case.name)
def test_kernels_are_a_part_of_an_epoch(case):
    seconds = jobs.overhead(case, 1, 3)["seconds"]
    assert 0 < seconds["kernels"] < seconds["fastrnn"]


# ---- reports ----


def a_run():
    values = {"fastrnn": 2.0, "pytorch DataLoader": 9.0, "pytorch slices": 8.0}
    steps = {"fastrnn": 2e-5, "pytorch": 8e-5, "pytorch foreach=False": 7e-5, "pytorch fused": 3e-5}
    results = [
        Result("epoch", SERIES, 1, values, {}),
        Result("overhead", SERIES, 1, {"fastrnn": 2.0, "kernels": 1.8}, {}),
        Result("epoch", EPOCHS[0], 1, {"fastrnn": 3.0}, {"pytorch slices": "torch not installed"}),
        Result("optimizer", STEPS[0], 1, steps, {}),
        Result("fit", FITS[0], 1, {"fastrnn": 0.51, "trainer": 0.5}, {}),
        Result("fit", FITS[1], 1, {"trainer": 0.5}, {"fastrnn": "sklearn not installed"}),
    ]
    return Run(results=results, complete=True)


def test_a_run_of_training_survives_its_file():
    run = a_run()
    assert Run.from_json(run.to_json()) == run
    assert [result.best_peer for result in run.results] == [
        "pytorch slices",
        None,
        None,
        "pytorch fused",
        "trainer",
        "trainer",
    ]
    assert [result.outside for result in run.results] == [None, pytest.approx(0.1), None, None, None, None]


def test_epochs_and_steps_have_tables_of_their_own():
    lines = report.markdown(a_run()).splitlines()
    at = lines.index(
        "| epoch of training | fastrnn, s | pytorch DataLoader, s | pytorch slices, s | best peer | ratio "
        "| outside kernels |"
    )
    assert lines[at + 2] == f"| {SERIES.name} | 2 | 9 | 8 | pytorch slices | 4.00 | 10% |"
    assert lines[at + 3] == f"| {EPOCHS[0].name} | 3 | – | – | – | – | – |"
    assert f"| {STEPS[0].name} | 0.02 | 0.08 | 0.07 | 0.03 | pytorch fused | 1.50 | 4.00 |" in lines
    assert f"| {FITS[0].name} | 0.51 | 0.5 | trainer | 0.98 | +2.0% |" in lines
    assert f"| {FITS[1].name} | – | 0.5 | trainer | – | – |" in lines
    text = report.text(a_run())
    assert f"pytorch slices: torch not installed ({EPOCHS[0].name}, 1 threads)" in text
    assert f"overhead, {SERIES.name}, 1 threads: fastrnn 2 s, kernels 1.8 s" in text


def test_every_peer_has_a_sign_in_the_picture():
    peers = {name for case in (*EPOCHS, *STEPS) for name in entrants(case)} | set(CONTESTANTS)
    assert peers - {"fastrnn"} == set(SIGNS)
    assert len(set(SIGNS.values())) == len(SIGNS)


def test_the_picture_of_training(tmp_path):
    pytest.importorskip("matplotlib")
    from fastrnn.bench.pictures import draw

    draw(a_run(), tmp_path / "run.svg")
    drawn = (tmp_path / "run.svg").read_text()
    for words in ("series, 1000 sequences", "40 tensors, 32 wide", "step of an optimiser", "pytorch slices"):
        assert f"<!-- {words} -->" in drawn
