"""Data for training: samples and batches, windows of series, normalisation, text as ids, padding."""

from fastrnn.data.dataset import Batch, Dataset
from fastrnn.data.ids import one_hot, streams
from fastrnn.data.padding import pad, unpad
from fastrnn.data.scaling import Normalizer
from fastrnn.data.series import forecasting, split_series, windows
from fastrnn.data.text import Vocabulary, split_words

__all__ = [
    "Batch",
    "Dataset",
    "Normalizer",
    "Vocabulary",
    "forecasting",
    "one_hot",
    "pad",
    "split_series",
    "split_words",
    "streams",
    "unpad",
    "windows",
]
