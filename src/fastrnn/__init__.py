"""Recurrent neural networks on the CPU: compiled kernels under a small API. Public names only."""

from importlib.metadata import version as _version

__version__ = _version("fastrnn")

from fastrnn import losses, metrics
from fastrnn.gradcheck import GradientReport, check_gradients
from fastrnn.info import show_config
from fastrnn.initializers import Chrono
from fastrnn.layers import (
    GRU,
    LSTM,
    RNN,
    TDNN,
    Dropout,
    Elman,
    Embedding,
    EncoderDecoder,
    Gradients,
    Jordan,
    Last,
    Layer,
    LayerNorm,
    Linear,
    MaxOverTime,
    MeanOverTime,
    Model,
    OneHot,
    ReLU,
    Repeat,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
)
from fastrnn.optimizers import SGD, Adam
from fastrnn.serialization import ModelFileError, load
from fastrnn.threads import get_num_threads, num_threads, set_num_threads
from fastrnn.trainer import History, Trainer

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "SGD",
    "TDNN",
    "Adam",
    "Chrono",
    "Dropout",
    "Elman",
    "Embedding",
    "EncoderDecoder",
    "GradientReport",
    "Gradients",
    "History",
    "Jordan",
    "Last",
    "Layer",
    "LayerNorm",
    "Linear",
    "MaxOverTime",
    "MeanOverTime",
    "Model",
    "ModelFileError",
    "OneHot",
    "ReLU",
    "Repeat",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "Trainer",
    "check_gradients",
    "get_num_threads",
    "load",
    "losses",
    "metrics",
    "num_threads",
    "set_num_threads",
    "show_config",
]
