"""How the rows of a kernel problem lie: packed for the kernels, apart again, looked up in a table; no tests here."""

import numpy as np


def running(a):
    """Return which sequences have which step, (T, N)."""
    return np.arange(len(a["x"]))[:, None] < a["lengths"]


def counts_of(a):
    """Return how many rows each step has, or None where the batch is dense."""
    return running(a).sum(1) if a.get("ragged", a["lengths"].min() < len(a["x"])) else None


def pack(a, array, first=0):
    """Return (first + T, N, ...) as the kernels take it: (N·first + S, ...), the rows of one step together."""
    if array is None:
        return None
    tail = array.shape[2:]
    if counts_of(a) is None:
        return array.reshape(-1, *tail)
    return np.concatenate([array[:first].reshape(-1, *tail), array[first:][running(a)]])


def unpack(a, rows, first=0):
    """Undo `pack`, with 0 for padding."""
    if rows is None:
        return None
    T, N = running(a).shape
    if counts_of(a) is None:
        return rows.reshape(first + T, N, *rows.shape[1:])
    result = np.zeros((first + T, N, *rows.shape[1:]), rows.dtype)
    result[:first] = rows[: first * N].reshape(first, N, *rows.shape[1:])
    result[first:][running(a)] = rows[first * N :]
    return result


def looked_up(a, rng, source):
    """Return the same problem with only a few distinct rows of x (R, I), one of which may be taken by nobody."""
    T, N, inputs = a["x"].shape
    few = 1 + int(rng.integers(9))
    table = np.eye(inputs) if source == "one-hot" else a["x"].reshape(-1, inputs)[:few]
    x_row = rng.integers(len(table), size=(T, N))
    return {"source": source, "table": table, "x_row": x_row, "x": table[x_row]}


def source_of(a):
    """Return x and x_row as the kernels take them."""
    if not a.get("source"):
        return pack(a, a["x"]), None
    return None if a["source"] == "one-hot" else a["table"], pack(a, a["x_row"])


def gradient_of_x(a, grad_x):
    """Return it by name (T, N, I), or that of the table (R, I), none of one-hot rows."""
    if not a.get("source"):
        return {"grad_x": grad_x}
    grad_table = np.zeros_like(a["table"])
    np.add.at(grad_table, a["x_row"][running(a)], grad_x[running(a)])
    return {} if a["source"] == "one-hot" else {"grad_table": grad_table}
