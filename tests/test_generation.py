"""generate: what a model puts out is what it takes next, for ids, one-hot classes and plain outputs."""

import numpy as np
import pytest

import fastrnn

V = 7


def ids_model(seed=0, **options):
    return fastrnn.Sequential(
        fastrnn.Embedding(V, 5, seed=seed), fastrnn.LSTM(5, 9, 2, seed=seed, **options), fastrnn.Linear(9, V, seed=seed)
    )


def one_hot_model(seed=0):
    model = fastrnn.Sequential(fastrnn.GRU(V, 9, seed=seed), fastrnn.Linear(9, V, seed=seed))
    model.link = "softmax"
    return model


def spread(model):
    """Make the outputs differ more, so that drawing has something to choose by."""
    model.layers[-1].parameters()["weight"][...] *= 4
    return model


def fed(model, classes):
    return classes if model.takes_ids else np.eye(V, dtype=np.float32)[classes]


@pytest.mark.parametrize("build", [ids_model, one_hot_model])
@pytest.mark.parametrize("rows", [None, 1, 3])
def test_greedy_is_the_largest_output_of_the_whole_sequence(build, rows):
    model, steps = spread(build()), 12
    prompt = np.random.default_rng(1).integers(0, V, (4,) if rows is None else (rows, 4))
    found = model.generate(fed(model, prompt), steps, temperature=0)
    assert found.dtype == np.int64
    assert found.shape == (*prompt.shape[:-1], steps)
    whole = model(fed(model, np.concatenate([prompt, found[..., :-1]], axis=-1)))
    np.testing.assert_array_equal(found, whole[..., 3:, :].argmax(-1))


def test_a_model_that_ends_in_softmax_draws_what_its_logits_would():
    model = spread(one_hot_model())
    twin = fastrnn.Sequential(*model.layers, fastrnn.Softmax())
    prompt = fed(model, np.array([1, 2]))
    for options in ({}, {"temperature": 0.5}, {"top_k": 3}):
        expected = model.generate(prompt, 50, seed=3, **options)
        np.testing.assert_array_equal(twin.generate(prompt, 50, seed=3, **options), expected)


def test_the_seed_decides_and_generators_go_on():
    model = spread(ids_model())
    first = model.generate([1], 40, seed=0)
    np.testing.assert_array_equal(model.generate([1], 40, seed=0), first)
    assert (model.generate([1], 40, seed=1) != first).any()
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(model.generate([1], 40, seed=rng), first)
    assert (model.generate([1], 40, seed=rng) != first).any()


def test_classes_are_drawn_with_the_models_probabilities():
    model = spread(ids_model())
    n = 20_000
    drawn = model.generate(np.full((n, 1), 2), 1, seed=0, temperature=1.5)[:, 0]
    logits = model([2])[-1].astype(float) / 1.5
    expected = np.exp(logits) / np.exp(logits).sum()
    sigma = np.sqrt(expected * (1 - expected) / n)
    assert (np.abs(np.bincount(drawn, minlength=V) / n - expected) < 5 * sigma).all()


def test_top_k_keeps_to_the_k_likeliest():
    model = ids_model()
    drawn = model.generate(np.full((2000, 1), 2), 1, seed=0, top_k=2)[:, 0]
    assert set(drawn.tolist()) == set(model([2])[-1].argsort()[-2:].tolist())


@pytest.mark.parametrize("rows", [None, 2])
def test_outputs_are_fed_back_as_they_are(rows):
    model = fastrnn.Sequential(fastrnn.RNN(3, 6, seed=0), fastrnn.Linear(6, 3, seed=0))
    x = np.random.default_rng(0).standard_normal((5, 3) if rows is None else (rows, 5, 3)).astype(np.float32)
    found = model.generate(x, 6)
    whole = model(np.concatenate([x, found[..., :-1, :]], axis=-2))
    np.testing.assert_allclose(found, whole[..., 4:, :], rtol=0, atol=1e-6)


def test_a_vector_may_stand_at_the_beginning_as_the_state():
    model = spread(ids_model())
    _, state = model.forward(np.array([[3, 1, 4, 1]]))
    expected = model.generate([[3, 1, 4, 1, 5]], 8, temperature=0)
    np.testing.assert_array_equal(model.generate([[5]], 8, state=state, temperature=0), expected)


def test_windowed_and_jordan_models_generate_too():
    for layer in (fastrnn.TDNN(2, 2, 3, seed=0), fastrnn.Jordan(2, 4, 2, seed=0)):
        model = fastrnn.Sequential(layer)
        x = np.random.default_rng(0).standard_normal((6, 2)).astype(np.float32)
        found = model.generate(x, 4)
        whole = model(np.concatenate([x, found[:-1]]))
        np.testing.assert_allclose(found, whole[5:], rtol=0, atol=1e-6)


WRONG = {
    "no steps": (lambda: ids_model().generate([1], 0), ValueError, "steps: expected at least 1, got 0"),
    "empty prompt": (lambda: ids_model().generate(np.empty(0, int), 3), ValueError, r"prompt: expected ids \(T,\)"),
    "no prompts": (lambda: ids_model().generate(np.empty((0, 3), int), 3), ValueError, r"prompt: expected ids \(T,\)"),
    "one id": (lambda: ids_model().generate(3, 3), ValueError, r"prompt: expected ids \(T,\) or \(N, T\)"),
    "unknown id": (lambda: ids_model().generate([7], 3), ValueError, "prompt: expected ids from 0 to 6, got 7"),
    "float ids": (lambda: ids_model().generate([1.0], 3), TypeError, "prompt: expected ids"),
    "cold": (lambda: ids_model().generate([1], 3, temperature=-1), ValueError, "temperature: expected a finite number"),
    "no class left": (lambda: ids_model().generate([1], 3, top_k=0), ValueError, "top_k: expected at least 1, got 0"),
    "sizes": (
        lambda: fastrnn.Sequential(fastrnn.RNN(3, 4)).generate(np.zeros((2, 3)), 3),
        ValueError,
        "generate: expected a model with as many outputs as inputs, got 4 and 3",
    ),
    "temperature of outputs": (
        lambda: fastrnn.Sequential(fastrnn.RNN(3, 3)).generate(np.zeros((2, 3)), 3, temperature=1.0),
        ValueError,
        "temperature, top_k: expected None",
    ),
    "bidirectional": (
        lambda: fastrnn.Sequential(fastrnn.RNN(4, 2, bidirectional=True)).generate(np.zeros((2, 4)), 3),
        ValueError,
        "stream: RNN is bidirectional",
    ),
}


@pytest.mark.parametrize(("call", "error", "message"), WRONG.values(), ids=WRONG)
def test_wrong_arguments_are_refused_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()
