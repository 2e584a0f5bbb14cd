"""Recurrent neural networks on the CPU: compiled kernels under a small API. Public names only."""

from importlib.metadata import version as _version

__version__ = _version("fastrnn")

from fastrnn import losses, metrics
from fastrnn.diagnostics import dead_relus, draw, gradient_flow, saturation
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
    Ends,
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
from fastrnn.optimizers import SGD, Adam, AdamW, RMSprop
from fastrnn.schedules import Cosine, OneCycle, ReduceOnPlateau, StepDecay, Warmup
from fastrnn.serialization import ModelFileError, load
from fastrnn.threads import get_num_threads, num_threads, set_num_threads
from fastrnn.trainer import (
    Callback,
    Checkpoint,
    CheckpointError,
    CSVLog,
    EarlyStopping,
    History,
    TensorBoard,
    Trainer,
)

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "SGD",
    "TDNN",
    "Adam",
    "AdamW",
    "CSVLog",
    "Callback",
    "Checkpoint",
    "CheckpointError",
    "Chrono",
    "Cosine",
    "Dropout",
    "EarlyStopping",
    "Elman",
    "Embedding",
    "EncoderDecoder",
    "Ends",
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
    "OneHot",
    "RMSprop",
    "ReLU",
    "ReduceOnPlateau",
    "Repeat",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "StepDecay",
    "Tanh",
    "TensorBoard",
    "Trainer",
    "Warmup",
    "check_gradients",
    "dead_relus",
    "draw",
    "get_num_threads",
    "gradient_flow",
    "load",
    "losses",
    "metrics",
    "num_threads",
    "saturation",
    "set_num_threads",
    "show_config",
]
