"""Model files: what is saved comes back to the bit, whole or not at all. Damaged files: test_hostile_files.py."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

import fastrnn
from fastrnn.serialization import LAYERS, load_with_metadata
from layer_table import BUILDERS, CELLS, DTYPES, randomise, recurrent, same_bits

GOLDEN = Path(__file__).parent / "golden"


def model(dtype="float32", seed=0):
    layers = recurrent("lstm", 3, 4, 2, dtype=dtype), fastrnn.Tanh(), fastrnn.Linear(4, 2, dtype=dtype)
    return randomise(fastrnn.Sequential(*layers), np.random.default_rng(seed))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", BUILDERS)
def test_every_layer_comes_back_to_the_bit(tmp_path, name, bias, dtype):
    options = {"dtype": dtype, "bias": bias}
    first = fastrnn.Linear(3, 3, **options)
    m = randomise(fastrnn.Sequential(first, BUILDERS[name](**options)), np.random.default_rng(0))
    m.save(tmp_path / "m")
    again = fastrnn.load(tmp_path / "m")
    assert repr(again) == repr(m)
    assert again.config() == m.config()
    assert same_bits(again.parameters(), m.parameters())
    x = np.random.default_rng(1).standard_normal((2, 6, 3))
    assert same_bits(again(x), m(x))
    assert again.link is None
    again.parameters()["0.weight"][...] = 1  # writable, and its own


def test_the_table_of_saved_layers_is_whole():
    public = {v for v in vars(fastrnn).values() if isinstance(v, type) and issubclass(v, fastrnn.Layer)}
    assert set(LAYERS.values()) == public - {fastrnn.Layer, fastrnn.Model, fastrnn.Sequential, fastrnn.EncoderDecoder}


@pytest.mark.parametrize("cell", CELLS)
def test_a_trained_model_comes_back_with_its_link(tmp_path, cell):
    m = fastrnn.Sequential(recurrent(cell, 3, 4, 2), fastrnn.Linear(4, 1, seed=0))
    x = np.random.default_rng(0).standard_normal((8, 5, 3))
    fastrnn.Trainer(m, "bce", seed=0).fit(x, x[..., :1] > 0, epochs=1, verbose=0)
    m.save(tmp_path / "m.safetensors")
    again = fastrnn.load(str(tmp_path / "m.safetensors"))
    assert again.link == "sigmoid"
    assert same_bits(again.predict_proba(x), m.predict_proba(x))
    fastrnn.Trainer(again, "bce", seed=1).fit(x, x[..., :1] > 0, epochs=1, verbose=0)  # it can be trained on


def test_metadata_of_ones_own(tmp_path):
    given = {"word": "udacity", "empty": "", "text": 'größer "\n" \\ 𝛼'}
    model().save(tmp_path / "m", given)
    loaded = load_with_metadata(tmp_path / "m")
    assert loaded.metadata == given
    assert type(loaded.model) is fastrnn.Sequential
    model().save(tmp_path / "m")
    assert load_with_metadata(tmp_path / "m").metadata == {}
    with pytest.raises(TypeError, match="metadata"):
        model().save(tmp_path / "m", {"steps": 1})
    with pytest.raises(ValueError, match=r"^metadata: .*fastrnn"):  # our own entry would overwrite it unseen
        model().save(tmp_path / "m", {"fastrnn": "mine"})
    assert load_with_metadata(tmp_path / "m").metadata == {}


def test_the_file_is_plain_safetensors_with_json(tmp_path):
    m = model()
    m.save(tmp_path / "m")
    assert same_bits(dict(sorted(load_file(tmp_path / "m").items())), dict(sorted(m.state_dict().items())))
    with safe_open(tmp_path / "m", framework="numpy") as file:
        own = json.loads(file.metadata()["fastrnn"])
    assert own == {"format": 1, "version": fastrnn.__version__, "model": m.config(), "link": None}
    assert [layer["type"] for layer in own["model"]["layers"]] == ["LSTM", "Tanh", "Linear"]


def test_the_golden_file_stays_loadable():
    loaded = load_with_metadata(GOLDEN / "model-format1.safetensors")
    assert loaded.metadata == {"word": "golden", "note": "größer"}
    m = loaded.model
    assert [type(layer).__name__ for layer in m] == ["LSTM", "Tanh", "RNN", "RNN", "Linear", "ReLU", "Linear"]
    assert [m.layers[0].num_layers, m.layers[2].nonlinearity, m.layers[3].nonlinearity] == [2, "sigmoid", "relu"]
    assert [m.layers[2].bias, m.layers[3].bias, m.link, m.dtype] == [False, True, "softmax", np.float32]
    stored = load_file(GOLDEN / "model-format1-output.safetensors")
    # another machine, ISA or kernel sums in another order: float32, a dozen terms, five steps of values below 1
    np.testing.assert_allclose(m(stored["x"]), stored["y"], rtol=0, atol=2e-6)
    assert np.abs(stored["y"]).max() > 0.05


def test_a_model_whose_file_could_not_be_read_back_is_refused(tmp_path):
    m = model()
    m.parameters()["2.bias"][0] = np.nan  # load refuses parameters that are not finite
    with pytest.raises(ValueError, match=r"2\.bias"):
        m.save(tmp_path / "m")
    assert not list(tmp_path.iterdir())


# ---- writing whole or not at all ----


def test_overwriting_replaces_the_file_and_leaves_nothing_beside_it(tmp_path):
    one, two, path = model(seed=1), model(seed=2), tmp_path / "m.safetensors"
    other = b"something else, and longer" * 1000
    path.write_bytes(other)
    with path.open("rb") as reader:
        one.save(path)
        assert reader.read() == other  # replaced, not written over: who reads the old file reads it whole
    for m in (one, two):
        m.save(path)
        assert same_bits(fastrnn.load(path).parameters(), m.parameters())
        assert list(tmp_path.iterdir()) == [path]


def test_saving_through_a_link_writes_the_file_it_leads_to(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real" / "m")
    for seed in (1, 2):  # dangling, then not
        model(seed=seed).save(tmp_path / "link")
        assert (tmp_path / "link").is_symlink()
        assert same_bits(fastrnn.load(tmp_path / "real" / "m").parameters(), model(seed=seed).parameters())


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_a_new_file_has_the_mode_that_the_umask_gives(tmp_path, umask):
    before = os.umask(umask)
    try:
        model().save(tmp_path / "m")
        assert os.umask(umask) == umask  # looked at, and put back
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "m").stat().st_mode) == 0o666 & ~umask


def test_an_overwritten_file_keeps_its_mode(tmp_path):
    model().save(tmp_path / "m")
    (tmp_path / "m").chmod(0o640)
    model().save(tmp_path / "m")
    assert stat.S_IMODE((tmp_path / "m").stat().st_mode) == 0o640


def test_directories_and_devices_are_refused(tmp_path):
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "folder", os.devnull):
        with pytest.raises(OSError, match=f"{path}: not a regular file"):
            model().save(path)
    assert Path(os.devnull).is_char_device()
    with pytest.raises(FileNotFoundError, match=r"nowhere/m'$"):  # names the path that was given
        model().save(tmp_path / "nowhere" / "m")
    assert sorted(tmp_path.iterdir()) == [tmp_path / "folder"]


def test_the_longest_name_that_the_system_takes_can_be_saved(tmp_path):
    path = tmp_path / ("m" * os.pathconf(tmp_path, "PC_NAME_MAX"))
    model().save(path)
    assert list(tmp_path.iterdir()) == [path]
    fastrnn.load(path)


FULL = """
import resource, sys
import fastrnn
big = fastrnn.Sequential(fastrnn.Linear(64, 64))
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
try:
    big.save(sys.argv[1])
except OSError as error:
    print(type(error).__name__, error)
"""


def test_a_full_disk_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "m"
    model().save(path)
    before = path.read_bytes()
    result = subprocess.run([sys.executable, "-c", FULL, path], capture_output=True, text=True, check=True)
    assert result.stdout.startswith("OSError [Errno 27] File too large")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupt_while_writing_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "m"
    model().save(path)
    before = path.read_bytes()

    def interrupt(_handle):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        model(seed=1).save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
