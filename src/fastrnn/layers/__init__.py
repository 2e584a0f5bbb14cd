"""What a person composes. Each layer casts and checks its input, and leaves the numbers to the kernels and BLAS."""

from fastrnn.layers.activations import ReLU, Sigmoid, Softmax, Tanh
from fastrnn.layers.base import Gradients, Layer, Tape
from fastrnn.layers.dense import Linear
from fastrnn.layers.gru import GRU
from fastrnn.layers.jordan import Jordan
from fastrnn.layers.lstm import LSTM
from fastrnn.layers.recurrent import Recurrent
from fastrnn.layers.rnn import RNN, Elman
from fastrnn.layers.sequential import Sequential
from fastrnn.layers.stream import ModelStream

__all__ = [
    "GRU", "LSTM", "RNN", "Elman", "Gradients", "Jordan", "Layer", "Linear", "ModelStream", "ReLU", "Recurrent",
    "Sequential", "Sigmoid", "Softmax", "Tanh", "Tape",
]  # fmt: skip
