"""Files that are no models, or damaged: ModelFileError, whatever they hold. Hostile JSON: test_hostile_architecture."""

import json
import os
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastrnn
from fastrnn import ModelFileError
from hostile import DATA, HEADER, OWN, TENSORS, header, load, refused, small, with_layer


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("hostile") / "m.safetensors"


def test_the_file_that_the_others_are_made_from_is_good(path):
    assert repr(load(path, DATA)) == repr(small())
    load(path, with_layer(0))


def test_truncated_at_every_length(path):
    refused(path, DATA + b"\0")
    for length in reversed(range(len(DATA))):
        os.truncate(path, length)
        with pytest.raises(ModelFileError):
            fastrnn.load(path)


def test_a_flipped_bit_in_every_byte_of_the_header(path):
    models = 0
    for i in range(HEADER):
        for bit in (i % 8, (i + 3) % 8):
            damaged = bytearray(DATA)
            damaged[i] ^= 1 << bit
            try:
                load(path, damaged)
                models += 1
            except ModelFileError:
                pass
    assert models < HEADER  # some flips are harmless (in the version); most are not


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, len(DATA) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_any_bytes_changed_anywhere(path, changes):
    damaged = bytearray(DATA)
    for i, value in changes:
        damaged[i] = value
    try:
        model = load(path, damaged)
    except ModelFileError:
        return
    assert all(np.isfinite(array).all() for array in model.parameters().values())


def test_tensors_that_do_not_fit(path):
    without = {name: array for name, array in TENSORS.items() if name != "2.bias"}
    refused(path, header(OWN, without), r"2\.bias: expected shape \(1,\), got None")
    refused(
        path, header(OWN, {**TENSORS, "3.weight": np.zeros(3)}), "11 arrays in the file, but the architecture has 10"
    )
    refused(path, header(OWN, {}), "expected shape")
    refused(path, header(OWN, {**TENSORS, "2.bias": np.zeros((1, 1), np.float32)}), r"2\.bias: expected shape \(1,\)")
    for dtype in ("f8", "f2", "i4", "u4", "i8", "b1", "u1"):
        wrong = {name: array.astype(dtype) for name, array in TENSORS.items()}
        refused(path, header(OWN, wrong), "expected float32")
        refused(path, header(OWN, {**TENSORS, "2.bias": wrong["2.bias"]}), "expected float32")
    for value in (np.nan, np.inf, -np.inf):
        wrong = {**TENSORS, "2.weight": np.full((1, 1), value, np.float32)}
        refused(path, header(OWN, wrong), "not finite")


@pytest.mark.parametrize(("kind", "size"), [("BF16", 2), ("F8_E5M2", 1), ("F8_E4M3", 1), ("C64", 8)])
def test_element_types_that_numpy_has_not(path, kind, size):
    table, at = {"__metadata__": {"fastrnn": json.dumps(OWN)}}, 0
    for name, array in TENSORS.items():
        table[name] = {"dtype": kind, "shape": array.shape, "data_offsets": [at, at + size * array.size]}
        at += size * array.size
    text = json.dumps(table).encode()
    refused(path, struct.pack("<Q", len(text)) + text + bytes(at))


def test_what_is_no_safetensors_file(path, tmp_path):
    for data in (
        b"",
        b"\0",
        b"\0" * 8,
        b"\0" * 1000,
        b"\xff" * 1000,
        b"hello\n" * 100,
        b"PK\x03\x04" * 99,
        b"\x80\x04" * 99,
    ):
        refused(path, data)
    for length in (0, 1, 2**31, 2**63, 2**64 - 1):
        refused(path, struct.pack("<Q", length) + DATA[8:])
    with pytest.raises(FileNotFoundError):
        fastrnn.load(tmp_path / "missing")
    with pytest.raises(IsADirectoryError):
        fastrnn.load(tmp_path)
    for device in (os.devnull, "/dev/zero"):
        with pytest.raises((OSError, ModelFileError)):
            fastrnn.load(device)


def test_model_file_error_is_a_value_error():
    assert issubclass(ModelFileError, ValueError)
