"""The small model file from which the damaged and hostile ones are made, and what must become of them."""

import json
import struct

import pytest
from safetensors.numpy import save

import fastrnn
from fastrnn import ModelFileError


def small():
    return fastrnn.Sequential(fastrnn.RNN(2, 1, seed=0), fastrnn.LSTM(1, 1, seed=0), fastrnn.Linear(1, 1, seed=0))


def content(model=None):
    """Return the bytes of a small model's file, its tensors, and its own entry in the metadata, parsed."""
    model = model or small()
    own = {"format": 1, "version": "0", "model": model.config(), "link": None}
    return save(model.state_dict(), {"fastrnn": json.dumps(own)}), model.state_dict(), own


DATA, TENSORS, OWN = content()
HEADER = 8 + struct.unpack("<Q", DATA[:8])[0]


def load(path, data):
    path.write_bytes(data)
    return fastrnn.load(path)


def refused(path, data, message=None):
    with pytest.raises(ModelFileError, match=message) as info:
        load(path, data)
    assert str(info.value).startswith(f"{path}: ")
    return str(info.value).removeprefix(f"{path}: ")


def every_kind():
    """Return a model with one of each layer that needs no more than a few numbers."""
    return fastrnn.Sequential(
        fastrnn.Embedding(5, 2, padding_idx=1, seed=0), fastrnn.TDNN(2, 2, 3, seed=0), fastrnn.LayerNorm(2),
        fastrnn.Dropout(0.5), fastrnn.Last(), fastrnn.Repeat(2), fastrnn.MaxOverTime(), fastrnn.Linear(2, 1, seed=0),
    )  # fmt: skip


def header(own, tensors=TENSORS):
    """Return a file with this object, or this text, as the architecture."""
    return save(tensors, {"fastrnn": own if isinstance(own, str) else json.dumps(own)})


def with_layer(i, **changes):
    """Return a file in which some arguments of one layer differ."""
    own = json.loads(json.dumps(OWN))
    own["model"]["layers"][i] |= changes
    return header(own)
