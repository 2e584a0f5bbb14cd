"""Pictures: real files of the format that the suffix names, and clear errors, without Matplotlib too."""

import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import fastrnn
from fastrnn.plots import loss_curve, training

plt_image = pytest.importorskip("matplotlib.image")

LOSS = [1.0, 0.3, 0.1, 0.03]


@pytest.mark.parametrize("validation", [[], [1.1, 0.5, 0.2, 0.1]])
def test_a_png_has_a_size_and_lines_in_it(tmp_path, validation):
    path = tmp_path / "loss.png"
    loss_curve(fastrnn.History(LOSS, validation, [0.1] * 4), path)
    picture = plt_image.imread(path)
    assert picture.shape == (600, 1050, 4)  # 7 × 4 inches at 150 an inch
    colours = {tuple(c) for c in (picture[..., :3].reshape(-1, 3) * 255).round().astype(int)}
    blue, orange = (31, 119, 180), (255, 127, 14)  # Matplotlib's first two lines
    assert blue in colours
    assert (orange in colours) == bool(validation)


def test_an_svg_names_axes_title_and_lines(tmp_path):
    path = tmp_path / "loss.SVG"
    loss_curve(fastrnn.History(LOSS, LOSS, [0.1] * 4), str(path), title="The word udacity")
    text = path.read_text()
    ET.fromstring(text)  # well-formed
    # Matplotlib draws the glyphs and leaves the text in comments
    for words in ("The word udacity", "epoch", "loss", "training", "validation"):
        assert f"<!-- {words} -->" in text


def test_the_curve_falls_on_a_logarithmic_axis(tmp_path):
    """A loss that falls by the same factor an epoch is a straight line."""
    path = tmp_path / "loss.png"
    loss_curve(fastrnn.History([1.0, 0.1, 0.01], [], []), path)
    picture = (plt_image.imread(path)[..., :3] * 255).round().astype(int)
    rows, columns = np.nonzero((picture == (31, 119, 180)).all(axis=-1))
    left, middle, right = (np.median(rows[np.abs(columns - c) <= 2]) for c in np.quantile(columns, [0.02, 0.5, 0.98]))
    assert left < middle < right  # downwards is to higher rows
    assert abs((left + right) / 2 - middle) < 0.05 * (right - left)


@pytest.mark.parametrize("suffix", ["pdf", "png", "svg"])
def test_the_suffix_chooses_the_format(tmp_path, suffix):
    path = tmp_path / f"a.b.{suffix}"
    loss_curve(fastrnn.History(LOSS), path)
    starts = {"pdf": b"%PDF", "png": b"\x89PNG", "svg": b"<?xml"}
    assert path.read_bytes().startswith(starts[suffix])
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("losses", [[1.0], [0.5, 0.0], [0.0, 0.0], [], [np.nan, 1.0]])
def test_odd_histories_are_drawn_without_a_warning(tmp_path, losses):
    loss_curve(fastrnn.History(losses), tmp_path / "loss.png")
    assert plt_image.imread(tmp_path / "loss.png").shape[2] == 4


@pytest.mark.parametrize("name", ["loss.xyz", "loss", "loss.safetensors", ".png"])
def test_other_suffixes_are_refused_by_name(tmp_path, name):
    with pytest.raises(ValueError, match=r"^path: expected a suffix among .*\bpng\b.*, got '"):
        loss_curve(fastrnn.History(LOSS), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_an_old_picture_survives_a_failure(tmp_path):
    path = tmp_path / "loss.png"
    loss_curve(fastrnn.History(LOSS), path)
    before = path.read_bytes()
    with pytest.raises((TypeError, ValueError)):
        loss_curve(fastrnn.History(["not a number", object()]), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_without_matplotlib_the_error_names_the_extra(tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # importing it now raises ImportError
    with pytest.raises(ImportError, match=r"pip install 'fastrnn\[plot\]'"):
        loss_curve(fastrnn.History(LOSS), tmp_path / "loss.png")
    assert not list(tmp_path.iterdir())


# ---- a whole history ----


def full_history():
    history = fastrnn.History(LOSS, LOSS, [0.1] * 4, np.repeat(LOSS, 3).tolist())
    history.metrics = {"accuracy": [0.2, 0.4, 0.6, 0.7]}
    history.validation_metrics = {"accuracy": [0.2, 0.3, 0.4, 0.4], "bits": [3, 2, 1, 0.5]}
    history.learning_rate = [0.1, 0.1, 0.05, 0.01]
    return history


def test_a_history_has_a_panel_for_loss_each_metric_and_rate():
    panels = training(full_history()).axes
    assert [axes.get_ylabel() for axes in panels] == ["loss", "accuracy", "bits", "learning rate"]
    assert [axes.get_yscale() for axes in panels] == ["log", "linear", "linear", "log"]
    lines = {line.get_label(): line for line in panels[1].get_lines()}
    np.testing.assert_array_equal(lines["training"].get_xydata(), [[0.5, 0.2], [1.5, 0.4], [2.5, 0.6], [3.5, 0.7]])
    np.testing.assert_array_equal(lines["validation"].get_xydata(), [[1, 0.2], [2, 0.3], [3, 0.4], [4, 0.4]])
    np.testing.assert_array_equal(panels[3].get_lines()[0].get_ydata(), [0.1, 0.1, 0.05, 0.01, 0.01])
    assert panels[-1].get_xlabel() == "epoch"


@pytest.mark.parametrize("losses", [[], [1.0], LOSS])
def test_a_history_without_metrics_has_one_panel(losses, tmp_path):
    history = fastrnn.History(losses)
    for name in ("metrics", "validation_metrics", "learning_rate"):
        if hasattr(history, name):
            setattr(history, name, type(getattr(history, name))())
    assert [axes.get_ylabel() for axes in training(history).axes] == ["loss"]
    assert training(history, tmp_path / "h.png") is None
    assert plt_image.imread(tmp_path / "h.png").shape[2] == 4


def test_a_rate_of_zero_is_drawn_too():
    history = full_history()
    history.learning_rate = [0.1, 0.0]
    assert training(history).axes[-1].get_yscale() == "linear"
