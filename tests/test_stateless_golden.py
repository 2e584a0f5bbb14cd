"""TDNN, LayerNorm and Embedding against numbers that PyTorch computed once, for machines without it."""

from pathlib import Path

import numpy as np
import pytest

import fastrnn

with np.load(Path(__file__).parent / "golden" / "torch-stateless.npz") as file:
    ARRAYS = dict(file)
NAMES = sorted({key.split("/")[0] for key in ARRAYS})


def build(name):
    if name == "layer_norm":
        return fastrnn.LayerNorm(4, dtype="float64")
    if name == "embedding":
        return fastrnn.Embedding(9, 4, padding_idx=2, dtype="float64")
    window, dilation = map(int, name.split("-")[1:])
    return fastrnn.TDNN(4, 5, window, dilation=dilation, dtype="float64")


def test_all_cases_are_there():
    assert len(NAMES) == 6


@pytest.mark.parametrize("name", NAMES)
def test_as_pytorch_computed_it(name):
    case = {key.split("/")[1]: array for key, array in ARRAYS.items() if key.split("/")[0] == name}
    layer = build(name)
    layer.load_state_dict({key.removeprefix("p."): array for key, array in case.items() if key.startswith("p.")})
    output, _, tape = layer.record(case["x"])
    grads = layer.backward(tape, case["dy"])
    found = {"output": output, **{f"grad.p.{key}": grad for key, grad in grads.parameters.items()}}
    if grads.x is not None:
        found["grad.x"] = grads.x
    assert found.keys() == {key for key in case if key == "output" or key.startswith("grad.")}
    for key, array in found.items():  # float64, sums of at most 21 products of order 1
        np.testing.assert_allclose(array, case[key], rtol=1e-12, atol=1e-13, err_msg=key)
