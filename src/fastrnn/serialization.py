"""Model files: safetensors, with the architecture as JSON in the header's metadata. Never pickle.

The header's metadata hold one entry ``fastrnn``, JSON: ``format`` (1), ``version`` of fastrnn that wrote it,
``model`` (each layer's type and arguments), ``link``; beside it stand whatever entries the caller adds.
A file is written whole or not at all; whatever a file contains, loading ends in a model or in `ModelFileError`.
"""

import json
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from fastrnn._validation import BLANK, shown
from fastrnn.layers import (
    GRU,
    LSTM,
    RNN,
    TDNN,
    Dropout,
    Embedding,
    EncoderDecoder,
    Jordan,
    Last,
    Layer,
    LayerNorm,
    Linear,
    MaxOverTime,
    MeanOverTime,
    Model,
    OneHot,
    Recurrent,
    ReLU,
    Repeat,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
)
from fastrnn.layers.model import LINKS

FORMAT = 1
TEMPORARY = ".fastrnn-{}.part"  # the name of a file that is being written
LAYERS: dict[str, type[Layer]] = {
    kind.__name__: kind
    for kind in (
        *(RNN, LSTM, GRU, Jordan, TDNN, Linear, Embedding, OneHot, LayerNorm, Dropout),
        *(Tanh, Sigmoid, ReLU, Softmax, Last, MeanOverTime, MaxOverTime, Repeat),
    )
}

Path_ = str | os.PathLike[str]


class ModelFileError(ValueError):
    """A file that is not a model of fastrnn, or a damaged one."""


class Loaded(NamedTuple):
    """A model and the metadata that its writer added."""

    model: Model
    metadata: dict[str, str]


def save(model: Model, path: Path_, metadata: Mapping[str, str] | None = None) -> None:
    """Write a model, whole or not at all.

    Parameters
    ----------
    model : Sequential or EncoderDecoder
        Of fastrnn's own layers.
    path : path
        Overwritten if it is a file already.
    metadata : dict of str, optional
        Entries of one's own, to be read back by `load_with_metadata`.

    Raises
    ------
    ValueError
        If the model holds layers of other types or parameters that are not finite.
    OSError
        If the file can't be written; what was there before is still there.
    """
    from fastrnn import __version__  # noqa: PLC0415 - defined by the package that imports this module

    chains = _chains_of(model)
    layers = [layer for chain in chains.values() for layer in chain]
    unknown = [type(layer).__name__ for layer in layers if LAYERS.get(type(layer).__name__) is not type(layer)]
    if unknown or not chains:
        raise ValueError(
            f"model: expected layers of fastrnn's own, got {', '.join(unknown) or type(model).__name__}; "
            "save its state_dict() instead"
        )
    if "fastrnn" in (metadata or {}):
        raise ValueError("metadata: the entry 'fastrnn' is the architecture's; choose another name")
    if not all(isinstance(text, str) for item in (metadata or {}).items() for text in item):
        raise TypeError("metadata: expected a dict of str to str")
    for name, array in model.parameters().items():
        if not np.isfinite(array).all():
            raise ValueError(f"{name}: the parameters are not finite; such a model can't be used")
    own = {"format": FORMAT, "version": __version__, "model": model.config(), "link": model.link}
    header = {**(metadata or {}), "fastrnn": json.dumps(own)}
    write_whole(path, to_bytes(model.state_dict(), metadata=header))


def _chains_of(model: Model) -> dict[str, Sequential]:
    """Return the chains of layers that a model is made of, by what stands before their parameters' names."""
    if type(model) is Sequential:
        return {"": model}
    if type(model) is EncoderDecoder:
        return {"encoder.": model.encoder, "decoder.": model.decoder}
    return {}


def write_whole(path: Path_, content: bytes) -> None:
    """Replace a file's content, or leave everything as it was: write beside it, sync, rename."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise OSError(f"{path}: not a regular file")
    target = Path(os.path.realpath(path))  # through links, so that they stay
    try:
        name = str(target.parent / TEMPORARY.format(secrets.token_hex(8)))
        handle = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0), 0o666)
    except OSError as error:
        raise type(error)(error.errno, error.strerror, os.fspath(path)) from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            os.chmod(name, target.stat().st_mode & 0o777)
        os.replace(name, target)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(name)
        if isinstance(error, OSError):
            raise type(error)(error.errno, error.strerror, os.fspath(path)) from None
        raise


def load(path: Path_) -> Any:
    """Read a model, a `Sequential` or an `EncoderDecoder`, that `save` wrote.

    Raises
    ------
    ModelFileError
        If the file is no model, is damaged, or comes from a later format.
    OSError
        If it can't be read.
    """
    return load_with_metadata(path).model


def load_with_metadata(path: Path_) -> Loaded:
    """Read a model and the entries that its writer added to the metadata; raises as `load` does."""
    if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
        raise OSError(f"{os.fspath(path)}: not a regular file")
    with open(path, "rb"):  # says FileNotFoundError, IsADirectoryError, PermissionError as Python does
        pass
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = dict(file.metadata() or {})
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
            own = _header(path, metadata.pop("fastrnn", None))
            chains = _chains_in(path, own, shapes)
            tensors = {name: file.get_tensor(name) for name in shapes}
    except (TypeError, AttributeError) as error:  # an element type that NumPy has not
        raise ModelFileError(f"{path}: expected float32 or float64 parameters ({error})") from None
    except SafetensorError as error:
        raise ModelFileError(f"{path}: not a model file, or a damaged one ({error})") from None
    return Loaded(_build(path, own, chains, tensors), metadata)


def _header(path: Path_, text: str | None) -> dict[str, Any]:
    """Return fastrnn's own entry, parsed."""
    if text is None:
        raise ModelFileError(f"{path}: a safetensors file, but not one of fastrnn's: no architecture in it")
    try:
        own = json.loads(text)
    except (ValueError, RecursionError):
        own = None
    if not isinstance(own, dict):
        raise ModelFileError(f"{path}: the architecture is not a JSON object")
    if own.get("format") != FORMAT:
        raise ModelFileError(
            f"{path}: expected format {FORMAT}, got {shown(own.get('format'))}; a newer fastrnn may read it"
        )
    return own


Chain = list[tuple[type[Layer], dict[str, Any]]]  # each layer's class and arguments


def _chains_in(path: Path_, own: dict[str, Any], shapes: dict[str, tuple[int, ...]]) -> list[Chain]:
    """Return the chains that the architecture names, having seen that the file holds just their parameters.

    Sizes are compared before anything is built, so that no file can ask for more memory than it has itself.
    """
    model = own.get("model")
    parts: dict[str, Any] = {"": model}
    if isinstance(model, dict) and "encoder" in model:
        parts = {"encoder.": model["encoder"], "decoder.": model.get("decoder")}
    chains = [_chain_in(path, prefix, part, shapes) for prefix, part in parts.items()]
    seen = sum(len(list(kind.parameter_shapes(config))) for chain in chains for kind, config in chain)
    if seen != len(shapes):
        raise ModelFileError(f"{path}: {len(shapes)} arrays in the file, but the architecture has {seen}")
    return chains


def _chain_in(path: Path_, prefix: str, part: Any, shapes: dict[str, tuple[int, ...]]) -> Chain:
    """Return the layers of one chain, whose parameters are in the file."""
    entries = part.get("layers") if isinstance(part, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ModelFileError(f"{path}: the architecture names no layers")
    chain: Chain = []
    for i, entry in enumerate(entries):
        config = {str(name): value for name, value in entry.items() if name != "type"}
        layer_type = LAYERS.get(entry.get("type", "")) if isinstance(entry.get("type"), str) else None
        if layer_type is None:
            raise ModelFileError(f"{path}: layer {i} is of unknown type {shown(entry.get('type'))}")
        try:
            for name, shape in layer_type.parameter_shapes(config):
                got = shapes.get(f"{prefix}{i}.{name}")
                if got != shape:
                    raise ModelFileError(f"{path}: {prefix}{i}.{name}: expected shape {shown(shape)}, got {got}")
        except ModelFileError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            reason = str(error)[:200]
            raise ModelFileError(f"{path}: layer {i} ({layer_type.__name__}) has wrong arguments: {reason}") from None
        chain.append((layer_type, config))
    return chain


def _build(path: Path_, own: dict[str, Any], chains: list[Chain], tensors: dict[str, NDArray[Any]]) -> Model:
    """Return the model with these parameters."""
    link = own.get("link")
    if link is not None and (not isinstance(link, str) or link not in LINKS):
        raise ModelFileError(f"{path}: unknown link {shown(link)}")
    try:
        parts = [Sequential(*(_blank(layer_type, config) for layer_type, config in chain)) for chain in chains]
        model: Model = parts[0]
        if len(parts) > 1:
            model = EncoderDecoder(*parts, teacher_forcing=own["model"].get("teacher_forcing", 1.0))
        for name, array in model.parameters().items():
            if tensors[name].dtype != array.dtype:
                raise ValueError(f"{name}: expected {array.dtype}, got {tensors[name].dtype}")
        model.load_state_dict(tensors)
    except (TypeError, ValueError) as error:
        raise ModelFileError(f"{path}: {str(error)[:300]}") from None
    if not all(np.isfinite(array).all() for array in tensors.values()):
        raise ModelFileError(f"{path}: the parameters are not finite")
    model.link = link
    return model


def _blank(layer_type: type[Layer], config: dict[str, Any]) -> Layer:
    """Return the layer without initial values: drawing orthogonal ones takes longer than reading."""
    if "seed" in config:
        raise TypeError("a seed is not part of an architecture")
    if issubclass(layer_type, (Recurrent, Jordan, TDNN, Linear, Embedding)):
        return layer_type(**config, seed=BLANK)
    return layer_type(**config)
