"""EncoderDecoder: the state handed over, its gradient handed back, teacher forcing by share, greedy and beam search."""

from itertools import product

import numpy as np
import pytest

import fastrnn
from layer_table import same_bits

K, START, STOP = 5, 3, 4


def build(cell="GRU", dtype="float64", seed=0, teacher_forcing=1.0, layers=1, bias=4.0):
    def chain(last):
        layer = getattr(fastrnn, cell)(3, 6, layers, dtype=dtype, seed=rng)
        return fastrnn.Sequential(fastrnn.Embedding(K, 3, dtype=dtype, seed=rng), layer, *last)

    rng = np.random.default_rng(seed)
    model = fastrnn.EncoderDecoder(
        chain([]), chain([fastrnn.Linear(6, K, dtype=dtype, seed=rng)]), teacher_forcing=teacher_forcing
    )
    model.decoder.layers[-1].parameters()["weight"][...] *= bias  # outputs that differ
    return model


def batch(seed=0, N=4, S=6, T=5):
    rng = np.random.default_rng(seed)
    return rng.integers(0, K, (N, S)), rng.integers(0, K, (N, T))


@pytest.mark.parametrize("cell", ["RNN", "LSTM", "GRU"])
def test_it_is_the_two_chains_by_hand(cell):
    model, (source, inputs) = build(cell, layers=2), batch()
    _, states = model.encoder.forward(source)
    expected, ends = model.decoder.forward(inputs, (None, states[1], None))
    assert same_bits(model((source, inputs)), expected)
    output, final, _ = model.record((source, inputs))
    assert same_bits(output, expected)
    assert same_bits(final[1], ends[1])


@pytest.mark.parametrize("lengths", [None, ([3, 6, 1, 5], [5, 2, 4, 1])])
@pytest.mark.parametrize("cell", ["RNN", "LSTM", "GRU"])
def test_gradients_equal_finite_differences(cell, lengths):
    model, x = build(cell, bias=1.0), batch()
    output, _, tape = model.record(x, lengths=lengths)
    dy = np.random.default_rng(1).standard_normal(output.shape)
    grads = model.backward(tape, dy).parameters
    assert list(grads) == list(model.parameters())
    for name, array in model.parameters().items():
        index = tuple(np.random.default_rng(2).integers(0, array.shape))
        value, at = array[index], {}
        for k in (1, -1, 2, -2):
            array[index] = value + k * 1e-3
            at[k] = np.vdot(model(x, lengths=lengths), dy)
        array[index] = value
        numeric = (8 * (at[1] - at[-1]) - (at[2] - at[-2])) / 12e-3
        assert abs(numeric - grads[name][index]) < 1e-8, name


def test_padding_of_either_side_is_never_read():
    model, (source, inputs) = build(), batch()
    lengths = ([3, 6, 1, 5], [5, 2, 4, 1])
    expected = model((source, inputs), lengths=lengths)
    other, more = source.copy(), inputs.copy()
    for n, (s, t) in enumerate(zip(*lengths, strict=True)):
        other[n, s:], more[n, t:] = 0, 1
    assert same_bits(model((other, more), lengths=lengths), expected)


def test_without_teacher_forcing_it_takes_what_it_gave():
    model, (source, inputs) = build(teacher_forcing=0.0), batch()
    output, _, _ = model.record((source, inputs), seed=0)
    taken = inputs.copy()
    for t in range(1, inputs.shape[1]):
        taken[:, t] = model((source, taken[:, :t]))[:, -1].argmax(-1)
    assert (taken != inputs).any()
    np.testing.assert_allclose(output, model((source, taken)), rtol=0, atol=1e-12)


def test_a_share_of_the_steps_is_forced_by_seed():
    model, x = build(teacher_forcing=0.5), batch(N=30, T=9)
    outputs = [model.record(x, seed=seed)[0] for seed in (0, 0, 1)]
    assert same_bits(outputs[0], outputs[1])
    assert not same_bits(outputs[0], outputs[2])
    taken = model._mixed(x[1], model.encode(x[0]), None, np.random.default_rng(0))
    assert 0.2 < (taken == x[1])[:, 1:].mean() < 0.8
    assert (taken[:, 0] == x[1][:, 0]).all()
    model.teacher_forcing = 1.0
    assert same_bits(model.record(x, seed=0)[0], model(x))


def log_probability(model, source, target):
    logits = model((source[None], np.array([[START, *target[:-1]]])))[0]
    logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    return sum(logs[t, k] for t, k in enumerate(target))


@pytest.mark.parametrize("penalty", [0.0, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_a_beam_wide_enough_finds_the_best_of_all(seed, penalty):
    model, (source, _) = build(seed=seed), batch(seed)
    found = model.decode(source, start=START, stop=STOP, steps=3, beam=K**3, length_penalty=penalty)
    for n, one in enumerate(found):
        targets = [t for T in (1, 2, 3) for t in product(range(K), repeat=T) if STOP not in t[:-1]]
        targets = [t for t in targets if len(t) == 3 or t[-1] == STOP]
        best = max(targets, key=lambda t: log_probability(model, source[n], t) / len(t) ** penalty)
        assert tuple(one) == (best[:-1] if best[-1] == STOP else best)


@pytest.mark.parametrize("stop", [None, STOP])
def test_a_beam_of_one_is_greedy(stop):
    model, (source, _) = build(), batch()
    for n, one in enumerate(model.decode(source, start=START, stop=stop, steps=8)):
        taken = [START]
        while len(taken) <= 8:
            taken.append(int(model((source[n : n + 1], np.array([taken])))[0, -1].argmax()))
            if taken[-1] == stop:
                break
        assert one.tolist() == [k for k in taken[1:] if k != stop]


def test_a_wider_beam_finds_nothing_worse():
    model, (source, _) = build(), batch(N=6)
    scores = []
    for beam in (1, 3, 30):
        found = model.decode(source, start=START, steps=4, beam=beam)
        scores.append([log_probability(model, source[n], tuple(one)) for n, one in enumerate(found)])
    assert np.mean(scores[0]) <= np.mean(scores[1]) + 1e-12
    assert np.mean(scores[1]) <= np.mean(scores[2]) + 1e-12


def test_lengths_of_the_sources_count_in_decoding():
    model, (source, _) = build(), batch()
    found = model.decode(source, start=START, steps=6, lengths=[2, 6, 3, 1])
    alone = [model.decode(source[n : n + 1, :T], start=START, steps=6)[0] for n, T in enumerate([2, 6, 3, 1])]
    assert [one.tolist() for one in found] == [one.tolist() for one in alone]


def test_it_learns_to_turn_sequences_round():
    rng = np.random.default_rng(0)
    model = build("LSTM", "float32", bias=1.0)
    source = rng.integers(0, 3, (600, 4))
    target = source[:, ::-1]
    inputs = np.concatenate([np.full((600, 1), START), target[:, :-1]], axis=1)
    batches = [((source[i : i + 50], inputs[i : i + 50]), target[i : i + 50]) for i in range(0, 600, 50)]
    trainer = fastrnn.Trainer(model, "cross_entropy", fastrnn.Adam(0.03), seed=0)
    history = trainer.fit(batches, epochs=60, verbose=0)
    assert history.loss[-1] < 0.1 * history.loss[0]
    found = np.array(model.decode(source[:100], start=START, steps=4))
    assert (found == target[:100]).mean() > 0.95


@pytest.mark.parametrize("cell", ["RNN", "LSTM"])
def test_it_comes_back_from_a_file(tmp_path, cell):
    model, x = build(cell, teacher_forcing=0.25), batch()
    model.link = "softmax"
    assert model.decoder.link == "softmax"
    model.save(tmp_path / "m", {"by": "me"})
    again = fastrnn.load(tmp_path / "m")
    assert repr(again) == repr(model)
    assert again.link == "softmax"
    assert same_bits(again.parameters(), model.parameters())
    assert same_bits(again(x), model(x))


def test_a_damaged_file_is_refused(tmp_path):
    model = build()
    model.save(tmp_path / "m")
    text = (tmp_path / "m").read_bytes()
    for old, new in ((b"decoder", b"decoded"), (b"Linear", b"Linaer"), (b"teacher_forcing", b"teacher_farcing")):
        (tmp_path / "bad").write_bytes(text.replace(old, new))
        if old == b"teacher_forcing":  # an entry that is not there has its default
            assert fastrnn.load(tmp_path / "bad").teacher_forcing == 1.0
        else:
            with pytest.raises(fastrnn.ModelFileError):
                fastrnn.load(tmp_path / "bad")


def test_one_hot_classes_are_decoded_once_it_is_known_that_they_are_classes():
    model = regression()
    model.link = "softmax"
    (found,) = model.decode(np.ones((1, 3, 2)), start=0, steps=4)
    taken = [0]
    for _ in range(4):
        taken.append(int(model((np.ones((1, 3, 2)), np.eye(2)[taken][None]))[0, -1].argmax()))
    assert found.tolist() == taken[1:]


def regression(**options):
    encoder = fastrnn.Sequential(fastrnn.GRU(2, 6, seed=0))
    decoder = fastrnn.Sequential(fastrnn.GRU(2, 6, seed=1), fastrnn.Linear(6, 2, seed=2))
    return fastrnn.EncoderDecoder(encoder, decoder, **options)


def test_outputs_that_are_no_classes():
    model = regression(teacher_forcing=0.0)
    rng = np.random.default_rng(0)
    source, inputs = rng.standard_normal((3, 7, 2)), rng.standard_normal((3, 4, 2))
    output, _, tape = model.record((source, inputs), seed=0)
    free = model.decoder.generate(inputs[:, :1], 4, state=model.encode(source))
    np.testing.assert_allclose(output, free, rtol=0, atol=1e-6)
    grads = model.backward(tape, np.ones_like(output))
    assert [part.shape for part in grads.x] == [source.shape, inputs.shape]


def pair(encoder, decoder, **options):
    """Return a model of two chains of layers."""
    return fastrnn.EncoderDecoder(fastrnn.Sequential(*encoder), fastrnn.Sequential(*decoder), **options)


def gru(inputs=2, units=3, **options):
    return fastrnn.GRU(inputs, units, **options)


def test_padding_is_not_read_where_it_takes_what_it_gave():
    model, (source, inputs) = build(teacher_forcing=0.5), batch()
    lengths = ([3, 6, 1, 5], [5, 2, 4, 1])
    expected = model.record((source, inputs), lengths=lengths, seed=0)[0]
    for n, (s, t) in enumerate(zip(*lengths, strict=True)):
        source[n, s:] = inputs[n, t:] = -1
    assert same_bits(model.record((source, inputs), lengths=lengths, seed=0)[0], expected)


def test_no_pairs_and_no_samples():
    model = build(teacher_forcing=0.5)
    assert model.record((np.empty((0, 3), int), np.empty((0, 2), int)), seed=0)[0].shape == (0, 2, K)


def test_a_decoder_trained_on_classes_generates_classes():
    model = regression()
    model.link = "softmax"
    first = np.array([[[1.0, 0.0]]])
    found = model.decoder.generate(first, 3, state=model.encode(np.ones((1, 3, 2))), seed=0)
    assert found.dtype == np.int64
    assert model.predict_proba((np.ones((1, 3, 2)), first)).sum() == pytest.approx(1)


def with_nan(model):
    model.decoder.layers[-1].parameters()["bias"][0] = np.nan
    return model


def shared():
    layer = fastrnn.Embedding(K, 3)
    return pair([layer, gru(3, 4)], [layer, gru(3, 4)])


def set_share(value):
    build().teacher_forcing = value


WRONG = {
    "shared": (shared, ValueError, "^encoder, decoder: got a layer that both have"),
    "decoder's directions": (
        lambda: pair([gru(2, 3, num_layers=2)], [gru(2, 3, bidirectional=True)]),
        ValueError,
        "^decoder: expected one that goes forwards alone",
    ),
    "jordan": (lambda: pair([fastrnn.Jordan(2, 3, 3)], [gru()]), ValueError, "^encoder: expected an RNN, LSTM or GRU"),
    "share set": (lambda: set_share(float("nan")), ValueError, "^teacher_forcing: expected a number from 0 to 1"),
    "share's type": (lambda: set_share("a"), TypeError, "^teacher_forcing: expected a number from 0 to 1, got 'a'"),
    "starts": (
        lambda: build().decode(batch()[0], start=[1, 2], steps=3),
        ValueError,
        r"^start: expected shape \(\)",
    ),
    "no start": (lambda: build().decode(batch()[0], start=None, steps=3), TypeError, "^start: expected ids"),
    "penalty": (
        lambda: build().decode(batch()[0], start=0, steps=3, length_penalty=float("nan")),
        ValueError,
        "^length_penalty: expected a finite number",
    ),
    "one source": (lambda: build().decode(batch()[0][0], start=0, steps=3), ValueError, "^source: expected a batch"),
    "nan": (lambda: with_nan(build()).decode(batch()[0], start=0, steps=3), ValueError, "^decode: the model gives NaN"),
    "numbers": (
        lambda: build()((batch()[0], batch()[1][:2])),
        ValueError,
        "^x: expected as many sources as targets, got 4 and 2",
    ),
    "arrays to fit": (
        lambda: fastrnn.Trainer(build(), "cross_entropy").fit(batch()[0], batch()[1], verbose=0),
        TypeError,
        r"^x: expected a tuple \(source, what the decoder takes\)",
    ),
    "no chain": (lambda: fastrnn.EncoderDecoder(gru(), gru()), TypeError, "^encoder: expected a Sequential"),
    "end": (
        lambda: pair([gru(), fastrnn.Linear(3, 2)], [gru()]),
        ValueError,
        "^encoder: expected an RNN, LSTM or GRU at its end",
    ),
    "two": (
        lambda: pair([gru()], [gru(), fastrnn.GRU(3, 3)]),
        ValueError,
        "^decoder: expected one RNN, LSTM or GRU, and no other",
    ),
    "kinds": (
        lambda: pair([gru()], [fastrnn.LSTM(2, 3)]),
        ValueError,
        "^encoder, decoder: expected states of one form",
    ),
    "sizes": (lambda: pair([gru()], [fastrnn.GRU(2, 4)]), ValueError, "^encoder, decoder: expected states of one form"),
    "directions": (
        lambda: pair([gru(bidirectional=True)], [gru()]),
        ValueError,
        "^encoder, decoder: expected states of one form",
    ),
    "share": (
        lambda: build(teacher_forcing=1.5),
        ValueError,
        "^teacher_forcing: expected a number from 0 to 1, got 1.5",
    ),
    "feedback": (
        lambda: pair([gru()], [gru()], teacher_forcing=0.5),
        ValueError,
        "^teacher_forcing: expected 1, as the decoder",
    ),
    "x": (
        lambda: build()(np.zeros((2, 3), int)),
        TypeError,
        r"^x: expected a tuple \(source, what the decoder takes\)",
    ),
    "lengths": (lambda: build()(batch(), lengths=[1, 2, 3, 4]), TypeError, "^lengths: expected a tuple"),
    "start": (
        lambda: build().decode(batch()[0], start=K, steps=3),
        ValueError,
        "^start: expected ids from 0 to 4, got 5",
    ),
    "stop": (
        lambda: build().decode(batch()[0], start=0, stop=-1, steps=3),
        ValueError,
        "^stop: expected ids from 0 to 4, got -1",
    ),
    "beam": (
        lambda: build().decode(batch()[0], start=0, steps=3, beam=0),
        ValueError,
        "^beam: expected at least 1, got 0",
    ),
    "no classes": (
        lambda: regression().decode(np.zeros((1, 2, 2)), start=0, steps=3),
        ValueError,
        "^decode: this decoder's outputs are no classes",
    ),
}


@pytest.mark.parametrize(("call", "error", "message"), WRONG.values(), ids=WRONG)
def test_wrong_arguments_are_refused_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()
