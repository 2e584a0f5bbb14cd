"""Metrics: by hand, as scikit-learn defines them; batch by batch as at once; functions; what is refused."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastrnn import metrics
from fastrnn.metrics import METRICS, Metric, Scored, as_metric

NAN = math.nan
LINKS = {"accuracy": ("softmax", "sigmoid"), "precision": ("softmax", "sigmoid"), "recall": ("softmax", "sigmoid"),
         "bits_per_character": ("softmax",), "r2": (None,), "mae": (None,), "mse": (None,)}  # fmt: skip
EVERY = [(name, link) for name, links in LINKS.items() for link in links]


def value(metric, prediction, target, weight=None, link="softmax", ignore=None):
    metric = as_metric(metric, link, ignore)
    metric.update(np.asarray(prediction, float), np.asarray(target), weight)
    return metric.result()


def logits(*classes, count=3):
    """Return rows whose largest logits are those of these classes."""
    return np.eye(count)[list(classes)] * 2 - 5


# true:      0 0 1 1 1 2      of class 0: 1 hit, 2 predicted, 2 right; 1: 2, 3, 3; 2: 0, 1, 1
# predicted: 0 1 1 1 2 0
TRUE, PREDICTED = [0, 0, 1, 1, 1, 2], logits(0, 1, 1, 1, 2, 0)


def test_classes_by_hand():
    assert value("accuracy", PREDICTED, TRUE) == pytest.approx(3 / 6)
    assert value("precision", PREDICTED, TRUE) == pytest.approx((1 / 2 + 2 / 3 + 0) / 3)
    assert value("recall", PREDICTED, TRUE) == pytest.approx((1 / 2 + 2 / 3 + 0) / 3)
    weight = [1, 2, 3, 1, 1, 2]
    assert value("accuracy", PREDICTED, TRUE, weight) == pytest.approx(5 / 10)
    assert value("precision", PREDICTED, TRUE, weight) == pytest.approx((1 / 3 + 4 / 6 + 0) / 3)
    assert value("recall", PREDICTED, TRUE, weight) == pytest.approx((1 / 3 + 4 / 5 + 0) / 3)


def test_classes_that_never_come_do_not_count():
    prediction = logits(0, 1, 1, count=9)
    assert value("precision", prediction, [0, 1, 4]) == pytest.approx((1 + 1 / 2 + 0) / 3)  # 4 was right, never said
    assert value("recall", prediction, [0, 0, 0]) == pytest.approx((1 / 3 + 0) / 2)  # 1 was said, never right


def test_binary_classes_by_hand():
    z, d = np.array([[2.0], [0.1], [-0.1], [-3.0], [1.0]]), np.array([[1], [0], [1], [0], [1]])
    assert value("accuracy", z, d, link="sigmoid") == 3 / 5
    assert value("precision", z, d, link="sigmoid") == 2 / 3
    assert value("recall", z, d, link="sigmoid") == 2 / 3
    assert value("precision", -abs(z), d, link="sigmoid") == 0.0  # none predicted: zero_division=0
    assert value("recall", z, 0 * d, link="sigmoid") == 0.0
    assert value("accuracy", [[0.0]], [[0]], link="sigmoid") == 1.0  # probability ½ is not above ½


def test_several_labels_by_hand():
    z, d = np.array([[1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]]), np.array([[1, 0], [0, 1], [1, 0]])
    assert value("accuracy", z, d, link="sigmoid") == pytest.approx(3 / 6)
    assert value("precision", z, d, link="sigmoid") == pytest.approx((1 / 2 + 1 / 2) / 2)
    assert value("recall", z, d, link="sigmoid") == pytest.approx((1 / 2 + 1) / 2)


def test_soft_targets_are_the_class_that_they_favour():
    soft = np.array([[0.6, 0.3, 0.1], [0.1, 0.1, 0.8]])
    assert value("accuracy", logits(0, 1), soft) == 0.5
    assert value("accuracy", [[3.0], [-3.0]], [[0.7], [0.4]], link="sigmoid") == 1.0


def test_bits_per_character_by_hand():
    z = np.log(np.array([[0.5, 0.25, 0.25], [0.125, 0.125, 0.75]]))
    assert value("bits_per_character", z, [0, 1]) == pytest.approx((1 + 3) / 2)
    assert value("bits_per_character", z, [0, 1], weight=[3, 1]) == pytest.approx((3 * 1 + 3) / 4)
    assert value("bits_per_character", z, [0, -100]) == pytest.approx(1)
    assert value("bits_per_character", z, [0, 2], ignore=2) == pytest.approx(1)


def test_errors_by_hand():
    y, d = [[1.0, 2.0], [3.0, 5.0]], [[0.0, 2.0], [3.0, 1.0]]
    assert value("mae", y, d, link=None) == 5 / 4
    assert value("mse", y, d, link=None) == 17 / 4
    assert value("mae", y, d, [3, 1], link=None) == 7 / 8
    assert value("mse", y, [[0.0, NAN], [NAN, 1.0]], link=None, ignore=NAN) == 17 / 2


def test_r2_by_hand():
    y, d = [[2.5], [0.0], [2.0], [8.0]], [[3.0], [-0.5], [2.0], [7.0]]  # the example of scikit-learn's r2_score
    assert value("r2", y, d, link=None) == pytest.approx(1 - 1.5 / 29.1875)
    # d̄ = (6 - ½ + 2 + 7)/5, Σ w (d - d̄)² = Σ w d² - 5 d̄²
    assert value("r2", y, d, [2, 1, 1, 1], link=None) == pytest.approx(1 - 1.75 / (71.25 - 14.5**2 / 5))
    two = np.hstack([y, d]), np.hstack([d, d])
    assert value("r2", *two, link=None) == pytest.approx((1 - 1.5 / 29.1875 + 1) / 2)
    assert value("r2", [[1.0], [1.0]], [[1.0], [1.0]], link=None) == 1.0
    assert value("r2", [[1.0], [2.0]], [[1.0], [1.0]], link=None) == 0.0
    assert math.isnan(value("r2", [[1.0]], [[1.0]], link=None))
    shifted = value("r2", np.add(y, 1e8), np.add(d, 1e8), link=None)
    assert shifted == pytest.approx(1 - 1.5 / 29.1875, rel=1e-6)  # Σ d² - n d̄² would have lost it


def draw(link, seed, shape=(6, 4, 3)):
    rng = np.random.default_rng(seed)
    prediction, weight = rng.standard_normal(shape), rng.random(shape[:-1]) + 0.1
    if link is None:
        return prediction, np.where(rng.random(shape) < 0.2, NAN, rng.standard_normal(shape)), weight
    if link == "sigmoid":
        return prediction, rng.integers(-1, 2, shape), weight
    return prediction, np.where(rng.random(shape[:-1]) < 0.2, -100, rng.integers(0, shape[-1], shape[:-1])), weight


@pytest.mark.parametrize(("name", "link"), EVERY)
@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), cut=st.integers(0, 6))
def test_batches_give_what_all_rows_at_once_give(name, link, seed, cut):
    ignore = NAN if link is None else None
    prediction, target, weight = draw(link, seed)
    metric = as_metric(name, link, ignore)
    metric.update(prediction, target)  # forgotten by start
    metric.start()
    for part in (slice(cut), slice(cut, None)):
        metric.update(prediction[part], target[part], weight[part])
    at_once = value(
        name, prediction.reshape(-1, 3), target.reshape(-1, *target.shape[2:]), weight.ravel(), link, ignore
    )
    assert metric.result() == pytest.approx(at_once, rel=1e-12, nan_ok=True)
    assert metric.result() == metric.result() or math.isnan(at_once)


@pytest.mark.parametrize(("name", "link"), EVERY)
def test_ignored_rows_are_as_if_they_were_not_there(name, link):
    prediction, target, weight = draw(link, 0, (40, 1) if link != "softmax" else (40, 3))
    kept = ~np.isnan(target) if link is None else target >= 0
    kept = kept if kept.ndim == 1 else kept[:, 0]
    assert 5 < kept.sum() < 40
    ignore = NAN if link is None else None
    expected = value(name, prediction[kept], target[kept], weight[kept], link)
    assert value(name, prediction, target, weight, link, ignore) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("name", "link"), EVERY)
def test_of_nothing_there_is_nothing_to_tell(name, link):
    metric = as_metric(name, link, NAN if link is None else None)
    assert math.isnan(metric.result())
    ignored = {"softmax": np.full(4, -100), "sigmoid": np.full((4, 3), -1), None: np.full((4, 3), NAN)}[link]
    metric.update(np.zeros((4, 3)), ignored)
    assert math.isnan(metric.result())
    assert metric.name == name
    assert isinstance(metric, Metric)
    assert repr(metric) == f"{type(metric).__name__}(name={name!r})"


def test_a_class_number_to_ignore():
    assert value("accuracy", logits(0, 1, 2), [0, 0, 2], ignore=0) == 1.0
    assert value("precision", logits(0, 1, 2), [0, 0, 2], ignore=0) == 1.0


# ---- functions ----


class Recorder:
    """A function that keeps what it was called with."""

    def __init__(self):
        self.calls = []

    def __call__(self, y_true, y_pred, sample_weight=None):
        self.calls.append((y_true, y_pred, sample_weight))
        return len(y_true)


def seen(link, prediction, targets, needs=None, weights=(None, None), ignore=None):
    """Return what a function is called with for two batches of a prediction."""
    function = Recorder()
    metric = as_metric(Scored(function, needs), link, ignore)
    for target, weight in zip(targets, weights, strict=True):
        metric.update(prediction, target, weight)
    assert metric.result() == len(function.calls[0][0])
    assert len(function.calls) == 1
    return function.calls[0]


def test_functions_see_class_numbers():
    true, predicted, weight = seen("softmax", logits(1, 2, 0), ([1, 2, 2], [0, -100, 1]))
    assert (true.tolist(), predicted.tolist(), weight) == ([1, 2, 2, 0, 1], [1, 2, 0, 1, 0], None)
    z = np.array([[1.0], [-1.0], [2.0]])
    true, predicted, _ = seen("sigmoid", z, ([[1.0], [0.0], [-1.0]], [[0.0], [1.0], [1.0]]))
    assert (true.tolist(), predicted.tolist()) == ([1, 0, 0, 1, 1], [1, 0, 1, 0, 1])
    assert true.dtype.kind == predicted.dtype.kind == "i"
    true, predicted, _ = seen("sigmoid", np.hstack([z, -z]), (np.ones((3, 2)), np.zeros((3, 2))))
    assert true.shape == predicted.shape == (6, 2)


def test_functions_see_probabilities_or_what_the_loss_gets():
    z = np.log([[1.0, 3.0], [1.0, 1.0]])
    for needs, expected in (("probability", [0.75, 0.5] * 2), ("prediction", [*z.tolist(), *z.tolist()])):
        np.testing.assert_allclose(seen("softmax", z, ([0, 1], [1, 1]), needs)[1], expected)
    three = np.log([[1.0, 2.0, 1.0]])
    np.testing.assert_allclose(seen("softmax", three, ([0], [1]), "probability")[1], [[0.25, 0.5, 0.25]] * 2)
    np.testing.assert_allclose(seen("sigmoid", z[:, 1:], ([[0], [1]], [[1], [1]]), "probability")[1], [0.75, 0.5] * 2)


def test_functions_see_numbers_as_they_are():
    y = np.arange(6.0).reshape(2, 3, 1)
    true, predicted, weight = seen(None, y, (y + 1, np.where(y == 4, NAN, y)), weights=([1, 2], None), ignore=NAN)
    assert true.tolist() == [1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 5]
    assert predicted.tolist() == [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 5]
    assert weight.tolist() == [1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1]


def test_what_functions_are_given_is_theirs():
    y, d = np.zeros((2, 1)), np.ones((2, 1))
    metric = as_metric(Recorder(), None)
    metric.update(y, d)
    y[:], d[:] = 7, 7  # buffers are used again for the next batch
    metric.update(y, d)
    metric.result()
    assert metric.function.calls[0][0].tolist() == [1, 1, 7, 7]
    assert metric.function.calls[0][1].tolist() == [0, 0, 7, 7]


def test_functions_with_names_and_without_weights():
    def spread(y_true, y_pred):
        return np.ptp(y_true - y_pred)

    metric = as_metric(spread, None)
    assert metric.name == "spread"
    assert value(spread, [[1.0], [2.0]], [[1.0], [4.0]], link=None) == 2.0
    with pytest.raises(TypeError, match=r"^metrics: 'spread' takes no sample_weight, but there are weights"):
        metric.update([[1.0]], [[1.0]], [2.0])
    assert Scored(spread, name="s").name == "s"
    assert as_metric(Recorder(), None).name == "Recorder"
    assert repr(Scored(len, "probability")) == "Scored(<built-in function len>, needs='probability', name='len')"


def test_a_metric_can_be_bound_twice():
    one = metrics.Accuracy()
    a, b = as_metric(one, "softmax"), as_metric(one, "sigmoid")
    a.update(logits(1, 2), [1, 2])
    b.update([[1.0]], [[0.0]])
    assert (a.result(), b.result()) == (1.0, 0.0)


def test_metrics_of_ones_own_are_taken_as_they_are():
    class Own:
        name = "own"

        def start(self): ...
        def update(self, prediction, target, weight=None): ...
        def result(self):
            return 1.0

    own = Own()
    assert as_metric(own, "softmax") is own


# ---- what is refused ----


@pytest.mark.parametrize("name", METRICS)
def test_predictions_that_a_metric_is_not_for(name):
    assert LINKS.keys() == METRICS.keys()
    for link in {None, "sigmoid", "softmax"} - set(LINKS[name]):
        with pytest.raises(ValueError, match=rf"^metrics: '{name}' is for losses whose link is .*, got {link!r}"):
            as_metric(name, link)


def test_wrong_metrics():
    with pytest.raises(ValueError, match=r"^metrics: expected one of 'accuracy', .* got 'f1'"):
        as_metric("f1", "softmax")
    with pytest.raises(TypeError, match=r"^metrics: expected a metric such as Accuracy\(\), got the class itself"):
        as_metric(metrics.Accuracy, "softmax")
    for wrong in (None, 3, [len]):
        with pytest.raises(TypeError, match=r"^metrics: expected a name, a metric or a function"):
            as_metric(wrong, None)
    with pytest.raises(TypeError, match=r"^function: expected a function of \(y_true, y_pred\), got 3"):
        Scored(3)
    with pytest.raises(ValueError, match=r"^needs: expected one of 'class', 'probability', 'prediction', got 'p'"):
        Scored(len, "p")
    for needs in ("class", "probability"):
        with pytest.raises(ValueError, match=rf"^metrics: 'len' needs '{needs}', but the loss gives none"):
            as_metric(Scored(len, needs), None)


@pytest.mark.parametrize(("name", "link"), EVERY)
def test_shapes_that_do_not_fit(name, link):
    metric = as_metric(name, link)
    with pytest.raises(ValueError, match=r"^target: expected shape \("):
        metric.update(np.zeros((4, 3)), np.zeros(5, int))
    target = np.zeros(4, int) if link == "softmax" else np.zeros((4, 3))
    with pytest.raises(ValueError, match=r"^weight: expected shape \(4,\)"):
        metric.update(np.zeros((4, 3)), target, np.ones(3))
