"""Detector.save and load: a detector comes back as it was, and what is no detector is refused."""

import json

import numpy as np
import pytest

import fastrnn
from detector_oracle import oracle
from fastrnn import ModelFileError
from fastrnn.detector import Detector, Letters, load


def plain(layers, link="sigmoid"):
    model = fastrnn.Sequential(*layers)
    model.link = link
    return model


LSTM, LINEAR = fastrnn.LSTM(4, 3, seed=0), fastrnn.Linear(3, 1, seed=0)
HAPPY = {"detector": json.dumps({"word": "happy"})}


@pytest.mark.parametrize("layer", [fastrnn.LSTM, fastrnn.RNN])
def test_a_detector_comes_back_from_its_file_bit_for_bit(layer, tmp_path):
    detector = Detector(plain([layer(4, 6, seed=0), fastrnn.Linear(6, 1, seed=1)]), Letters("happy"))
    path = tmp_path / "word.safetensors"
    detector.save(path)
    assert list(tmp_path.iterdir()) == [path]
    again = load(path)
    assert again.letters == detector.letters
    assert again.model.link == "sigmoid"
    x = np.eye(detector.letters.size, dtype=np.float32).repeat(3, axis=0)
    assert again.model(x).tobytes() == detector.model(x).tobytes()


def test_a_path_may_be_a_string(tmp_path):
    path = str(tmp_path / "word.safetensors")
    oracle("straße").save(path)
    assert load(path).letters == Letters("STRAẞE")


def test_these_would_load(tmp_path):
    """What the following tests spoil, one thing at a time."""
    plain([LSTM, LINEAR]).save(tmp_path / "m", HAPPY)
    assert load(tmp_path / "m").letters.word == "happy"


@pytest.mark.parametrize(
    "entry",
    [
        *(None, "", "{", "[]", "null", '"happy"', "{}", '["word"]', "[" * 100_000),
        *('{"word": 3}', '{"word": null}', '{"word": ""}', '{"word": "a b"}', '{"word": ["happy"]}'),
    ],
)
def test_a_model_without_a_word_is_no_detector(tmp_path, entry):
    path = tmp_path / "m.safetensors"
    plain([LSTM, LINEAR]).save(path, None if entry is None else {"detector": entry})
    with pytest.raises(ModelFileError, match=r"m\.safetensors: a model, but not a word detector's$"):
        load(path)


@pytest.mark.parametrize(
    "model",
    [
        plain([LSTM, LINEAR], link=None),
        plain([LSTM, LINEAR], link="softmax"),
        plain([LSTM, fastrnn.Linear(3, 2, seed=0)]),  # two outputs
        plain([fastrnn.LSTM(5, 3, seed=0), LINEAR]),  # a letter too many
        plain([fastrnn.Linear(4, 3, seed=0), fastrnn.Tanh(), LINEAR]),  # no memory
    ],
    ids=["no link", "softmax", "two outputs", "five letters", "no memory"],
)
def test_a_network_that_cannot_detect_the_word_is_refused(tmp_path, model):
    path = tmp_path / "m.safetensors"
    model.save(path, HAPPY)
    with pytest.raises(ModelFileError, match=r"m\.safetensors: not a network that detects 'happy'$"):
        load(path)


def test_damaged_and_missing_files(tmp_path):
    path = tmp_path / "m.safetensors"
    oracle("happy").save(path)
    for content in (path.read_bytes()[:-1], b"no model", b""):
        path.write_bytes(content)
        with pytest.raises(ModelFileError, match=r"m\.safetensors"):
            load(path)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none")
    with pytest.raises(IsADirectoryError):
        load(tmp_path)
