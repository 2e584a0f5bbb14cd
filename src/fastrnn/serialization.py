"""Model files: safetensors, with the architecture as JSON in the header's metadata. Never pickle.

The header's metadata hold one entry ``fastrnn``, JSON: ``format`` (1), ``version`` of fastrnn that wrote it,
``model`` (each layer's type and arguments), ``link``; beside it stand whatever entries the caller adds.
A file is written whole or not at all; whatever a file contains, loading ends in a model or in `ModelFileError`.
"""

import json
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from fastrnn._files import Path_, write_whole
from fastrnn._validation import BLANK, shown
from fastrnn.layers import (
    GRU,
    LSTM,
    RNN,
    TDNN,
    Dropout,
    Embedding,
    EncoderDecoder,
    Ends,
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
PARTS = "parts"  # the entry of a file that holds several models
INSTEAD = "save its state_dict() instead"
LAYERS: dict[str, type[Layer]] = {
    kind.__name__: kind
    for kind in (
        *(RNN, LSTM, GRU, Jordan, TDNN, Linear, Embedding, OneHot, LayerNorm, Dropout),
        *(Tanh, Sigmoid, ReLU, Softmax, Last, Ends, MeanOverTime, MaxOverTime, Repeat),
    )
}


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
    chains = _chains_of(model)
    if not chains:
        raise ValueError(f"model: expected layers of fastrnn's own, got {type(model).__name__}; {INSTEAD}")
    for chain in chains.values():
        _expect_own_layers(chain)
    _write(path, model.parameters(), {"model": model.config(), "link": model.link}, metadata)


def save_several(models: Mapping[str, Sequential], path: Path_, metadata: Mapping[str, str] | None = None) -> None:
    """Write several chains of layers to one file, whole or not at all.

    Parameters
    ----------
    models : dict of Sequential
        By names without a point; of fastrnn's own layers.
    path : path
        Overwritten if it is a file already.
    metadata : dict of str, optional
        Entries of one's own, which `load_several` returns.

    Raises
    ------
    ValueError
        If a name has a point or is empty, or a model holds layers of other types or parameters that are not finite.
    OSError
        If the file can't be written; what was there before is still there.
    """
    for name, model in models.items():
        if not name or "." in name:
            raise ValueError(f"models: expected names without a point, got {shown(name)}")
        _expect_own_layers(model)
    arrays = {f"{name}.{key}": array for name, model in models.items() for key, array in model.parameters().items()}
    _write(path, arrays, {"model": {PARTS: {name: model.config() for name, model in models.items()}}}, metadata)


def _expect_own_layers(chain: Sequential) -> None:
    """Raise unless a file can name all of the layers."""
    unknown = [type(layer).__name__ for layer in chain if LAYERS.get(type(layer).__name__) is not type(layer)]
    if unknown:
        raise ValueError(f"model: expected layers of fastrnn's own, got {', '.join(unknown)}; {INSTEAD}")


def _write(
    path: Path_, arrays: Mapping[str, NDArray[Any]], entries: dict[str, Any], metadata: Mapping[str, str] | None
) -> None:
    """Write arrays, and the entries that say what they are."""
    from fastrnn import __version__  # noqa: PLC0415 - defined by the package that imports this module

    if "fastrnn" in (metadata or {}):
        raise ValueError("metadata: the entry 'fastrnn' is the architecture's; choose another name")
    if not all(isinstance(text, str) for item in (metadata or {}).items() for text in item):
        raise TypeError("metadata: expected a dict of str to str")
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ValueError(f"{name}: the parameters are not finite; such a model can't be used")
    header = {**(metadata or {}), "fastrnn": json.dumps({"format": FORMAT, "version": __version__, **entries})}
    write_whole(path, to_bytes({name: array.copy() for name, array in arrays.items()}, metadata=header))


def _chains_of(model: Model) -> dict[str, Sequential]:
    """Return the chains of layers that a model is made of, by what stands before their parameters' names."""
    if type(model) is Sequential:
        return {"": model}
    if type(model) is EncoderDecoder:
        return {"encoder.": model.encoder, "decoder.": model.decoder}
    return {}


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
    content = _read(path)
    if _holds_several(content.own):
        raise ModelFileError(f"{path}: a file of several models, not of one")
    return Loaded(_build(path, content.own, list(content.chains.values()), content.tensors), content.metadata)


def load_several(path: Path_) -> tuple[dict[str, Sequential], dict[str, str]]:
    """Read what `save_several` wrote.

    Returns
    -------
    models : dict of Sequential
    metadata : dict of str

    Raises
    ------
    ModelFileError
        If the file is none of several models, or a damaged one.
    OSError
        If it can't be read.
    """
    content = _read(path)
    if not _holds_several(content.own):
        raise ModelFileError(f"{path}: a file of one model, not of several")
    models: dict[str, Any] = {}
    for prefix, chain in content.chains.items():
        own = {name[len(prefix) :]: array for name, array in content.tensors.items() if name.startswith(prefix)}
        models[prefix[:-1]] = _build(path, content.own, [chain], own)
    return models, content.metadata


class _Content(NamedTuple):
    """What a file holds, seen to fit together."""

    own: dict[str, Any]
    chains: "dict[str, Chain]"
    tensors: dict[str, NDArray[Any]]
    metadata: dict[str, str]


def _holds_several(own: dict[str, Any]) -> bool:
    return isinstance(own.get("model"), dict) and PARTS in own["model"]


def _read(path: Path_) -> _Content:
    """Return what a file holds; raises as `load` does."""
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
    return _Content(own, chains, tensors, metadata)


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


def _chains_in(path: Path_, own: dict[str, Any], shapes: dict[str, tuple[int, ...]]) -> dict[str, Chain]:
    """Return the chains that the architecture names, by what stands before their parameters' names.

    The file is seen to hold just these parameters.

    Sizes are compared before anything is built, so that no file can ask for more memory than it has itself.
    """
    model = own.get("model")
    parts: dict[str, Any] = {"": model}
    if isinstance(model, dict) and "encoder" in model:
        parts = {"encoder.": model["encoder"], "decoder.": model.get("decoder")}
    if _holds_several(own):
        if not isinstance(own["model"][PARTS], dict):
            raise ModelFileError(f"{path}: the architecture names no models")
        parts = {f"{name}.": part for name, part in own["model"][PARTS].items()}
    chains = {prefix: _chain_in(path, prefix, part, shapes) for prefix, part in parts.items()}
    seen = sum(len(list(kind.parameter_shapes(config))) for chain in chains.values() for kind, config in chain)
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
