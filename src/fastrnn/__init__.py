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
    ReLU,
    Repeat,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
)
from fastrnn.optimizers import SGD, Adam, AdamW, RMSprop
from fastrnn.schedules import Cosine, OneCycle, ReduceOnPlateau, StepDecay, Warmup
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
    "AdamW",
    "Chrono",
    "Cosine",
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
    "OneCycle",
    "RMSprop",
    "ReLU",
    "ReduceOnPlateau",
    "Repeat",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "StepDecay",
    "Tanh",
    "Trainer",
    "Warmup",
    "check_gradients",
    "get_num_threads",
    "load",
    "losses",
    "metrics",
    "num_threads",
    "set_num_threads",
    "show_config",
]
