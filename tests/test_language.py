"""Models of characters: what they learn, measure, write and keep in files, and how a training goes on."""

import json

import numpy as np
import pytest

import fastrnn
from fastrnn import Checkpoint, CheckpointError, ModelFileError
from fastrnn.data import Vocabulary
from fastrnn.language import CharacterModel, load, train
from fastrnn.language.model import expect_known
from fastrnn.language.training import expect_text

WEEK = "Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday.\n"
TEXT = WEEK * 60
SMALL = {"hidden_size": 8, "epochs": 2, "seed": 0, "verbose": 0}


def linked(*layers, link="softmax"):
    model = fastrnn.Sequential(*layers)
    model.link = link
    return model


def untrained(link="softmax"):
    layers = fastrnn.Embedding(3, 4, seed=0), fastrnn.LSTM(4, 6, seed=0), fastrnn.Linear(6, 3, seed=0)
    return CharacterModel(linked(*layers, link=link), Vocabulary("abc"))


@pytest.fixture(scope="module")
def learnt():
    return train(TEXT, hidden_size=32, epochs=20, seed=0, verbose=0)


# ---- what is learnt ----


def test_it_learns_the_days_of_the_week(learnt):
    writer, history = learnt
    assert min(history.validation_metrics["bits_per_character"]) < 0.2  # by counting characters alone: 3.8
    assert writer.bits_per_character(TEXT[-len(WEEK) * 6 :]) < 0.3
    assert WEEK in writer.generate("Sunday.\n", 2 * len(WEEK), temperature=0)


def test_bits_per_character_are_those_of_the_probabilities(learnt):
    writer, text = learnt[0], "Today, Saturday, Monday."
    ids = writer.vocabulary.encode(text)
    given = writer.model.predict_proba(ids[None, :-1])[0]  # (L - 1, V)
    expected = -np.log2(given[np.arange(len(text) - 1), ids[1:]]).mean()
    assert writer.bits_per_character(text) == pytest.approx(expected, rel=1e-5)


def test_the_best_epoch_on_the_end_held_out_comes_back(learnt):
    """The end is a tenth; measured in as many pieces as the rest is learnt in, here one."""
    writer, history = learnt
    bits = history.validation_metrics["bits_per_character"]
    assert len(bits) == 20
    assert writer.bits_per_character(TEXT[-len(TEXT) // 10 :]) == pytest.approx(min(bits), rel=1e-3)


def test_the_end_is_not_learnt_from():
    end = len(TEXT) - len(TEXT) // 10
    one, two = (train(TEXT[:end] + last, **(SMALL | {"epochs": 1})) for last in (TEXT[end:], TEXT[:end:-1] + "M"))
    assert one[1].batch_loss == two[1].batch_loss
    assert one[1].validation_loss != two[1].validation_loss


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_every_cell_and_more_layers(cell):
    writer, history = train(TEXT, cell=cell, num_layers=2, **SMALL)
    assert type(writer.model.layers[1]).__name__.lower() == cell
    assert writer.model.layers[1].num_layers == 2
    assert history.loss[-1] < history.loss[0]


def test_the_same_seed_gives_the_same_model():
    one, two, other = (train(TEXT, **(SMALL | {"seed": seed}))[0].model.parameters() for seed in (0, 0, 1))
    assert all(np.array_equal(w, two[name]) for name, w in one.items())
    assert not np.array_equal(one["1.weight_hh_l0"], other["1.weight_hh_l0"])


def test_characters_of_any_script():
    text = "日本語のテキスト。😀é\n" * 90
    writer, _ = train(text, **SMALL)
    assert set(writer.vocabulary) == set(text)
    assert set(writer.generate("日本", 20, seed=0)) <= set(text)


# ---- going on ----


def test_a_training_that_was_killed_goes_on_to_the_same_bits(tmp_path):
    class PowerCut(Checkpoint):
        def save(self, tree, updates):
            super().save(tree, updates)
            if updates >= 70:  # in the second epoch
                raise OSError("the power is gone")

    with pytest.raises(OSError, match="power"):
        train(TEXT, checkpoint=PowerCut(tmp_path / "run", every=7), **SMALL)
    resumed, history = train(TEXT, checkpoint=tmp_path / "run", resume=True, **SMALL)
    unbroken, whole = train(TEXT, **SMALL)
    assert history.batch_loss == whole.batch_loss
    for name, w in unbroken.model.parameters().items():
        assert np.array_equal(w, resumed.model.parameters()[name])


def test_a_checkpoint_of_another_text_or_training_is_refused(tmp_path):
    run = {"checkpoint": tmp_path / "run", "resume": True}
    train(TEXT, **run, **SMALL)
    with pytest.raises(CheckpointError, match="another text"):
        train(TEXT.replace("Monday, Tuesday", "Tuesday, Monday"), **run, **SMALL)
    with pytest.raises(CheckpointError, match="model was"):
        train(TEXT, **run, **(SMALL | {"hidden_size": 9}))
    assert train(TEXT, **run, **SMALL)[1].loss  # it is still there


# ---- arguments ----


@pytest.mark.parametrize(
    ("error", "said", "options"),
    [
        (ValueError, "text: expected at least 1,000 characters to learn from, got 999", {"text": "x" * 999}),
        (TypeError, "text: expected a str, got bytes", {"text": b"x" * 2000}),
        (ValueError, "cell: expected one of 'lstm', 'gru', 'rnn', got 'tdnn'", {"cell": "tdnn"}),
        (ValueError, "epochs: expected at least 1", {"epochs": 0}),
        (ValueError, "hidden_size", {"hidden_size": 0}),
        (ValueError, "num_layers", {"num_layers": 0}),
        (ValueError, "resume: expected a checkpoint", {"resume": True}),
    ],
)
def test_wrong_arguments_of_train(error, said, options):
    with pytest.raises(error, match=said):
        train(**({"text": TEXT, "verbose": 0} | options))


def test_texts_that_are_long_enough():
    assert expect_text("x" * 1000) == "x" * 1000
    assert train("xy" * 500, **SMALL)[1].loss


def test_unknown_characters_are_named():
    writer = untrained()
    for read in (writer.bits_per_character, lambda text: writer.generate(text, 5)):
        with pytest.raises(ValueError, match=r"(text|prompt): expected characters that .*, got 'xé'$"):
            read("abcéx")
    expect_known("text", "cab", "abc")
    with pytest.raises(ValueError, match="prompt: expected at least one character"):
        writer.generate("", 5)
    with pytest.raises(ValueError, match="text: expected at least two characters, got 'a'"):
        writer.bits_per_character("a")


def test_generation_takes_the_options_of_generate():
    writer = untrained()
    one, two = (writer.generate("ab", 50, temperature=5.0, seed=seed) for seed in (0, 1))
    assert one != two
    assert one == writer.generate("ab", 50, temperature=5.0, seed=0)
    assert writer.generate("ab", 9, top_k=1, seed=0) == writer.generate("ab", 9, temperature=0)


# ---- files ----


def test_a_model_comes_back_from_its_file(tmp_path, learnt):
    path = tmp_path / "week.safetensors"
    learnt[0].save(path)
    again = load(path)
    assert again.vocabulary == learnt[0].vocabulary
    assert again.generate("M", 100, seed=3) == learnt[0].generate("M", 100, seed=3)


@pytest.mark.parametrize("entry", [None, "", "{", "[]", "null", "{}", '{"format": 9}', "[" * 100_000])
def test_a_model_without_a_vocabulary_is_refused(tmp_path, entry):
    path = tmp_path / "m.safetensors"
    untrained().model.save(path, None if entry is None else {"vocabulary": entry})
    with pytest.raises(ModelFileError, match=r"m\.safetensors: a model, but not one of text: it has no vocabulary$"):
        load(path)


@pytest.mark.parametrize(
    "other",
    [
        CharacterModel(untrained().model, Vocabulary("abcd")),
        CharacterModel(untrained().model, Vocabulary(["a", "b", "c"], kind="words")),
        untrained(link=None),
        CharacterModel(linked(fastrnn.LSTM(3, 3, seed=0)), Vocabulary("abc")),  # takes vectors
        CharacterModel(linked(fastrnn.Embedding(3, 3, seed=0)), Vocabulary("abc")),  # has no memory
        CharacterModel(untrained().model, Vocabulary("ab")),
    ],
    ids=["one more", "words", "no link", "vectors", "no memory", "one less"],
)
def test_a_network_of_another_kind_is_refused(tmp_path, other):
    path = tmp_path / "m.safetensors"
    other.save(path)
    with pytest.raises(ModelFileError, match=r"m\.safetensors: not a network that tells the next of \d characters$"):
        load(path)


def test_a_network_that_can_not_run_step_by_step_is_refused(tmp_path):
    both_ways = fastrnn.LSTM(4, 6, bidirectional=True, seed=0)
    model = linked(fastrnn.Embedding(3, 4, seed=0), both_ways, fastrnn.Linear(12, 3, seed=0))
    CharacterModel(model, Vocabulary("abc")).save(tmp_path / "m")
    with pytest.raises(ModelFileError, match=r"tells the next character .*bidirectional"):
        load(tmp_path / "m")


def test_damaged_and_missing_files(tmp_path):
    path = tmp_path / "m.safetensors"
    untrained().save(path)
    assert json.loads(load(path).vocabulary.to_json())["tokens"] == ["a", "b", "c"]
    for content in (path.read_bytes()[:-1], path.read_bytes()[:60], b"no model", b""):
        path.write_bytes(content)
        with pytest.raises(ModelFileError, match=r"m\.safetensors"):
            load(path)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none")
