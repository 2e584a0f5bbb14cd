"""Optimisers, which change parameters in place, and clipping of gradients."""

from fastrnn.optimizers.adam import Adam, AdamW
from fastrnn.optimizers.base import FusedOptimizer, Optimizer
from fastrnn.optimizers.clipping import clip_by_global_norm, clip_by_value
from fastrnn.optimizers.rmsprop import RMSprop
from fastrnn.optimizers.sgd import SGD

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "FusedOptimizer",
    "Optimizer",
    "RMSprop",
    "clip_by_global_norm",
    "clip_by_value",
]
