"""Trainer: what is trained and how; `Trainer.fit` hands the loop to fitting.py."""

from collections.abc import Sequence
from os import PathLike
from typing import Any, TextIO

import numpy as np
from numpy.typing import ArrayLike

from fastrnn._validation import Seed, a_bool, as_generator, positive_float, positive_int, shown
from fastrnn.data import Dataset
from fastrnn.layers import Model, Sigmoid, Softmax
from fastrnn.losses import Loss, as_loss
from fastrnn.metrics import as_metrics
from fastrnn.optimizers import Adam, Optimizer
from fastrnn.schedules import Schedule, as_schedule
from fastrnn.trainer.callbacks import as_callbacks
from fastrnn.trainer.checkpoint import Checkpoint
from fastrnn.trainer.checks import expect_carries
from fastrnn.trainer.chunks import as_truncation
from fastrnn.trainer.fitting import Fit
from fastrnn.trainer.history import History
from fastrnn.trainer.learner import Learner
from fastrnn.trainer.measuring import measure
from fastrnn.trainer.progress import Progress
from fastrnn.trainer.rates import RangeTest, find
from fastrnn.trainer.sources import EVALUATED, Source, batch_of, held_out_of, source_of
from fastrnn.trainer.updates import Limits


class Trainer:
    """Fits a model to data.

    Parameters
    ----------
    model : Model
        A `Sequential`, an `EncoderDecoder`, or a model of one's own; its input has the samples first.
    loss : {"squared_error", "mse", "mae", "huber", "bce", "cross_entropy"} or Loss
        "bce" and "cross_entropy" take logits: the model must not end in Sigmoid or Softmax.
    optimizer : Optimizer, optional
        Adam() if not given.
    clip_norm : float or None
        Largest global norm of the gradient; a larger one is scaled back. None: no clipping.
    clip_value : float, optional
        Largest absolute value of each element of the gradient; clipped before ``clip_norm``.
    clip_state : float, optional
        Largest norm, of each sequence, of the gradient that flows back through the state of an RNN, LSTM or GRU layer
        from a step to the one before; see `Recurrent.backward`.
    tbptt : int or (int, int), optional
        Truncated backpropagation through time: an update every k steps, with the state carried on; of a tuple (k1, k2)
        an update every k1 steps, from errors that flow back through k2 (Williams & Peng 1990). None: through whole
        sequences.
    accumulate : int
        How many batches, or with ``tbptt`` windows, have their gradients averaged for one update.
    schedule : Schedule or callable, optional
        What the learning rate does; see `fastrnn.schedules`.
    metrics : sequence of str, callable or Metric
        What to measure besides the loss: see `fastrnn.metrics`.
    seed : int or numpy.random.Generator, optional
        Of shuffling, of the validation share and of what layers draw.

    Examples
    --------
    >>> import fastrnn, numpy as np
    >>> x = np.random.default_rng(0).normal(size=(64, 10, 1))
    >>> y = np.cumsum(x, axis=1)
    >>> model = fastrnn.Sequential(fastrnn.RNN(1, 8, seed=0), fastrnn.Linear(8, 1, seed=0))
    >>> trainer = fastrnn.Trainer(model, loss="mse", optimizer=fastrnn.Adam(1e-2), seed=0)
    >>> history = trainer.fit(x, y, epochs=30, verbose=0)
    >>> history.loss[-1] < history.loss[0] / 5
    True
    """

    def __init__(
        self,
        model: Model,
        loss: str | Loss,
        optimizer: Optimizer | None = None,
        *,
        clip_norm: float | None = 1.0,
        clip_value: float | None = None,
        clip_state: float | None = None,
        tbptt: int | tuple[int, int] | None = None,
        accumulate: int = 1,
        schedule: Schedule | None = None,
        metrics: Sequence[Any] = (),
        seed: Seed = None,
    ) -> None:
        if not isinstance(model, Model):
            raise TypeError(f"model: expected a Sequential or another Model, got {type(model).__name__}")
        chosen, fitting = Adam() if optimizer is None else optimizer, as_loss(loss)
        if isinstance(chosen, type) or not callable(getattr(chosen, "update", None)):
            raise TypeError(f"optimizer: expected one such as fastrnn.Adam(1e-3), got {shown(optimizer)}")
        if not getattr(chosen, "fits", lambda _: True)(model.parameters()):
            raise ValueError(
                "optimizer: expected a new one; this one has been at work on the parameters of another model"
            )
        names = ("clip_norm", "clip_value", "clip_state")
        given = zip(names, (clip_norm, clip_value, clip_state), strict=True)
        limits = Limits(*(None if limit is None else positive_float(name, limit) for name, limit in given))
        truncation = as_truncation(tbptt)
        if truncation is not None:
            expect_carries(model, "tbptt")
        self._learner = Learner(
            model,
            fitting,
            chosen,
            limits=limits,
            truncation=truncation,
            accumulate=positive_int("accumulate", accumulate),
            schedule=None if schedule is None else as_schedule(schedule),
            metrics=as_metrics(metrics, fitting.link, fitting.ignore),
            rng=as_generator(seed),
        )
        if self.loss.link and isinstance(model.ends_in(), (Sigmoid, Softmax)):
            raise ValueError(
                f"loss: {loss!r} takes logits, but the model ends in {model.ends_in()!r}; leave that layer out "
                "(predict_proba applies it)"
            )
        if self.loss.link:
            model.link = self.loss.link

    @property
    def model(self) -> Model:
        """What is trained."""
        return self._learner.model

    @property
    def loss(self) -> Loss:
        """What is made small."""
        return self._learner.loss

    @property
    def optimizer(self) -> Optimizer:
        """What changes the parameters."""
        return self._learner.optimizer

    @property
    def rng(self) -> np.random.Generator:
        """Where all random numbers come from."""
        return self._learner.rng

    @property
    def updates(self) -> int:
        """How often parameters were updated."""
        return self._learner.updates

    @property
    def epochs(self) -> int:
        """How many epochs have been trained."""
        return self._learner.epochs

    @property
    def gradient_norm(self) -> float:
        """The gradient's global norm at the last update, before clipping."""
        return self._learner.gradient_norm

    @property
    def numbers(self) -> tuple[str, ...]:
        """What is known after every epoch of the training that runs, as `History.latest` names it."""
        return self._learner.numbers

    def step(
        self, x: Any, y: Any, *, lengths: Any = None, sample_weight: ArrayLike | None = None, state: Any = None
    ) -> float:
        """Go through one batch, update the parameters, and return its loss from before.

        With ``accumulate`` there is an update only when so many batches have come, with ``tbptt`` one for each window.

        Raises
        ------
        FloatingPointError
            If the loss or the gradient is not finite; the parameters are left as they were.
        """
        return self._learner.train(batch_of(x, y, lengths, sample_weight), state)

    # ---- without training ----

    def evaluate(
        self,
        x: Any,
        y: Any = None,
        *,
        lengths: Any = None,
        sample_weight: ArrayLike | None = None,
        batch_size: int = EVALUATED,
    ) -> float:
        """Return the mean loss over some data, without training; takes what `fit` takes."""
        return self.score(x, y, lengths=lengths, sample_weight=sample_weight, batch_size=batch_size)["loss"]

    def score(
        self,
        x: Any,
        y: Any = None,
        *,
        lengths: Any = None,
        sample_weight: ArrayLike | None = None,
        batch_size: int = EVALUATED,
    ) -> dict[str, float]:
        """Return the mean loss, as ``loss``, and the metrics over some data, without training.

        Examples
        --------
        >>> import fastrnn, numpy as np
        >>> x = np.ones((8, 2))
        >>> trainer = fastrnn.Trainer(fastrnn.Sequential(fastrnn.Linear(2, 1)), "mse", metrics=["mae"])
        >>> list(trainer.score(x, x[:, :1]))
        ['loss', 'mae']
        """
        source = self._source(x, y, lengths, sample_weight, positive_int("batch_size", batch_size), shuffle=False)
        return measure(self._learner, source)

    def _source(self, x: Any, y: Any, lengths: Any, weight: Any, batch_size: int, **order: bool) -> Source:
        """Return where batches come from, having seen that the data fit the model and the loss."""
        return source_of(self.model, self.loss, x, y, lengths, weight, batch_size, **order)

    # ---- training ----

    def fit(
        self,
        x: Any,
        y: Any = None,
        *,
        lengths: Any = None,
        sample_weight: ArrayLike | None = None,
        epochs: int = 20,
        batch_size: int = 32,
        shuffle: bool | None = None,
        bucket: bool = False,
        stateful: bool = False,
        validation: float | tuple[Any, ...] | Dataset | None = None,
        callbacks: Sequence[Any] = (),
        checkpoint: str | PathLike[str] | Checkpoint | None = None,
        resume: bool = False,
        verbose: int = 1,
        file: TextIO | None = None,
    ) -> History:
        """Train.

        Parameters
        ----------
        x, y : array_like, or lists of arrays
            Samples first: x (N, T, F), or ids (N, T), and y (N, T, K), or y (N, T) class numbers for "cross_entropy"; y
            is without T where the output is. Sequences of different lengths are lists of arrays (T_i, F) and (T_i, K).
            Or, with y left out, x is a `fastrnn.data.Dataset`, or batches ``(x, y)``, ``(x, y, lengths)`` or ``(x, y,
            lengths, weight)``: an iterable that can be gone through once an epoch, or a function that returns one.
        lengths : array_like of int (N,), optional
            How many steps of each padded sequence count.
        sample_weight : array_like (N,) or (N, T), optional
            How much each sample, or step, counts in the loss.
        epochs : int
            How often to go through the data.
        batch_size : int
            Samples whose gradients are averaged for one update.
        shuffle : bool, optional
            Whether every epoch takes the samples in another order; yes if not given, unless `stateful`.
        bucket : bool
            Whether batches are made of sequences of like length.
        stateful : bool
            Whether each batch begins with the state in which the batch before it ended, from the second batch of an
            epoch on: row i of a batch is then the continuation of row i of the one before.
        validation : float in (0, 1), tuple (x, y) or (x, y, lengths), or Dataset, optional
            A share of the samples kept out of training, drawn by the seed, or the end where they are windows of one
            series; or data of its own.
        callbacks : sequence of Callback or callable
            A plain function is called after every epoch as ``callback(trainer, history)``; True ends the training.
        checkpoint : path or Checkpoint, optional
            The directory into which everything that is needed to go on is written every minute, or as often as a
            `fastrnn.Checkpoint` says, and at the end.
        resume : bool
            Whether to go on from the checkpoint, if there is one; the other arguments have to be the same, but for
            more epochs. The parameters come out as if there had been no break, bit for bit.
        verbose : {0, 1}
            Whether to show a progress bar.
        file : text file, optional
            Where the bar goes; standard error if not given.

        Returns
        -------
        History
            Also after an interrupt (Ctrl-C): the first one ends training after the update it is at, a second one at
            once, by KeyboardInterrupt.

        Raises
        ------
        ValueError, TypeError
            If the data do not fit the model or are not finite, before any training.
        CheckpointError, FileExistsError, OSError
            If the checkpoint is damaged, another training's, in the way, or can't be written.
        FloatingPointError
            If the loss or a gradient is no longer finite; it names the layer.
        """
        epochs, batch_size = positive_int("epochs", epochs), positive_int("batch_size", batch_size)
        if verbose not in (0, 1):
            raise ValueError(f"verbose: expected 0 or 1, got {shown(verbose)}")
        found = as_callbacks(callbacks)
        stateful, bucket = a_bool("stateful", stateful), a_bool("bucket", bucket)
        shuffle = not stateful if shuffle is None else a_bool("shuffle", shuffle)
        if a_bool("resume", resume) and checkpoint is None:
            raise ValueError("resume: expected a checkpoint to go on from; pass checkpoint= as well")
        if checkpoint is not None and not isinstance(checkpoint, Checkpoint):
            checkpoint = Checkpoint(checkpoint)
        if stateful:
            expect_carries(self.model, "stateful")
            if shuffle and not (y is None and not isinstance(x, Dataset)):
                raise ValueError("stateful: expected shuffle=False, as the rows of a batch go on in the next")
            if isinstance(validation, (int, float)):
                raise ValueError("stateful: expected validation data of their own, as a share is drawn at random")
        source = self._source(x, y, lengths, sample_weight, batch_size, shuffle=shuffle, bucket=bucket)
        held_out = held_out_of(self.model, self.loss, validation, source)
        share = validation is not None and held_out is None
        fit = Fit(self, self._learner, source, held_out, found, checkpoint, epochs=epochs, stateful=stateful)
        fit.prepare(resume=resume, share=float(validation) if share else None)  # type: ignore[arg-type]
        with Progress(epochs, fit.source.steps, verbose, file, fit.done) as bar:
            return fit.run(bar)

    def find_learning_rate(
        self,
        x: Any,
        y: Any = None,
        *,
        lengths: Any = None,
        sample_weight: ArrayLike | None = None,
        batch_size: int = 32,
        low: float = 1e-6,
        high: float = 1.0,
        steps: int = 100,
    ) -> RangeTest:
        """Return what the loss does while the learning rate grows; neither the model nor the optimiser changes.

        Parameters
        ----------
        x, y, lengths, sample_weight, batch_size
            As for `fit`.
        low, high : float
            The first and the last learning rate; in between it grows by a constant factor.
        steps : int
            How many updates; fewer if the loss runs away.

        Returns
        -------
        RangeTest
            Its ``suggestion`` is a learning rate; ``plot()`` draws the curve.

        Examples
        --------
        >>> import fastrnn, numpy as np
        >>> x = np.random.default_rng(0).normal(size=(64, 2))
        >>> trainer = fastrnn.Trainer(fastrnn.Sequential(fastrnn.Linear(2, 1, seed=0)), "mse", seed=0)
        >>> found = trainer.find_learning_rate(x, x[:, :1], low=1e-4, high=10)
        >>> 1e-2 < found.suggestion < 1
        True
        """
        source = self._source(x, y, lengths, sample_weight, positive_int("batch_size", batch_size), shuffle=True)
        return find(self._learner, source, low, high, steps)
