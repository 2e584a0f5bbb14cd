"""What is read of a sequence that has one label or value: from the outputs of all steps to one vector."""

from fastrnn._validation import one_of
from fastrnn.layers import Ends, Last, Layer, MaxOverTime, MeanOverTime


def readout_of(pooling: str, *, bidirectional: bool) -> Layer:
    """Return the layer from (T, N, H) to (N, H) that a name stands for: "last", "mean" or "max"."""
    one_of("pooling", pooling, ("last", "mean", "max"))
    if pooling == "last":
        return Ends() if bidirectional else Last()
    return MeanOverTime() if pooling == "mean" else MaxOverTime()
