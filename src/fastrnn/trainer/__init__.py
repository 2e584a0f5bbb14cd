"""Training: mini-batches, truncated BPTT, validation, checkpoints and callbacks."""

from fastrnn.trainer.callbacks import Callback, CSVLog, EarlyStopping, TensorBoard
from fastrnn.trainer.checkpoint import Checkpoint, CheckpointError
from fastrnn.trainer.history import History
from fastrnn.trainer.trainer import Trainer

__all__ = [
    "CSVLog",
    "Callback",
    "Checkpoint",
    "CheckpointError",
    "EarlyStopping",
    "History",
    "TensorBoard",
    "Trainer",
]
