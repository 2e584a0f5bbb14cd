"""Files of series models: safetensors with the parameters, and the rest as JSON in the metadata. Never pickle."""

import json
import math
import os
from typing import Any

import numpy as np

from fastrnn.forecasting.calendar import LAYOUTS, Calendar
from fastrnn.forecasting.model import SeriesModel, Settings, season_features
from fastrnn.forecasting.series import Series
from fastrnn.forecasting.transforms import STABILIZERS, Transform
from fastrnn.layers import Sequential
from fastrnn.serialization import ModelFileError, load_several, save_several

LINEAR = "linear"
LEAST = 1e-6  # degrees of freedom
LARGEST = 1_000_000  # of the whole numbers in a file


def save(model: SeriesModel, path: str | os.PathLike[str]) -> None:
    """Write a model, whole or not at all; raises OSError if that can't be done."""
    settings = model.settings._asdict() | {"transform": model.settings.transform._asdict()}
    calendar = model.frame.calendar
    entry = {
        "settings": settings,
        "mean": model.mean,
        "scale": model.scale,
        "spread": list(model.spread),
        "freedom": list(model.freedom),
        "name": model.frame.name,
        "start": model.frame.start,
        "calendar": None if calendar is None else calendar._asdict(),
    }
    parts = {LINEAR: model.linear, **{f"network{i}": one for i, one in enumerate(model.networks)}}
    save_several(parts, path, {"forecasting": json.dumps(entry)})


def load(path: str | os.PathLike[str]) -> SeriesModel:
    """Read a model that `SeriesModel.save` wrote.

    Raises
    ------
    ModelFileError
        If the file is no model, a damaged one, or not of a series.
    OSError
        If it can't be read.
    """
    parts, metadata = load_several(path)
    try:
        entry = json.loads(metadata["forecasting"])
        model = _model(entry, parts)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError):
        raise ModelFileError(f"{path}: models, but not those of a series") from None
    return model


def _model(entry: dict[str, Any], parts: dict[str, Sequential]) -> SeriesModel:
    """Return the model of an entry; a ValueError, TypeError, KeyError or so if it is not in order."""
    settings, calendar = _settings(entry["settings"]), entry["calendar"]
    linear = parts.pop(LINEAR)
    networks = tuple(parts[f"network{i}"] for i in range(len(parts)))
    features = 0 if settings.season is None else season_features(np.zeros(1, np.int64), settings.season).shape[1]
    if tuple(linear.sizes) != (settings.steps + features, 1) or linear.recurrent or linear.dtype != np.float64:
        raise ValueError("the linear part has other inputs")
    if not all(one.recurrent and _tells_one_number(one, 1 + features) for one in networks):
        raise ValueError("a network has other inputs")
    frame = Series(np.empty(0), _calendar(calendar), _text(entry["name"]), _whole(entry["start"], -LARGEST))
    spread = tuple(_number(value, 0.0) for value in entry["spread"])
    freedom = tuple(_number(value, LEAST) for value in entry.get("freedom", ()))  # files had none at first
    if freedom and len(freedom) != len(spread):
        raise ValueError("not as many degrees of freedom as spreads")
    scale = _number(entry["scale"], 0.0)
    if not scale:
        raise ValueError("the scale is zero")
    return SeriesModel(settings, _number(entry["mean"]), scale, linear, networks, spread, frame, freedom)


def _tells_one_number(network: Sequential, inputs: int) -> bool:
    """Return whether a network gives (N, 1) for windows (N, L, inputs)."""
    if network.takes_ids or network.sizes[0] != inputs:
        return False
    return bool(network.predict(np.zeros((1, 2, inputs), np.float32)).shape == (1, 1))


def _settings(entry: dict[str, Any]) -> Settings:
    transform = Transform(entry["transform"]["stabilizer"], tuple(_whole(lag, 1) for lag in entry["transform"]["lags"]))
    if transform.stabilizer not in STABILIZERS or len(transform.lags) > 2:
        raise ValueError("unknown transform")
    season = None if entry["season"] is None else _whole(entry["season"], 2)
    penalty, decay, weight = (_number(entry[name], 0.0) for name in ("penalty", "decay", "weight"))
    steps, epochs = _whole(entry["steps"], 1), _whole(entry["epochs"], 0)
    return Settings(transform, steps, season, penalty, decay, epochs, weight)


def _calendar(entry: dict[str, Any] | None) -> Calendar | None:
    if entry is None:
        return None
    if entry["unit"] not in ("months", "seconds", "business days") or entry["layout"] not in LAYOUTS:
        raise ValueError("unknown calendar")
    every, day = _whole(entry["every"], 1, 1 << 40), _whole(entry["day"], 1, 31)
    return Calendar(entry["unit"], every, _whole(entry["anchor"], -(1 << 40), 1 << 40), day, entry["layout"])


def _whole(value: Any, least: int, most: int = LARGEST) -> int:
    if type(value) is not int or not least <= value <= most:
        raise ValueError("expected a whole number within bounds")
    return value


def _number(value: Any, least: float = -math.inf) -> float:
    if type(value) not in (int, float) or not math.isfinite(value) or value < least:
        raise ValueError("expected a finite number")
    return float(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("expected a text")
    return value
