"""Files of a series' model, and files of several models: what comes back, and what is refused."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

import fastrnn
from fastrnn import ModelFileError
from fastrnn.forecasting import Plan, Series, load, train_and_test
from fastrnn.serialization import load_several, save_several
from forecast_models import MONTHS, NOISE, SEASONAL, small


def test_a_model_comes_back_from_its_file(tmp_path):
    path = tmp_path / "m.safetensors"
    series = Series(SEASONAL + NOISE, MONTHS)
    model = train_and_test(series, 3, Plan(members=1), seed=0, verbose=0)[0]
    for one in (model, small(), model._replace(networks=()), small(season=None)):
        one.save(path)
        again = load(path)
        assert again._replace(linear=None, networks=(), frame=None) == one._replace(
            linear=None, networks=(), frame=None
        )
        assert again.frame.calendar == one.frame.calendar
        for ours, theirs in zip(one.forecast(series, 9)[1:], again.forecast(series, 9)[1:], strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.safetensors"]


def test_files_without_degrees_of_freedom_are_read(tmp_path):
    """As they were written at first: the spread counts as known exactly."""
    path, model = tmp_path / "m", small()
    model._replace(freedom=(5.0, 4.0)).save(path)
    parts, metadata = load_several(path)
    entry = json.loads(metadata["forecasting"])
    assert entry.pop("freedom") == [5.0, 4.0]
    save_several(parts, path, {"forecasting": json.dumps(entry)})
    series = Series(SEASONAL, MONTHS)
    np.testing.assert_array_equal(load(path).forecast(series, 3).upper, model.forecast(series, 3).upper)


def test_a_model_is_used_on_the_end_of_its_series(tmp_path):
    """The season is that of the dates, whichever of them a file begins with."""
    model = small()
    whole = Series(SEASONAL, MONTHS)
    part = Series(SEASONAL[31:], MONTHS, start=31)
    moved = Series(SEASONAL[31:], MONTHS._replace(anchor=MONTHS.anchor + 31))
    expected = model.forecast(whole, 3)
    for other in (part, moved):
        assert model.forecast(other, 3).labels == expected.labels
        np.testing.assert_allclose(model.forecast(other, 3).values, expected.values)
    model.save(tmp_path / "m")
    np.testing.assert_array_equal(load(tmp_path / "m").forecast(moved, 3).values, model.forecast(moved, 3).values)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        *((("mean",), value) for value in (None, "1", [], float("inf"), True)),
        *((("scale",), value) for value in (0.0, -1.0)),
        *((("spread",), value) for value in (None, [-1.0], ["x"])),
        *((("freedom",), value) for value in (None, [0.0, 5.0], [5.0], ["x", 5.0])),
        *((("start",), value) for value in (1.5, 10**30)),
        *((("name",), value) for value in (3, None)),
        *((("calendar",), value) for value in ([], "months", {})),
        *((("calendar", "every"), value) for value in (0, 10**20)),
        *((("calendar", "layout"), value) for value in ("%x", None)),
        *((("calendar", "day"), value) for value in (0, 32)),
        *((("settings", "steps"), value) for value in (0, 3, 10**12)),
        *((("settings", "season"), value) for value in (1, 7, None)),
        *((("settings", "weight"), value) for value in (-1, "1")),
        *((("settings", "transform"), value) for value in (None, {"stabilizer": "cube", "lags": []})),
        (("settings", "transform", "lags"), [0]),
        (("settings", "transform", "lags"), [1, 2, 3]),
    ],
)
def test_hostile_entries_are_refused(tmp_path, place, value):
    path = tmp_path / "m.safetensors"
    small().save(path)
    parts, metadata = load_several(path)
    entry = json.loads(metadata["forecasting"])
    inner = entry
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    save_several(parts, path, {"forecasting": json.dumps(entry)})
    with pytest.raises(ModelFileError, match=r"m\.safetensors: models, but not those of a series$"):
        load(path)


@pytest.mark.parametrize(
    "layers",
    [
        (fastrnn.GRU(12, 3), fastrnn.Linear(3, 1)),  # an output a step
        (fastrnn.Embedding(12, 3), fastrnn.GRU(3, 3), fastrnn.Last(), fastrnn.Linear(3, 1)),
        (fastrnn.GRU(12, 3), fastrnn.Last(), fastrnn.Linear(3, 2)),
    ],
)
def test_networks_that_tell_no_single_number_are_refused(tmp_path, layers):
    small()._replace(networks=(fastrnn.Sequential(*layers),)).save(tmp_path / "m")
    with pytest.raises(ModelFileError, match="not those of a series"):
        load(tmp_path / "m")


@pytest.mark.parametrize("entry", [None, "", "[" * 100_000, "[]", "null", "{}"])
def test_models_without_a_series(tmp_path, entry):
    path = tmp_path / "m.safetensors"
    parts = {"linear": small().linear}
    save_several(parts, path, None if entry is None else {"forecasting": entry})
    with pytest.raises(ModelFileError, match="not those of a series"):
        load(path)


# ---- files of several models ----


def test_several_models_in_one_file(tmp_path):
    path = tmp_path / "m"
    models = {"a": small().networks[0], "b": small().linear}
    save_several(models, path, {"note": "two"})
    found, metadata = load_several(path)
    assert list(found) == ["a", "b"]
    assert metadata == {"note": "two"}
    for name, model in models.items():
        for key, array in model.parameters().items():
            np.testing.assert_array_equal(found[name].parameters()[key], array)
    with pytest.raises(ModelFileError, match="a file of several models, not of one"):
        fastrnn.load(path)
    models["a"].save(path)
    with pytest.raises(ModelFileError, match="a file of one model, not of several"):
        load_several(path)
    for name in ("", "a.b"):
        with pytest.raises(ValueError, match="names without a point"):
            save_several({name: models["a"]}, path)


@pytest.mark.parametrize("parts", [None, [], "x", {"a": None}, {"a": {"layers": []}}, {}, {"b": {"layers": [{}]}}])
def test_hostile_parts_are_refused(tmp_path, parts):
    path = tmp_path / "m"
    own = {"format": 1, "version": "0", "model": {"parts": parts}}
    save_file({"a.0.weight": np.ones((1, 1), np.float32)}, path, {"fastrnn": json.dumps(own)})
    with pytest.raises(ModelFileError):
        load_several(path)
