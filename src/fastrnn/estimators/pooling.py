"""What is read of a sequence that has one label or value: from the outputs of all steps to one vector."""

from fastrnn._validation import one_of
from fastrnn.estimators.fitting import SequenceEstimator
from fastrnn.layers import Ends, Last, Layer, MaxOverTime, MeanOverTime


class Pooling(SequenceEstimator):
    """Base of estimators that tell something of a whole sequence: ``pooling`` says what they read of it."""

    _architecture = (*SequenceEstimator._architecture, "pooling")
    pooling: str

    def _check_parameters(self) -> None:
        super()._check_parameters()
        one_of("pooling", self.pooling, ("last", "mean", "max"))

    def _readout(self) -> Layer:
        """Return the layer from (T, N, H) to (N, H)."""
        if self.pooling == "last":
            return Ends() if self.bidirectional else Last()
        return MeanOverTime() if self.pooling == "mean" else MaxOverTime()
