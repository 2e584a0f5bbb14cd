"""Sound files whose architecture was made to do harm: ModelFileError at once, nothing allocated, a short message."""

import json
import sys
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from fastrnn import ModelFileError
from hostile import OWN, TENSORS, content, every_kind, header, load, refused, with_layer


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("hostile") / "m.safetensors"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from([1, 2, "LSTM", "RNN", "tanh", "float32", "float64", "f4", "f8,f8", "(2,)f4", "O", 10**30]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip
ARGUMENTS = st.sampled_from([*OWN["model"]["layers"][0], "seed", "unknown", ""])


@settings(max_examples=250, deadline=None, derandomize=True)
@given(st.dictionaries(ARGUMENTS, VALUES, min_size=1, max_size=2), st.integers(0, 2))
def test_any_json_as_arguments(path, changes, layer):
    with suppress(ModelFileError):
        load(path, with_layer(layer, **changes))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.sampled_from(["format", "version", "model", "link"]), VALUES)
def test_any_json_as_the_architecture(path, key, value):
    with suppress(ModelFileError):
        load(path, header({**OWN, key: value}))


SIZES = [
    10**9,
    10**12,
    10**30,
    int("9" * 4300),
    -1,
    0,
    1.0,
    1e300,
    float("nan"),
    float("inf"),
    "1",
    "",
    True,
    None,
    [1],
    {"a": 1},
    [[]],
]


@pytest.mark.parametrize("value", SIZES, ids=lambda value: str(type(value).__name__))
@pytest.mark.parametrize("name", ["input_size", "hidden_size", "num_layers", "bias", "dtype", "nonlinearity", "seed"])
@pytest.mark.parametrize("layer", [0, 1])
def test_sizes_that_lie_fail_at_once_and_allocate_nothing(path, layer, name, value):
    if (name, value) in [("bias", True), ("seed", None)]:
        value = "good"  # otherwise it would be
    data = with_layer(layer, **{name: value})
    tracemalloc.start()
    try:
        refused(path, data)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


_, KINDS_TENSORS, KINDS = content(every_kind())
ARGUMENTS_OF_KINDS = [(i, name) for i, layer in enumerate(KINDS["model"]["layers"]) for name in layer if name != "type"]


@pytest.mark.parametrize(("layer", "name"), ARGUMENTS_OF_KINDS)
def test_every_argument_of_every_kind_of_layer_may_lie(path, layer, name):
    load(path, header(KINDS, KINDS_TENSORS))
    for value in SIZES:
        own = json.loads(json.dumps(KINDS))
        own["model"]["layers"][layer][name] = value
        tracemalloc.start()
        try:
            with suppress(ModelFileError):
                load(path, header(own, KINDS_TENSORS))
            assert tracemalloc.get_traced_memory()[1] < 1_000_000
        finally:
            tracemalloc.stop()
    own = json.loads(json.dumps(KINDS))
    del own["model"]["layers"][layer][name]
    with suppress(ModelFileError):  # it may have a default
        load(path, header(own, KINDS_TENSORS))


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
    for wrong in ("GRUCell", "Sequential", "Layer", "__init__", "", None, 1, ["LSTM"], {"LSTM": 1}):
        refused(path, with_layer(0, type=wrong), "layer 0 is of unknown type")
    for wrong in ("softplus", "", 1, ["sigmoid"], {"sigmoid": 1}, True):
        refused(path, header({**OWN, "link": wrong}), "unknown link")
    refused(path, with_layer(0, hidden=1), "unexpected keyword argument 'hidden'")
    for i, names in ((0, ["input_size", "hidden_size", "num_layers", "bias"]), (2, ["in_features", "out_features"])):
        for name in names:
            own = json.loads(json.dumps(OWN))
            del own["model"]["layers"][i][name]
            refused(path, header(own), rf"layer {i} .*has wrong arguments: .*'{name}'")


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


@pytest.mark.parametrize("layer", [0, 1])
def test_directions_and_layers_that_lie(path, layer):
    for value in (10**12, 2, 1.0, "yes", [1], None, -1):
        refused(path, with_layer(layer, bidirectional=value), "wrong arguments: bidirectional: expected True or False")
    for value in (True, 1.0, "1", [1], None):
        refused(path, with_layer(layer, num_layers=value), "wrong arguments: num_layers: expected an int, got ")


def test_a_dilation_that_would_take_all_memory(path):
    for dilation in (2**23 + 1, 10**12):
        own = json.loads(json.dumps(KINDS))
        next(layer for layer in own["model"]["layers"] if layer["type"] == "TDNN")["dilation"] = dilation
        refused(path, header(own, KINDS_TENSORS), "window, dilation: expected ")
