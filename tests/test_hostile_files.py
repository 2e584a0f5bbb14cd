"""Files that are no models, are damaged, or were made to do harm: ModelFileError at once, whatever they hold."""

import json
import os
import struct
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
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


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("hostile") / "m.safetensors"


def load(path, data):
    path.write_bytes(data)
    return fastrnn.load(path)


def refused(path, data, message=None):
    with pytest.raises(ModelFileError, match=message) as info:
        load(path, data)
    assert str(info.value).startswith(f"{path}: ")
    return str(info.value).removeprefix(f"{path}: ")


def header(own, tensors=TENSORS):
    """Return a file with this object, or this text, as the architecture."""
    return save(tensors, {"fastrnn": own if isinstance(own, str) else json.dumps(own)})


def with_layer(i, **changes):
    """Return a file in which some arguments of one layer differ."""
    own = json.loads(json.dumps(OWN))
    own["model"]["layers"][i] |= changes
    return header(own)


def test_the_file_that_the_others_are_made_from_is_good(path):
    assert repr(load(path, DATA)) == repr(small())
    load(path, with_layer(0))


def test_truncated_at_every_length(path):
    for length in range(len(DATA)):
        refused(path, DATA[:length])
    refused(path, DATA + b"\0")


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


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from([1, 2, "LSTM", "RNN", "tanh", "float32", "float64", "f4", "f8,f8", "(2,)f4", "O", 10**30]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip
ARGUMENTS = st.sampled_from([*OWN["model"]["layers"][0], "seed", "unknown", ""])


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.dictionaries(ARGUMENTS, VALUES, min_size=1, max_size=2), st.integers(0, 2))
def test_any_json_as_arguments(path, changes, layer):
    try:
        load(path, with_layer(layer, **changes))
    except ModelFileError:
        pass


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.sampled_from(["format", "version", "model", "link"]), VALUES)
def test_any_json_as_the_architecture(path, key, value):
    try:
        load(path, header({**OWN, key: value}))
    except ModelFileError:
        pass


SIZES = [10**9, 10**12, 10**30, int("9" * 4300), -1, 0, 1.0, 1e300, float("nan"), float("inf"), "1", "", True, None, [1], {"a": 1}, [[]]]


@pytest.mark.parametrize("value", SIZES, ids=lambda value: str(type(value).__name__))
@pytest.mark.parametrize("name", ["input_size", "hidden_size", "num_layers", "bias", "dtype", "nonlinearity", "seed"])
@pytest.mark.parametrize("layer", [0, 1])
def test_sizes_that_lie_fail_at_once_and_allocate_nothing(path, layer, name, value):
    if (name, value) in [("bias", True), ("seed", None)]:
        value = "good"  # otherwise it would be
    data = with_layer(layer, **{name: value})
    tracemalloc.start()
    try:
        if name == "seed" and isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            load(path, data)  # a seed is an argument like others
        else:
            refused(path, data)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_messages_are_one_short_line_whatever_the_file_holds(path):
    for value in ("x" * 100_000, "line\n" * 5, [1] * 100_000, int("9" * 4000), "\x1b[2J"):
        for data in (
            with_layer(0, type=value), with_layer(0, hidden_size=value), with_layer(0, nonlinearity=value),
            with_layer(0, dtype=value), header({**OWN, "format": value}), header({**OWN, "link": value}),
        ):  # fmt: skip
            message = refused(path, data)
            assert len(message) < 500
            assert message.isprintable()


def test_many_layers_fail_at_once(path):
    own = json.loads(json.dumps(OWN))
    own["model"]["layers"] *= 50_000
    refused(path, header(own), "expected shape")
    own["model"]["layers"] = [{"type": "Tanh"}] * 50_000
    refused(path, header(own), "arrays in the file")


def test_what_the_architecture_lacks(path):
    refused(path, save(TENSORS), "not one of fastrnn's")
    refused(path, save(TENSORS, {"other": "x"}), "not one of fastrnn's")
    for text in ("", "{", "[]", "1", "null", '"text"', "{} {}", "\0", "{'format': 1}", "\ud7ff"):
        refused(path, header(text), "architecture is not a JSON object")
    for wrong in (0, 2, -1, "1", None, [1], 10**30):
        refused(path, header({**OWN, "format": wrong}), "expected format 1, got ")
    refused(path, header({"model": OWN["model"]}), "expected format 1, got None")
    for wrong in (None, {}, {"layers": None}, {"layers": {}}, {"layers": [1]}, {"layers": ["LSTM"]}, [], "LSTM"):
        refused(path, header({**OWN, "model": wrong}), "names no layers")
    refused(path, header({**OWN, "model": {"layers": []}}))
    for wrong in ("GRU", "Sequential", "Layer", "__init__", "", None, 1, ["LSTM"], {"LSTM": 1}):
        refused(path, with_layer(0, type=wrong), "layer 0 is of unknown type")
    for wrong in ("softplus", "", 1, ["sigmoid"], {"sigmoid": 1}, True):
        refused(path, header({**OWN, "link": wrong}), "unknown link")
    refused(path, with_layer(0, hidden=1), "unexpected keyword argument 'hidden'")
    for i, names in ((0, ["input_size", "hidden_size", "num_layers", "bias"]), (2, ["in_features", "out_features"])):
        for name in names:
            own = json.loads(json.dumps(OWN))
            del own["model"]["layers"][i][name]
            refused(path, header(own), rf"layer {i} \(\w+\) has wrong arguments: '{name}'")


@pytest.mark.parametrize("where", ["entry", "type", "argument", "link", "format"])
def test_deep_nesting(path, where):
    """Parsing fails at some depth; below it, what parsed must not break what comes after, the message above all."""
    limit = sys.getrecursionlimit()
    for depth in (10, *range(limit - 150, limit + 1, 3), 5 * limit, 100_000):
        deep = "[" * depth + "]" * depth
        text = {
            "entry": deep,
            "type": json.dumps(OWN).replace('"RNN"', deep),
            "argument": json.dumps(OWN).replace('"hidden_size": 1', f'"hidden_size": {deep}'),
            "link": json.dumps(OWN).replace('"link": null', f'"link": {deep}'),
            "format": json.dumps(OWN).replace('"format": 1', f'"format": {deep}'),
        }[where]
        assert deep in text
        refused(path, header(text))


def test_tensors_that_do_not_fit(path):
    without = {name: array for name, array in TENSORS.items() if name != "2.bias"}
    refused(path, header(OWN, without), r"2\.bias: expected shape \(1,\), got None")
    refused(path, header(OWN, {**TENSORS, "3.weight": np.zeros(3)}), "11 arrays in the file, but the architecture has 10")
    refused(path, header(OWN, {}), "expected shape")
    refused(path, header(OWN, {**TENSORS, "2.bias": np.zeros((1, 1), np.float32)}), r"2\.bias: expected shape \(1,\)")
    for dtype in ("f8", "f2", "i4", "u4", "i8", "b1", "u1"):
        wrong = {name: array.astype(dtype) for name, array in TENSORS.items()}
        refused(path, header(OWN, wrong), f"expected float32, got {np.dtype(dtype)}")
        refused(path, header(OWN, {**TENSORS, "2.bias": wrong["2.bias"]}), r"2\.bias: expected float32, got ")
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
    for data in (b"", b"\0", b"\0" * 8, b"\0" * 1000, b"\xff" * 1000, b"hello\n" * 100, b"PK\x03\x04" * 99, b"\x80\x04" * 99):
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
