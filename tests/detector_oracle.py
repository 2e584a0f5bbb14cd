"""A word detector that is right by construction, made by hand instead of by training, and what it should find."""

import re

import numpy as np

import fastrnn
from fastrnn.detector import Detector, Letters


def oracle(word, *, high=10.0, low=-10.0):
    """Return a detector whose output is exactly ``high`` where the word's last letter arrives and ``low`` elsewhere.

    Neuron i of an Elman layer is 1 when the last i + 1 letters are the word's first i + 1, else 0:
    h_t[i] = ReLU(x_t[letter i] + h_{t-1}[i-1] - 1). All sums are of small integers, so nothing is rounded.
    """
    letters = Letters(word)
    length = len(letters.target)
    shift = np.eye(length, k=-1)
    rnn = fastrnn.RNN(letters.size, length, nonlinearity="relu")
    rnn.load_state_dict(
        {
            "weight_ih_l0": letters.one_hot(letters.target),
            "weight_hh_l0": shift,
            "bias_ih_l0": -shift.sum(axis=1),  # the first neuron waits for no other
            "bias_hh_l0": np.zeros(length),
        }
    )
    readout = fastrnn.Linear(length, 1)
    readout.load_state_dict({"weight": (high - low) * np.eye(1, length, length - 1), "bias": [low]})
    model = fastrnn.Sequential(rnn, readout)
    model.link = "sigmoid"
    return Detector(model, letters)


class Scripted:
    """Stands in for a model: whatever its streams read, their output is this list of logits."""

    def __init__(self, outputs):
        self.outputs = np.asarray(outputs, np.float32)[:, None]

    def stream(self):
        return ScriptedStream(self.outputs)


class ScriptedStream:
    def __init__(self, outputs):
        self.outputs, self.steps = outputs, 0

    def run(self, block):
        self.steps += len(block)
        return self.outputs[self.steps - len(block) : self.steps]


def matches(word, text):
    """Return (line, column, context) of every match of ``(?i)(?=WORD)``, line by line."""
    found = []
    for number, line in enumerate(re.split("\r\n|\r|\n", text), start=1):
        for match in re.finditer(f"(?i)(?={word})", line):
            start = match.start()
            found.append((number, start + 1, line[max(0, start - 40) : start + len(word) + 40]))
    return found
