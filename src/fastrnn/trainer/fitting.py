"""The loop of a training: epochs, batches, windows; where it is, and how it goes on from a checkpoint."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from fastrnn._validation import natural
from fastrnn.data import Batch
from fastrnn.trainer.callbacks import Callback, expect_monitored
from fastrnn.trainer.checkpoint import Checkpoint
from fastrnn.trainer.history import INTERRUPTED, History
from fastrnn.trainer.interrupt import Interrupt
from fastrnn.trainer.learner import Learner
from fastrnn.trainer.measuring import mean, measure
from fastrnn.trainer.progress import Progress
from fastrnn.trainer.resuming import (
    damage,
    expect_keepable,
    expect_same,
    history_of,
    history_tree,
    learner_tree,
    load_learner,
    load_metrics,
    metrics_tree,
    settings_of,
)
from fastrnn.trainer.sources import FromDataset, Source

if TYPE_CHECKING:
    from fastrnn.trainer.trainer import Trainer

EPOCHS = "all epochs are done"


@dataclass
class Position:
    """Where a training is: what has been done of the epoch, and what it has come to so far.

    Attributes
    ----------
    epoch, batch, chunk : int
        How many are done: epochs, batches of this epoch, windows of this batch.
    value, total : float
        The epoch's loss so far is value / total.
    seconds : float
        Spent on this epoch so far.
    """

    epoch: int = 0
    batch: int = 0
    chunk: int = 0
    value: float = 0.0
    total: float = 0.0
    seconds: float = 0.0

    @classmethod
    def of(cls, tree: Mapping[str, Any]) -> "Position":
        """Return the position that `asdict` wrote down."""
        found = cls(**tree)
        for name in ("epoch", "batch", "chunk"):
            natural(name, getattr(found, name))
        for name in ("value", "total", "seconds"):
            setattr(found, name, float(getattr(found, name)))
        return found


class Fit:
    """One training, from `Trainer.fit`.

    Parameters
    ----------
    trainer : Trainer
        Whose training it is; callbacks see it.
    learner : Learner
    source : Source
    held_out : Source or None
        For validation.
    callbacks : sequence of Callback
    checkpoint : Checkpoint or None
    epochs : int
    stateful : bool
        Whether the state is carried on from batch to batch.
    """

    def __init__(
        self,
        trainer: "Trainer",
        learner: Learner,
        source: Source,
        held_out: Source | None,
        callbacks: Sequence[Callback],
        checkpoint: Checkpoint | None,
        *,
        epochs: int,
        stateful: bool,
    ) -> None:
        self.trainer, self.learner = trainer, learner
        self.source, self.held_out = source, held_out
        self.callbacks, self.checkpoint = callbacks, checkpoint
        self.epochs, self.stateful = epochs, stateful
        self.history, self.position = History(), Position()
        self.state: Any = None  # with which the next window begins
        self.ended = ""  # why
        self._settings = settings_of(learner, source, callbacks, stateful=stateful)
        self._rng: dict[str, Any] = {}  # the generator when training began, when the epoch did, and now
        self._seen = learner.updates

    @property
    def done(self) -> int:
        """How many batches were done before."""
        return self.position.epoch * (self.source.steps or 0) + self.position.batch

    # ---- before ----

    def prepare(self, *, resume: bool, share: float | None) -> None:
        """Carve off validation data, and read the checkpoint if there is one to resume from."""
        if self.checkpoint is not None:
            expect_keepable(self.learner.optimizer)
        tree = None if self.checkpoint is None else self.checkpoint.prepare(resume=resume)
        self._settings |= {"validation": share if self.held_out is None else self.held_out.describe()}
        if tree is not None:
            expect_same(self.checkpoint, tree, self._settings)
            with damage(self.checkpoint):
                self.learner.rng.bit_generator.state = tree["rng"]["began"]
        self._rng["began"] = self.learner.rng.bit_generator.state
        if share is not None and isinstance(self.source, FromDataset):
            self.source, self.held_out = self.source.split(share, self.learner.rng)
        names = ("loss", *(metric.name for metric in self.learner.metrics))
        self.learner.numbers = (*names, *(f"validation_{name}" for name in names if self.held_out is not None))
        expect_monitored(self.learner.watched(self.learner.numbers), self.learner.numbers)
        self._take_over(tree)

    def _take_over(self, tree: Mapping[str, Any] | None) -> None:
        """Begin, or go on from a checkpoint; the parameters change only when all else has been accepted."""
        if tree is not None:
            with damage(self.checkpoint):
                self.history = history_of(tree["history"])
                load_metrics(self.learner, tree["metrics"])
                self.position = Position.of(tree["position"])
                for moment in ("epoch", "now"):
                    self._rng[moment] = tree["rng"][moment]
                    self.learner.rng.bit_generator.state = self._rng[moment]
                self.state, self.ended = tree["state"], str(tree["ended"])
                for callback, state in zip(self.callbacks, tree["callbacks"], strict=True):
                    callback.load_state_dict(state)
            if self.ended in ("", EPOCHS):
                self.ended = EPOCHS if self.position.epoch >= self.epochs else ""
            else:
                self.history.stopped = self.ended
        for callback in self.callbacks:
            callback.on_start(self.trainer, self.history)
        if tree is not None:
            with damage(self.checkpoint):
                load_learner(self.learner, tree["trainer"])
            self._seen = self.learner.updates

    # ---- the loop ----

    def run(self, bar: Progress) -> History:
        """Train to the end."""
        self.learner.model.link = self.learner.loss.link
        try:
            with Interrupt() as interrupt:
                while not self.ended:
                    self._epoch(bar, interrupt)
                    if interrupt.asked and not self.ended:
                        self.history.stopped = INTERRUPTED
                        break
            if self.checkpoint is not None:
                self._save(self.checkpoint)
        except FloatingPointError as error:
            place = f"epoch {self.position.epoch + 1}, update {self.learner.updates + 1}"
            raise FloatingPointError(f"{place}: {error}") from None
        finally:
            self.learner.forget()
            for callback in self.callbacks:
                callback.on_end(self.trainer, self.history)
        return self.history

    def _epoch(self, bar: Progress, interrupt: Interrupt) -> None:
        """Go through the data once, or through what is left of them."""
        position, history, learner = self.position, self.history, self.learner
        bar.epoch(position.epoch + 1)
        began = time.perf_counter() - position.seconds
        for batch in self._batches():
            self._batch(batch, bar, interrupt)
            position.seconds = time.perf_counter() - began
            if interrupt.asked and learner.settled:
                return
        learner.apply()
        self._updated()
        if position.batch == 0:
            raise ValueError("x: expected at least one batch an epoch, got none; an iterator can be used only once")
        history.loss.append(mean(position.value, position.total))
        for metric in learner.metrics:
            history.metrics.setdefault(metric.name, []).append(metric.result())
        history.learning_rate.append(learner.optimizer.learning_rate)
        if self.held_out is not None:
            for name, value in measure(learner, self.held_out).items():
                if name == "loss":
                    history.validation_loss.append(value)
                else:
                    history.validation_metrics.setdefault(name, []).append(value)
        history.seconds.append(time.perf_counter() - began)
        self.position = Position(position.epoch + 1)
        learner.end_epoch(history.latest())
        bar.show(history)
        self._ask_callbacks()

    def _ask_callbacks(self) -> None:
        """See whether training is to end here."""
        verdicts = [callback.on_epoch(self.trainer, self.history) for callback in self.callbacks]
        if any(verdicts):
            self.history.stopped = self.ended = self.history.stopped or "a callback ended it"
        elif self.position.epoch >= self.epochs:
            self.ended = EPOCHS

    def _batches(self) -> Iterator[Batch]:
        """Return the batches of this epoch that are not done yet."""
        rng, position = self.learner.rng.bit_generator, self.position
        now, fresh = rng.state, not (position.batch or position.chunk)
        if fresh:
            self._rng["epoch"], self.state = now, None
            for metric in self.learner.metrics:
                metric.start()
        rng.state = self._rng["epoch"]  # for the order of the batches, which is drawn first
        batches = self.source.epoch(self.learner.rng, position.batch)
        if not fresh:
            rng.state = now
        return batches

    def _batch(self, batch: Batch, bar: Progress, interrupt: Interrupt) -> None:
        """Train on the windows of a batch that are not done yet."""
        position = self.position
        windows = self.learner.windows(batch)
        if self.stateful and batch.lengths is not None:
            raise ValueError("stateful: expected batches without lengths, whose sequences go on in the next batch")
        if position.chunk == 0 and not self.stateful:
            self.state = None
        value = total = 0.0
        for window in windows[position.chunk :]:
            value, total, self.state = self.learner.advance(window, self.state, self.learner.metrics)
            self.history.batch_loss.append(mean(value, total))
            position.value, position.total = position.value + value, position.total + total
            position.chunk += 1
            if position.chunk == len(windows):
                position.batch, position.chunk = position.batch + 1, 0
            self._updated()
            if interrupt.asked and self.learner.settled:
                return
        bar.batch(len(batch.y), self.history.batch_loss[-1])

    def _updated(self) -> None:
        """Look after an update, if there just was one."""
        if self.learner.updates == self._seen:
            return
        self._seen = self.learner.updates
        self.history.gradient_norm.append(self.learner.gradient_norm)
        for callback in self.callbacks:
            callback.on_update(self.trainer, self.history)
        if self.checkpoint is not None and self.checkpoint.due(self.learner.updates):
            self._save(self.checkpoint)

    def _save(self, checkpoint: Checkpoint) -> None:
        tree = {
            "settings": self._settings,
            "trainer": learner_tree(self.learner),
            "rng": self._rng | {"now": self.learner.rng.bit_generator.state},
            "position": asdict(self.position),
            "state": self.state,
            "history": history_tree(self.history),
            "metrics": metrics_tree(self.learner),
            "callbacks": [callback.state_dict() for callback in self.callbacks],
            "ended": self.ended,
        }
        checkpoint.save(tree, self.learner.updates)
