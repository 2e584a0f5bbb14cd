"""EncoderDecoder: one sequence in, another of any other length out.

N pairs of sequences, S steps of the source, T steps of the target.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastrnn._validation import (
    Seed,
    a_share,
    as_generator,
    as_ids,
    as_real,
    checked_lengths,
    expect_shape,
    positive_float,
    positive_int,
    shown,
    steps_that_count,
)
from fastrnn.layers.base import Array, Gradients, Layer, State, Tape
from fastrnn.layers.beam import beam_search
from fastrnn.layers.generation import gives_classes
from fastrnn.layers.model import Model
from fastrnn.layers.recurrent import Recurrent
from fastrnn.layers.sequential import Sequential

Pair = tuple[ArrayLike, ArrayLike]
Lengths = tuple[ArrayLike | None, ArrayLike | None] | None


class _Recorded(NamedTuple):
    encoder: Tape
    decoder: Tape
    encoded: tuple[int, ...]  # the shape of the encoder's output


class EncoderDecoder(Model):
    """Two chains of layers: what the first remembers of the source is where the second starts.

    Cho et al. (2014), "Learning phrase representations using RNN encoder-decoder"; Sutskever, Vinyals & Le (2014),
    "Sequence to sequence learning with neural networks".

    Parameters
    ----------
    encoder : Sequential
        It ends in an `RNN`, `LSTM` or `GRU`; its output is not used, its final state is handed over.
    decoder : Sequential
        It has one `RNN`, `LSTM` or `GRU`, forwards alone, with a state of the same form and sizes. In training it takes
        the target, shifted by a step: ``start, y_1, …, y_{T-1}``, and gives ``y_1, …, y_T``.
    teacher_forcing : float
        With what probability a step of the decoder takes what it is given, in training; else what it gave itself at
        the step before (scheduled sampling: Bengio et al. 2015), its likeliest class or its output, nothing being
        dropped. The first step always takes what it is given, and no gradient flows back through what it takes. The
        attribute may be changed between epochs.

    Examples
    --------
    >>> import fastrnn
    >>> encoder = fastrnn.Sequential(fastrnn.Embedding(12, 8), fastrnn.GRU(8, 16))
    >>> decoder = fastrnn.Sequential(fastrnn.Embedding(12, 8), fastrnn.GRU(8, 16), fastrnn.Linear(16, 12))
    >>> model = fastrnn.EncoderDecoder(encoder, decoder)
    >>> model(([[1, 2, 3, 4]], [[11, 5]])).shape  # logits of two steps after four
    (1, 2, 12)
    >>> model.decode([[1, 2, 3, 4]], start=11, steps=3)[0].shape
    (3,)
    """

    def __init__(self, encoder: Sequential, decoder: Sequential, *, teacher_forcing: float = 1.0) -> None:
        for name, part in (("encoder", encoder), ("decoder", decoder)):
            if not isinstance(part, Sequential):
                raise TypeError(f"{name}: expected a Sequential, got {shown(part)}")
        self.encoder, self.decoder = encoder, decoder
        self.dtype = decoder.dtype
        self._place = self._recurrent_place()
        self.teacher_forcing = teacher_forcing

    @property
    def link(self) -> str | None:
        """What turns the output into probabilities: the decoder's."""
        return self.decoder.link

    @link.setter
    def link(self, link: str | None) -> None:
        self.decoder.link = link

    @property
    def teacher_forcing(self) -> float:
        """With what probability a step of the decoder takes what it is given, in training."""
        return self._teacher_forcing

    @teacher_forcing.setter
    def teacher_forcing(self, share: float) -> None:
        self._teacher_forcing = a_share("teacher_forcing", share)
        if share < 1:
            self._expect_feedback("teacher_forcing: expected 1")

    def _recurrent_place(self) -> int:
        """Return where the decoder's recurrent layer is; refuse what can't be handed over."""
        last = self.encoder.layers[-1]
        if not isinstance(last, Recurrent):
            raise ValueError(f"encoder: expected an RNN, LSTM or GRU at its end, got {last!r}")
        places = [i for i, layer in enumerate(self.decoder.layers) if layer.recurrent]
        taker = self.decoder.layers[places[0]] if len(places) == 1 else None
        if not isinstance(taker, Recurrent):
            raise ValueError(
                f"decoder: expected one RNN, LSTM or GRU, and no other layer over time, in {self.decoder!r}"
            )
        if taker.bidirectional:
            raise ValueError(f"decoder: expected one that goes forwards alone, step by step, got {taker!r}")
        forms = [(layer._state_names, layer._state_shape(1), layer.dtype) for layer in (last, taker)]
        if forms[0] != forms[1]:
            raise ValueError(f"encoder, decoder: expected states of one form, got those of {last!r} and {taker!r}")
        if set(map(id, self.encoder.parameters().values())) & set(map(id, self.decoder.parameters().values())):
            raise ValueError("encoder, decoder: got a layer that both have; they can't share parameters")
        if self.decoder.timed != [True] * len(self.decoder.timed):
            raise ValueError(f"decoder: expected a model that gives an output at every step, got {self.decoder!r}")
        return places[0]

    def _expect_feedback(self, what: str) -> None:
        sizes = self.decoder.sizes
        if sizes[0] != sizes[-1]:
            raise ValueError(f"{what}, as the decoder can't take what it gives: {sizes[-1]} outputs, {sizes[0]} inputs")

    # ---- the protocol ----

    @property
    def random(self) -> bool:  # type: ignore[override]
        """Whether `record` draws random numbers."""
        return self.teacher_forcing < 1 or super().random

    def encode(self, source: ArrayLike, *, lengths: ArrayLike | None = None) -> tuple[State, ...]:
        """Return the state in which the decoder starts after a source, as `Sequential.generate` takes it."""
        return self._handed(self.encoder.forward(source, lengths=lengths)[1])

    def _handed(self, states: tuple[State, ...]) -> tuple[State, ...]:
        return tuple(states[-1] if i == self._place else None for i in range(len(self.decoder.layers)))

    def __call__(self, x: Pair, *, lengths: Lengths = None) -> Array:  # type: ignore[override]
        """Return the decoder's output for what it is given.

        Parameters
        ----------
        x : tuple (source, inputs)
            The source (N, S, F), or ids (N, S), and what the decoder takes (N, T, F), or ids (N, T).
        lengths : tuple (of the sources, of the targets), optional
            Integers (N,) each, or None.

        Returns
        -------
        ndarray (N, T, K)
            Zero beyond a target's length.
        """
        return self.forward(x, lengths=lengths)[0]

    def forward(self, x: Pair, state: State = None, *, lengths: Lengths = None) -> tuple[Array, State]:  # type: ignore[override]
        """Return ``(output, the decoder's final states)``; ``state`` is the encoder's initial one."""
        source, inputs, source_lengths, target_lengths = _parts(x, lengths)
        _, states = self.encoder.forward(source, state, lengths=source_lengths)
        return self.decoder.forward(inputs, self._handed(states), lengths=target_lengths)

    def record(  # type: ignore[override]
        self, x: Pair, state: State = None, *, lengths: Lengths = None, seed: Seed = None
    ) -> tuple[Array, State, Tape]:
        """Run as calling does, but with teacher forcing by share and what layers do in training alone.

        Parameters
        ----------
        x, lengths
            As for a call.
        state : tuple, optional
            The encoder's initial states.
        seed : int or numpy.random.Generator, optional
            Of teacher forcing and of random layers.

        Returns
        -------
        output, states, tape
            The states are the decoder's final ones.
        """
        source, inputs, source_lengths, target_lengths = _parts(x, lengths)
        rng = as_generator(seed)
        encoded, states, encoder_tape = self.encoder.record(source, state, lengths=source_lengths, seed=rng)
        start = self._handed(states)
        if self.teacher_forcing < 1:
            inputs = self._mixed(inputs, start, target_lengths, rng)
        output, ends, decoder_tape = self.decoder.record(inputs, start, lengths=target_lengths, seed=rng)
        return output, ends, self._tape(_Recorded(encoder_tape, decoder_tape, encoded.shape))

    def _mixed(
        self, inputs: ArrayLike, start: tuple[State, ...], lengths: ArrayLike | None, rng: np.random.Generator
    ) -> Array:
        """Return what the decoder takes (N, T[, F]): step by step what it is given, or what it gave itself."""
        decoder = self.decoder
        taken: Array = np.array(as_ids("x[1]", inputs) if decoder.takes_ids else as_real("x[1]", inputs, self.dtype))
        own = rng.random(taken.shape[:2]) >= self.teacher_forcing
        if taken.ndim + decoder.takes_ids != 3 or 0 in taken.shape[:2]:
            return taken  # which the decoder refuses, or has nothing to do with
        if lengths is not None:  # padding is never read
            taken[~steps_that_count(checked_lengths(lengths, *taken.shape[1::-1]), taken.shape[1])] = 0
        stream = decoder.stream(start, len(taken))
        for t in range(taken.shape[1] - 1):
            fed = self._fed(stream.step(np.ascontiguousarray(taken[:, t])))
            taken[own[:, t + 1], t + 1] = fed[own[:, t + 1]]
        return taken

    def _fed(self, output: Array) -> Array:
        """Return what an output (N, K) is as the next input: its likeliest class, or itself."""
        if not gives_classes(self.decoder):
            return output
        best: Array = output.argmax(axis=-1)
        one_hot: Array = np.eye(output.shape[-1], dtype=self.dtype)
        return best if self.decoder.takes_ids else one_hot[best]

    def backward(self, tape: Tape, grad_output: ArrayLike, grad_state: State = None) -> Gradients:
        """Return the gradients; ``x`` is a tuple, that of the source and that of what the decoder took."""
        recorded: _Recorded = self._open(tape)
        decoder = self.decoder.backward(recorded.decoder, grad_output, grad_state)
        nothing = np.zeros(recorded.encoded, self.dtype)
        ends = (*[None] * (len(self.encoder.layers) - 1), decoder.state[self._place])
        encoder = self.encoder.backward(recorded.encoder, nothing, ends)
        grads = self.named("encoder", encoder.parameters) | self.named("decoder", decoder.parameters)
        return Gradients((encoder.x, decoder.x), encoder.state, {name: grads[name] for name in self.parameters()})

    # ---- decoding ----

    def decode(
        self,
        source: ArrayLike,
        *,
        start: int,
        steps: int,
        stop: int | None = None,
        beam: int = 1,
        length_penalty: float = 0.0,
        lengths: ArrayLike | None = None,
    ) -> list[NDArray[np.int64]]:
        """Return the likeliest target found for each source, its classes one after another.

        Parameters
        ----------
        source : array_like (N, S, F), or of ids (N, S)
        start : int
            The class that the decoder takes first.
        steps : int
            How long a target may get.
        stop : int, optional
            The class that ends a target; it is not returned. Without one all targets have ``steps`` steps.
        beam : int
            How many beginnings are followed at a time (Graves 2012; Sutskever et al. 2014); 1 is greedy.
        length_penalty : float
            Targets are compared by log-probability / length^penalty, the stop counted: 0 favours short ones; below 100.
        lengths : array_like of int (N,), optional
            Of the sources.

        Returns
        -------
        list of ndarray of int64
        """
        steps, beam = positive_int("steps", steps), positive_int("beam", beam)
        if not gives_classes(self.decoder):
            raise ValueError(
                "decode: this decoder's outputs are no classes; "
                "use model.decoder.generate(first, steps, state=model.encode(source))"
            )
        self._expect_feedback("decode: expected classes that can be fed back")
        K = self.decoder.sizes[-1]
        expect_shape("start", as_ids("start", start, K), ())
        if stop is not None:
            expect_shape("stop", as_ids("stop", stop, K), ())
        length_penalty = positive_float("length_penalty", length_penalty, zero=True, below=100.0)
        if np.ndim(source) != 3 - self.encoder.takes_ids:
            raise ValueError(f"source: expected a batch, samples first, got shape {np.shape(source)}")
        states = self.encode(source, lengths=lengths)
        return beam_search(self.decoder, states, start, stop, steps, beam, length_penalty)

    def as_batch(self, x: Any) -> tuple[Array, Array]:  # type: ignore[override]
        """Return samples (source, inputs) as arrays that can be cut along their first axes.

        Raises
        ------
        ValueError, TypeError
            If x is no batch of what the model takes.
        """
        source, inputs, _, _ = _parts(x, None)
        return self.encoder.as_batch(source), self.decoder.as_batch(inputs)

    # ---- description, files ----

    def config(self) -> dict[str, Any]:
        """Return the configurations of both chains, and the share of teacher forcing."""
        return {
            "encoder": self.encoder.config(),
            "decoder": self.decoder.config(),
            "teacher_forcing": self.teacher_forcing,
        }

    def ends_in(self) -> Layer:
        """Return the decoder's last layer."""
        return self.decoder.ends_in()

    def __repr__(self) -> str:
        """Return the call that would build this model."""
        return f"EncoderDecoder({self.encoder!r}, {self.decoder!r}, teacher_forcing={self.teacher_forcing!r})"


def _parts(x: Any, lengths: Any) -> tuple[ArrayLike, ArrayLike, ArrayLike | None, ArrayLike | None]:
    """Return source, decoder inputs and the lengths of both."""
    if not isinstance(x, (tuple, list)) or len(x) != 2:
        raise TypeError(f"x: expected a tuple (source, what the decoder takes), got {shown(x)}")
    if lengths is not None and (not isinstance(lengths, (tuple, list)) or len(lengths) != 2):
        raise TypeError(f"lengths: expected a tuple (of the sources, of the targets), got {shown(lengths)}")
    rows = [np.shape(part)[0] if np.ndim(part) else None for part in x]
    if rows[0] != rows[1]:
        raise ValueError(f"x: expected as many sources as targets, got {rows[0]} and {rows[1]}")
    of_source, of_target = (None, None) if lengths is None else lengths
    return x[0], x[1], of_source, of_target
