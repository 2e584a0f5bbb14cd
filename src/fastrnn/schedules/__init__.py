"""Schedules of the learning rate: what it is after so many updates or epochs.

All but `ReduceOnPlateau` are functions of the count alone, so that training can be resumed anywhere.
"""

from fastrnn.schedules.base import Factor, Schedule, as_schedule
from fastrnn.schedules.curves import Cosine, OneCycle, StepDecay, Warmup
from fastrnn.schedules.plateau import ReduceOnPlateau

__all__ = [
    "Cosine",
    "Factor",
    "OneCycle",
    "ReduceOnPlateau",
    "Schedule",
    "StepDecay",
    "Warmup",
    "as_schedule",
]
