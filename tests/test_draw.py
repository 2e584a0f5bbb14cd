"""draw: every weight by its name, every step, loops, and no word over another."""

import re
from itertools import combinations

import numpy as np
import pytest

import fastrnn as f

FigureCanvasAgg = pytest.importorskip("matplotlib.backends.backend_agg").FigureCanvasAgg

MODELS = {
    "one layer": lambda: f.Sequential(f.RNN(2, 8), f.Linear(8, 1)),
    "two layers": lambda: f.Sequential(f.LSTM(7, 32, 2), f.Linear(32, 1), f.Sigmoid()),
    "four layers": lambda: f.Sequential(f.GRU(2, 8, 4), f.Last(), f.Linear(8, 1)),
    "bidirectional": lambda: f.Sequential(f.LSTM(2, 8, 2, bidirectional=True), f.Linear(16, 1)),
    "jordan": lambda: f.Sequential(f.Jordan(3, 8, 2), f.GRU(2, 5)),
    "tdnn": lambda: f.Sequential(f.TDNN(3, 8, 3), f.Tanh(), f.MeanOverTime(), f.Linear(8, 2)),
    "tdnn, centred": lambda: f.Sequential(f.TDNN(3, 8, 5, causal=False, dilation=2), f.LSTM(8, 2)),
    "one to many": lambda: f.Sequential(f.Linear(3, 8), f.Tanh(), f.Repeat(5), f.RNN(8, 2)),
    "ids": lambda: f.Sequential(f.Embedding(30, 8), f.GRU(8, 16, bias=False), f.LayerNorm(16), f.Linear(16, 30)),
    "no time": lambda: f.Sequential(f.Linear(3, 8), f.ReLU(), f.Linear(8, 2), f.Softmax()),
}


def words(drawing):
    return [text.get_text() for text in drawing.axes[0].texts if text.get_text()]


def heads(drawing):
    """Return the arrows' last points."""
    patches = [p for p in drawing.axes[0].patches if type(p).__name__ == "FancyArrowPatch"]
    arrows = [p for p in patches if type(p.get_arrowstyle()).__name__ == "CurveFilledB"]
    return [tuple(np.round(p._path_original.vertices[-1], 6)) for p in arrows]


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("name", MODELS)
def test_words_neither_overlap_nor_leave_the_picture(name, steps):
    drawing = f.draw(MODELS[name](), steps)
    renderer = FigureCanvasAgg(drawing).get_renderer()
    texts = [text for text in drawing.axes[0].texts if text.get_text()]
    extents = [text.get_window_extent(renderer) for text in texts]
    width, height = drawing.get_size_inches() * drawing.dpi
    for text, box in zip(texts, extents, strict=True):
        assert box.x0 >= 0, text
        assert box.y0 >= 0, text
        assert box.x1 <= width, text
        assert box.y1 <= height, text
    for (a, one), (b, other) in combinations(zip(texts, extents, strict=True), 2):
        assert not one.overlaps(other), f"{a.get_text()} over {b.get_text()}"
    boxes = [p for p in drawing.axes[0].patches if type(p).__name__ == "FancyBboxPatch"]
    inside = {box.get_bbox().get_points().mean(axis=0).round(6).tobytes(): box for box in boxes}
    assert len(inside) == len(boxes)
    for text, extent in zip(texts, extents, strict=True):
        own = inside.get(np.round(text.get_position(), 6).tobytes())
        for box in boxes:
            frame = box.get_window_extent(renderer)
            if box is own:
                assert frame.x0 < extent.x0 < extent.x1 < frame.x1, text
            else:
                assert not extent.overlaps(frame), f"{text.get_text()} over a box"


@pytest.mark.parametrize("name", MODELS)
def test_every_weight_is_named_once_folded_and_once_a_step(name):
    model, steps = MODELS[name](), 3
    found = words(f.draw(model, steps))
    weights = [name for name, array in model.parameters().items() if array.ndim > 1]
    assert {word for word in found if re.match(r"\d+\.", word)} == set(weights)
    for weight in weights:
        i = int(weight.split(".")[0])
        times = 1 + (steps if model.timed[i + 1] else 1) if model.recurrent else 1
        assert found.count(weight) == times, weight


@pytest.mark.parametrize("name", MODELS)
def test_inputs_outputs_and_titles(name):
    model = MODELS[name]()
    found = words(f.draw(model, 4))
    for letter, timed in (("x", model.timed[0]), ("y", model.timed[-1])):
        expected = [f"${letter}_{t}$" for t in ("t", 1, 2, 3, 4)] if timed else [f"${letter}$"] * (1 + model.recurrent)
        own = [word for word in found if re.fullmatch(rf"\${letter}(_[1-9t])?\$", word)]
        assert own == expected
    assert ("folded" in found) == ("unfolded over 4 steps" in found) == model.recurrent
    assert "unfolded over 1 step" in words(f.draw(MODELS["one layer"](), 1))


@pytest.mark.parametrize(
    ("name", "state", "count"),
    [
        ("one layer", "$h_0$", 1),
        ("two layers", "$h_0$, $c_0$", 2),
        ("bidirectional", "$h_0$, $c_0$", 4),
        ("jordan", "$y_0$", 1),
    ],
)
def test_the_initial_state_stands_at_the_beginning(name, state, count):
    drawing = f.draw(MODELS[name]())
    at = [text.get_position() for text in drawing.axes[0].texts if text.get_text() == state]
    assert len(at) == count
    columns = [
        text.get_position()[0] for text in drawing.axes[0].texts if re.fullmatch(r"\$x_[123]\$", text.get_text())
    ]
    left = [x for x, _ in at if x < min(columns)]
    right = [x for x, _ in at if x > max(columns)]
    assert len(left) + len(right) == count
    assert len(right) == (count / 2 if name == "bidirectional" else 0)


@pytest.mark.parametrize(
    ("name", "arrows"),
    [
        # folded: up into each row and out, loops; unfolded over three steps likewise, and from step to step
        ("one layer", (2 + 1 + 1) + 3 * (2 + 1 + 1)),
        ("two layers", (4 + 1 + 2) + 3 * (4 + 1 + 2)),
        ("four layers", (6 + 1 + 4) + (3 * 4 + 2 + 1 + 3 * 4)),  # the last step alone goes on
        ("bidirectional", (2 * 2 + 1 + 1 + 4) + 3 * (2 * 2 + 1 + 1 + 4)),
        ("jordan", (3 + 1 + 2) + 3 * (3 + 1 + 2)),
        ("tdnn", (4 + 1) + (2 + 3 + 3) + (3 + 3 + 1 + 1)),  # from zeros to the first two: one arrow each
        ("one to many", (4 + 1 + 1) + (2 + 3 + 3 + 3 + 3)),
        ("no time", 4 + 1),
    ],
)
def test_the_number_of_arrows(name, arrows):
    assert len(heads(f.draw(MODELS[name](), 3))) == arrows


def test_boxes_say_what_they_are():
    assert words(f.draw(f.Sequential(f.Jordan(3, 8, 2), f.Last(), f.Tanh()), 2)).count("Jordan, hidden 8") == 3
    found = words(f.draw(MODELS["tdnn"](), 2))
    assert found.count("TDNN 8, window 3") == 3
    assert found.count("MeanOverTime") == 2
    assert found.count("0") == 1
    assert words(f.draw(MODELS["tdnn, centred"](), 2)).count("0") == 2


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_a_picture_is_written(tmp_path, suffix):
    path = tmp_path / f"model.{suffix}"
    assert f.draw(MODELS["two layers"](), path=path) is None
    assert path.read_bytes()[:4] in (b"\x89PNG", b"<?xm", b"%PDF")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("model", "options", "error", "message"),
    [
        (f.RNN(1, 2), {}, TypeError, "model: expected a Sequential, got RNN"),
        (f.Sequential(f.RNN(1, 2)), {"steps": 0}, ValueError, "steps: expected at least 1, got 0"),
        (f.Sequential(f.RNN(1, 2)), {"steps": 2.5}, TypeError, "steps: expected an int, got 2.5"),
        (f.Sequential(f.RNN(1, 2)), {"path": "model.txt"}, ValueError, "path: expected a suffix among"),
    ],
)
def test_what_can_not_be_drawn_is_refused(model, options, error, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        f.draw(model, **options)
    assert not list(tmp_path.iterdir())
