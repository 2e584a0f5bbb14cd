"""Trainer: what is trained and how; `Trainer.fit` hands the loop to fitting.py."""

from collections.abc import Iterator, Sequence
from os import PathLike
from typing import Any, TextIO

import numpy as np
from numpy.typing import ArrayLike

from fastrnn._validation import Seed, a_bool, as_generator, positive_float, positive_int, shown
from fastrnn.data import Batch, Dataset
from fastrnn.layers import EncoderDecoder, Model, Sigmoid, Softmax
from fastrnn.losses import Loss, as_loss
from fastrnn.metrics import Metric, as_metric
from fastrnn.optimizers import Adam, Optimizer
from fastrnn.schedules import Schedule, as_schedule
from fastrnn.trainer.callbacks import as_callbacks
from fastrnn.trainer.checkpoint import Checkpoint
from fastrnn.trainer.checks import checked, expect_carries, output_lengths
from fastrnn.trainer.chunks import Chunk, as_truncation, cut, first_rows, whole
from fastrnn.trainer.fitting import Fit
from fastrnn.trainer.history import History
from fastrnn.trainer.progress import Progress
from fastrnn.trainer.rates import RangeTest, find
from fastrnn.trainer.sources import EVALUATED, FromDataset, FromIterable, Source
from fastrnn.trainer.updates import Limits, Picked, Updates, pick


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
        Largest norm, of each sequence, of the gradient that flows back through the state from a step to the one
        before; see `Recurrent.backward`.
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

    Attributes
    ----------
    updates, epochs : int
        How often parameters were updated, and how many epochs have been trained.
    gradient_norm : float
        The gradient's global norm at the last update, before clipping.

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
        self.model = model
        self.loss = as_loss(loss)
        self.optimizer = Adam() if optimizer is None else optimizer
        if isinstance(self.optimizer, type) or not callable(getattr(self.optimizer, "update", None)):
            raise TypeError(f"optimizer: expected one such as fastrnn.Adam(1e-3), got {shown(optimizer)}")
        names = ("clip_norm", "clip_value", "clip_state")
        given = zip(names, (clip_norm, clip_value, clip_state), strict=True)
        self.limits = Limits(*(None if limit is None else positive_float(name, limit) for name, limit in given))
        self.tbptt = as_truncation(tbptt)
        if tbptt is not None:
            expect_carries(model, "tbptt")
        self.accumulate = positive_int("accumulate", accumulate)
        self.schedule = None if schedule is None else as_schedule(schedule)
        if isinstance(metrics, (str, bytes)) or not isinstance(metrics, Sequence):
            raise TypeError(f"metrics: expected a list, got {shown(metrics)}")
        self.metrics: list[Metric] = [as_metric(metric, self.loss.link, self.loss.ignore) for metric in metrics]
        self.rng = as_generator(seed)
        self.updates = self.epochs = 0
        self.gradient_norm = 0.0
        self._initial_rate = self.optimizer.learning_rate
        self.renew()
        if self.loss.link and isinstance(model.ends_in(), (Sigmoid, Softmax)):
            raise ValueError(
                f"loss: {loss!r} takes logits, but the model ends in {model.ends_in()!r}; leave that layer out "
                "(predict_proba applies it)"
            )
        if self.loss.link:
            model.link = self.loss.link

    # ---- one batch ----

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
        return self.train(Batch(x, y, lengths, sample_weight), state)

    def train(self, batch: Batch, state: Any = None) -> float:
        """Do as `step` does, with a `fastrnn.data.Batch`."""
        self.model.link = self.loss.link  # what turns its output into probabilities from now on
        value = total = 0.0
        try:
            for chunk in self.chunks(batch):
                part, weight, state = self.advance(chunk, state)
                value, total = value + part, total + weight
        except BaseException:
            self.forget()
            raise
        return value / total if total else 0.0

    def renew(self) -> None:
        """Begin with no gradients, for the model and the optimiser as they are now."""
        self._updates = Updates(self.model, self.loss, self.optimizer, self.limits, self.accumulate)

    @property
    def settled(self) -> bool:
        """Whether no gradients wait for an update."""
        return self._updates.pending == 0

    def forget(self) -> None:
        """Drop gradients that wait for an update."""
        self._updates.forget()

    def chunks(self, batch: Batch) -> list[Chunk]:
        """Return the windows of a batch: one without truncation."""
        if self.tbptt is not None:
            return cut(batch, self.tbptt)
        return [whole(batch, output_lengths(self.model, batch.lengths))]

    def advance(self, chunk: Chunk, state: Any, metrics: Sequence[Metric] = ()) -> tuple[float, float, Any]:
        """Train on one window.

        Returns
        -------
        value, total : float
            The loss is value / total.
        state
            With which the next window begins.
        """
        batch = chunk.batch
        if state is not None:
            state = first_rows(state, len(batch.y))
        value, total, end = self._updates.add(chunk, state, self.rng, metrics)
        if chunk.advance is not None:
            short = None if batch.lengths is None else np.minimum(batch.lengths, chunk.advance)
            options = {} if short is None else {"lengths": short}
            end = self.model.forward(batch.x[:, : chunk.advance], state, **options)[1] if chunk.advance else state
        if self._updates.pending == self.accumulate:
            self.apply()
        return value, total, end

    def apply(self) -> None:
        """Update the parameters by the gradients that wait for it, if there are any."""
        if self.settled:
            return
        if self.schedule is not None:
            count = self.updates if self.schedule.per == "update" else self.epochs
            self.optimizer.learning_rate = self.schedule.rate(self._initial_rate, count)
        self.gradient_norm = self._updates.apply()
        self.updates += 1

    def end_epoch(self, history: History) -> None:
        """Let the schedule see how an epoch went."""
        self.epochs += 1
        observe = getattr(self.schedule, "observe", None)
        if observe is not None:
            observe((history.validation_loss or history.loss)[-1])

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
        """Return the mean loss, as ``loss``, and the metrics over some data, without training."""
        return self.measure(
            self.source(x, y, lengths, sample_weight, positive_int("batch_size", batch_size), shuffle=False)
        )

    def measure(self, source: Source) -> dict[str, float]:
        """Return the loss and the metrics over batches that have been checked."""
        value = total = 0.0
        for metric in self.metrics:
            metric.start()
        for batch in source.epoch(self.rng):
            for picked in self._predicted(batch):
                sums = self.loss.sums(*picked)
                value, total = value + sums.value, total + sums.total
                for metric in self.metrics:
                    metric.update(*picked)
        return {"loss": value / total if total else 0.0} | {metric.name: metric.result() for metric in self.metrics}

    def _predicted(self, batch: Batch) -> Iterator[Picked]:
        """Yield what the loss sees of a batch; window by window where training does so, as sequences may be long."""
        if self.tbptt is None:
            options = {} if batch.lengths is None else {"lengths": batch.lengths}
            output = np.asarray(self.model(batch.x, **options))
            yield pick(output, whole(batch, output_lengths(self.model, batch.lengths)))
            return
        state = None
        for chunk in cut(batch, (self.tbptt[1], self.tbptt[1])):
            x, y, lengths, _ = chunk.batch
            options = {} if lengths is None else {"lengths": lengths}
            output, state = self.model.forward(x, first_rows(state, len(y)), **options)
            yield pick(output, chunk)

    def source(
        self, x: Any, y: Any, lengths: Any, weight: Any, batch_size: int, *, shuffle: bool, bucket: bool = False
    ) -> Source:
        """Return where batches come from, having seen that the data fit the model and the loss."""
        if y is None and not isinstance(x, Dataset):
            if lengths is not None or weight is not None:
                raise ValueError("lengths, sample_weight: expected None where x is batches, which have their own")
            return FromIterable(x)
        if isinstance(x, Dataset):
            if not (y is None and lengths is None and weight is None):
                raise ValueError("y, lengths, sample_weight: expected None with a Dataset, which has its own")
            dataset = x
        else:
            several = isinstance(self.model, EncoderDecoder)
            dataset = Dataset(list(x) if isinstance(x, tuple) and not several else x, y, lengths=lengths, weight=weight)
        return FromDataset(checked(self.model, self.loss, dataset), batch_size, shuffle=shuffle, bucket=bucket)

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
        shuffle: bool = True,
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
        shuffle : bool
            Whether every epoch takes the samples in another order.
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
        found = as_callbacks(callbacks)
        shuffle, bucket = a_bool("shuffle", shuffle), a_bool("bucket", bucket)
        if a_bool("resume", resume) and checkpoint is None:
            raise ValueError("resume: expected a checkpoint to go on from; pass checkpoint= as well")
        if checkpoint is not None and not isinstance(checkpoint, Checkpoint):
            checkpoint = Checkpoint(checkpoint)
        if a_bool("stateful", stateful):
            expect_carries(self.model, "stateful")
        source = self.source(x, y, lengths, sample_weight, batch_size, shuffle=shuffle, bucket=bucket)
        held_out = self._held_out(validation, source)
        share = validation is not None and held_out is None
        fit = Fit(self, source, held_out, found, checkpoint, epochs=epochs, stateful=stateful)
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
        """
        source = self.source(x, y, lengths, sample_weight, positive_int("batch_size", batch_size), shuffle=True)
        return find(self, source, low, high, steps)

    def _held_out(self, validation: Any, source: Source) -> Source | None:
        """Return validation data of their own; a share is carved off later."""
        if validation is None:
            return None
        if isinstance(validation, Dataset):
            return self.source(validation, None, None, None, EVALUATED, shuffle=False)
        if isinstance(validation, tuple):
            if len(validation) not in (2, 3):
                raise ValueError(f"validation: expected a share, or a tuple (x, y), got {len(validation)} parts")
            x, y, lengths = (*validation, None)[:3]
            return self.source(x, y, lengths, None, EVALUATED, shuffle=False)
        positive_float("validation", validation, below=1.0)
        if isinstance(source, FromIterable):
            raise ValueError("validation: expected a tuple (x, y) where training data are batches, got a share")
        return None
