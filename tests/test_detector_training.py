"""train: detectors for small words learn, repeatably, on the lesson's targets, until they make no mistake."""

import io
import math
from types import SimpleNamespace

import numpy as np
import pytest

import fastrnn
from detector_oracle import matches, oracle
from fastrnn.detector import Letters, scan, score, train, training

SMALL = {"a": "lstm", "happy": "lstm", "aa": "rnn"}  # seconds each


@pytest.fixture(scope="module", params=SMALL)
def trained(request):
    """Return a trained detector and its history."""
    return train(Letters(request.param), cell=SMALL[request.param], seed=1, verbose=0)


def test_small_words_are_learnt(trained):
    detector, history = trained
    result = score(detector, seed=2)
    assert result.reaches(0.99), result
    assert result.letters > 1_000_000
    assert result.words >= 10_000
    cell = SMALL[detector.letters.word].upper()
    assert [type(layer).__name__ for layer in detector.model] == [cell, "Linear"]
    assert detector.model.sizes[0] == detector.letters.size
    assert 2 <= len(history.loss) <= training.epochs_for(detector.letters)
    assert history.loss[-1] < history.loss[0]


def test_a_trained_detector_reads_text(trained):
    detector, _ = trained
    word = detector.letters.word
    text = f"{word} un{word.upper()}ly\n{word}{word}\n{word[:-1]} {word}"
    assert [(hit.line, hit.column, hit.context) for hit in scan(detector, [text])] == matches(word, text)


@pytest.fixture
def short(monkeypatch):
    """Train for two short epochs."""
    monkeypatch.setattr(training, "BATCHES", 30)
    monkeypatch.setattr(training, "epochs_for", lambda letters: 2)  # noqa: ARG005


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("cell", training.LEARNING_RATE)
def test_training_repeats_bit_for_bit_by_its_seed(cell):
    def weights(seed):
        detector, history = train(Letters("happy"), cell=cell, seed=seed, verbose=0)
        return history.loss, {name: array.tobytes() for name, array in detector.model.state_dict().items()}

    one, same, other = weights(3), weights(np.random.default_rng(3)), weights(4)
    assert one == same
    assert one[1] != other[1]


@pytest.mark.usefixtures("short")
def test_the_progress_bar_goes_where_it_is_sent(capsys):
    file = io.StringIO()
    train(Letters("a"), seed=0, file=file)
    assert "epoch 2/2" in file.getvalue()
    assert "loss=" in file.getvalue()
    assert capsys.readouterr() == ("", "")


def test_batches_mark_the_steps_where_the_last_letter_arrives():
    letters = Letters("aba")
    batches = training.Batches(letters, np.random.default_rng(0))
    count = 0
    for x, y in batches:
        assert x.dtype == y.dtype == np.float32
        assert y.shape == (*x.shape[:2], 1)
        assert set(x.sum(axis=-1).ravel()) == {0.0, 1.0}  # one-hot, or nothing
        codes = np.where(x.any(axis=-1), x.argmax(axis=-1), letters.size)
        assert np.array_equal(y[..., 0], letters.ends(codes))
        assert 0.01 < y.mean() < 0.3
        count += 1
    assert count == len(batches)


def epochs(schedule, trainer, count):
    """Return what the schedule says after each of so many epochs, and the learning rates it sets."""
    history, said = fastrnn.History(), []
    for _ in range(count):
        history.loss.append(0.1)
        said.append((schedule(trainer, history), trainer.optimizer.learning_rate))
    return said


@pytest.mark.parametrize(
    ("high", "low", "good"),
    [
        (10, -10, True),
        (math.log(9) + 2.01, math.log(9) - 2.01, True),  # logit(0.9) = log 9, and a margin of 2
        (math.log(9) + 1.99, -10, False),
        (10, math.log(9) - 1.99, False),
        (-10, -10, False),
        (10, 10, False),
    ],
)
def test_training_ends_after_two_epochs_without_a_mistake(high, low, good):
    detector = oracle("happy", high=high, low=low)
    trainer = SimpleNamespace(model=detector.model, optimizer=fastrnn.Adam(0.02))
    schedule = training._Schedule(detector.letters, np.random.default_rng(0), 0.02)
    assert [ends for ends, _ in epochs(schedule, trainer, 3)] == [False, good, good]
    trainer.model = oracle("happy", low=10).model  # a relapse: the two must follow each other
    assert [ends for ends, _ in epochs(schedule, trainer, 1)] == [False]
    trainer.model = detector.model
    assert [ends for ends, _ in epochs(schedule, trainer, 2)] == [False, good]


def test_the_learning_rate_falls_along_a_cosine():
    letters = Letters("happy")
    bad = oracle("happy", high=-10)
    trainer = SimpleNamespace(model=bad.model, optimizer=fastrnn.Adam(0.02))
    schedule = training._Schedule(letters, np.random.default_rng(0), 0.02)
    count = training.epochs_for(letters)
    rates = [rate for _, rate in epochs(schedule, trainer, count)]
    done = np.arange(1, count + 1) / count
    expected = training.FINAL_RATE + (0.02 - training.FINAL_RATE) * (1 + np.cos(np.pi * done)) / 2
    assert rates == pytest.approx(expected, rel=1e-12)


def test_an_unknown_cell_is_refused():
    with pytest.raises(ValueError, match=r"^cell: expected one of 'lstm', 'rnn', got 'gru'$"):
        train(Letters("a"), cell="gru")


def test_letters_are_needed_to_train():
    with pytest.raises(TypeError, match=r"^letters: expected "):
        train("happy", verbose=0)
