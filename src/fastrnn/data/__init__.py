"""Data for training: samples and the batches cut from them."""

from fastrnn.data.dataset import Batch, Dataset

__all__ = ["Batch", "Dataset"]
