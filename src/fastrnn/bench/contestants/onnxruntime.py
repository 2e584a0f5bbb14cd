"""ONNX Runtime: a graph of its RNN, LSTM or GRU nodes; float32, no gradients."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np

from fastrnn.bench.cases import Case
from fastrnn.bench.contestants.base import Array, Contestant, states
from fastrnn.bench.data import Data, direction

ORDER = {"rnn": [0], "lstm": [0, 3, 1, 2], "gru": [1, 0, 2]}  # PyTorch's i f g o as i o f c; r z n as z r n


class ONNXRuntime(Contestant):
    """One ``session.run`` a call; of a stream, the states that came out go in again."""

    name = "onnxruntime"
    needs = ("onnxruntime", "onnx")

    def __init__(self, case: Case, given: Data, threads: int) -> None:
        self.case = case
        self.session = _session(_graph(case, given), threads)
        self.names = [output.name for output in self.session.get_outputs()]
        self.given, self.feeds = given, {"x": given.x, **_start(case, given)}
        if given.lengths is not None:
            self.feeds["lengths"] = given.lengths.astype(np.int32)
        if case.kind == "stream":
            self.feeds["x"] = given.x[:1]
            self.call = self._step  # type: ignore[method-assign]

    @classmethod
    def refuses(cls, case: Case) -> str | None:
        """Say what it does not do."""
        return "no gradients" if case.kind == "train" else "float32 alone" if case.dtype != "float32" else None

    def call(self) -> Any:
        """Run a sequence."""
        return self.session.run(None, self.feeds)

    def _step(self) -> Any:
        """Take one step and keep the state."""
        output, *state = self.session.run(None, self.feeds)
        for name, part in zip(self.names[1:], state, strict=True):
            self.feeds[name.replace("_n", "_0")] = part
        return output

    def arrays(self) -> Mapping[str, Array]:
        """Return what is compared; the nodes have an axis for directions."""
        if self.case.kind == "stream":
            outputs = []
            for t in range(self.case.T):
                self.feeds["x"] = self.given.x[t : t + 1]
                outputs.append(self.call()[0, 0].copy())
            return {"output": np.stack(outputs)}
        found = dict(zip(self.names, self.call(), strict=True))
        ends = [
            np.concatenate([found[f"{part}_n_l{k}"] for k in range(self.case.layers)])
            for part in "hc"[: len(self.given.state)]
        ]
        output = found["output"].swapaxes(1, 2).reshape(self.case.T, self.case.N, -1)
        return {"output": output, **states(ends, "{}_n")}


class ONNXRuntimeBound(ONNXRuntime):
    """A stream whose arrays are bound to the session: the states stay in two sets that take turns.

    Less is done in Python than for ``session.run``; what goes in is still copied, and what comes out can be read.
    """

    name = "onnxruntime bound"

    def __init__(self, case: Case, given: Data, threads: int) -> None:
        super().__init__(case, given, threads)
        states = {name: array for name, array in self.feeds.items() if name != "x"}
        start, other = ({name: _owned(array) for name, array in states.items()} for _ in range(2))
        self.x, self.output = _owned(self.feeds["x"]), _owned(np.zeros((1, 1, 1, case.H), np.float32))
        self.turns = [self._bound(start, other), self._bound(other, start)]

    def _bound(self, takes: dict[str, Any], gives: dict[str, Any]) -> Any:
        """Return a binding that reads one set of states and writes another."""
        binding = self.session.io_binding()
        binding.bind_ortvalue_input("x", self.x)
        binding.bind_ortvalue_output("output", self.output)
        for name, part in takes.items():
            binding.bind_ortvalue_input(name, part)
            binding.bind_ortvalue_output(name.replace("_0", "_n"), gives[name])
        return binding

    def _step(self) -> Any:
        """Take one step."""
        self.x.update_inplace(self.feeds["x"])
        self.session.run_with_iobinding(self.turns[0])
        self.turns.reverse()
        return self.output.numpy()


def _owned(array: Array) -> Any:
    """Return a value with memory of its own, not that of the array."""
    value = import_module("onnxruntime").OrtValue.ortvalue_from_shape_and_type(array.shape, array.dtype.type)
    value.update_inplace(array)
    return value


def _session(model: Any, threads: int) -> Any:
    """Return a session with that many threads, which do not spin on when a call has ended."""
    runtime = import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _start(case: Case, given: Data) -> dict[str, Array]:
    """Return the initial states by the names of the graph's inputs, (D, N, H) for each layer."""
    return {
        f"{part}_0_l{k}": np.ascontiguousarray(array[k * case.directions : (k + 1) * case.directions])
        for part, array in zip("hc", given.state, strict=False)
        for k in range(case.layers)
    }


def _graph(case: Case, given: Data) -> Any:
    """Return the model: a node for each layer, and between them those that lay its directions side by side."""
    onnx: Any = import_module("onnx")
    helper, single = onnx.helper, onnx.TensorProto.FLOAT
    parts, D, T = "hc"[: len(given.state)], case.directions, case.shape[0]
    weights = {"axis": np.array([1]), "side by side": np.array([0, 0, -1])}
    nodes = []
    options: dict[str, Any] = {"linear_before_reset": 1} if case.cell == "gru" else {}
    options |= {"direction": "bidirectional"} if D > 1 else {}
    x, lengths = "x", "lengths" if case.ragged else ""
    for k in range(case.layers):
        arrays = {f"{name}{k}": array for name, array in _weights(case, given, k).items()}
        weights |= arrays
        last = k == case.layers - 1
        y = "output" if last else f"y{k}"
        inputs = [x, *arrays, lengths, *(f"{part}_0_l{k}" for part in parts)]
        outputs = [y, *(f"{part}_n_l{k}" for part in parts)]
        nodes.append(helper.make_node(case.cell.upper(), inputs, outputs, hidden_size=case.H, **options))
        if not last:
            x = f"x{k + 1}"
            nodes += _side_by_side(helper, D, y, x)
    ends = [(f"{part}_{{}}_l{k}", [D, case.N, case.H]) for k in range(case.layers) for part in parts]
    takes = [helper.make_tensor_value_info("x", single, [T, case.N, case.I])]
    takes += [helper.make_tensor_value_info(name.format(0), single, shape) for name, shape in ends]
    takes += [helper.make_tensor_value_info("lengths", onnx.TensorProto.INT32, [case.N])] * case.ragged
    gives = [helper.make_tensor_value_info("output", single, [T, D, case.N, case.H])]
    gives += [helper.make_tensor_value_info(name.format("n"), single, shape) for name, shape in ends]
    constants = [onnx.numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, case.cell, takes, gives, constants)
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])


def _side_by_side(helper: Any, D: int, y: str, x: str) -> list[Any]:
    """Return the nodes that turn y (T, D, N, H) into x (T, N, D·H)."""
    if D == 1:
        return [helper.make_node("Squeeze", [y, "axis"], [x])]
    rows = f"{y} by rows"
    return [
        helper.make_node("Transpose", [y], [rows], perm=[0, 2, 1, 3]),
        helper.make_node("Reshape", [rows, "side by side"], [x]),
    ]


def _weights(case: Case, given: Data, k: int) -> dict[str, Array]:
    """Return one layer's weights, (D, ·, ·), gates in ONNX's order and both biases in one array (D, 2·G·H)."""

    def ordered(array: Array) -> Array:
        gates = array.reshape(-1, case.H, *array.shape[1:])
        return gates[ORDER[case.cell]].reshape(array.shape)

    found = []
    for d in range(case.directions):
        w_ih, w_hh, b_ih, b_hh = map(ordered, direction(given.weights, k, d).values())
        found.append((w_ih, w_hh, np.concatenate([b_ih, b_hh])))
    return {name: np.stack(arrays) for name, arrays in zip("WRB", zip(*found, strict=True), strict=True)}
