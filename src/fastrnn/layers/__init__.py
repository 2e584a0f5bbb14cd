"""What a person composes. Each layer casts and checks its input, and leaves the numbers to the kernels and BLAS."""

from fastrnn.layers.activations import ReLU, Sigmoid, Softmax, Tanh
from fastrnn.layers.base import Gradients, Layer, Tape
from fastrnn.layers.dense import Linear
from fastrnn.layers.dropout import Dropout
from fastrnn.layers.embedding import Embedding
from fastrnn.layers.encoder_decoder import EncoderDecoder
from fastrnn.layers.gru import GRU
from fastrnn.layers.jordan import Jordan
from fastrnn.layers.lstm import LSTM
from fastrnn.layers.model import Model
from fastrnn.layers.norm import LayerNorm
from fastrnn.layers.one_hot import OneHot
from fastrnn.layers.pooling import Ends, Last, MaxOverTime, MeanOverTime, Repeat
from fastrnn.layers.recurrent import Recurrent
from fastrnn.layers.rnn import RNN, Elman
from fastrnn.layers.sequential import Sequential
from fastrnn.layers.stream import ModelStream
from fastrnn.layers.tdnn import TDNN

__all__ = [
    "GRU", "LSTM", "RNN", "TDNN", "Dropout", "Elman", "Embedding", "EncoderDecoder", "Ends", "Gradients", "Jordan",
    "Last", "Layer", "LayerNorm", "Linear", "MaxOverTime", "MeanOverTime", "Model", "ModelStream", "OneHot", "ReLU",
    "Recurrent", "Repeat", "Sequential", "Sigmoid", "Softmax", "Tanh", "Tape",
]  # fmt: skip
