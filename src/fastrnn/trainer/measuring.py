"""Measuring: the loss and the metrics over some data, without training."""

from collections.abc import Iterator

import numpy as np

from fastrnn.data import Batch
from fastrnn.trainer.checks import output_lengths
from fastrnn.trainer.chunks import cut, first_rows, whole
from fastrnn.trainer.learner import Learner
from fastrnn.trainer.sources import Source
from fastrnn.trainer.updates import Picked, pick


def measure(learner: Learner, source: Source) -> dict[str, float]:
    """Return the mean loss, as ``loss``, and the metrics by name, over batches that have been checked."""
    value = total = 0.0
    for metric in learner.scores:
        metric.start()
    batch = None
    for batch in source.epoch(learner.rng):
        for picked in _predicted(learner, batch):
            sums = learner.loss.sums(*picked)
            value, total = value + sums.value, total + sums.total
            for metric in learner.scores:
                metric.update(*picked)
    if batch is None:
        raise ValueError("x: expected at least one batch, got none; an iterator can be used only once")
    return {"loss": value / total if total else 0.0} | {metric.name: metric.result() for metric in learner.scores}


def _predicted(learner: Learner, batch: Batch) -> Iterator[Picked]:
    """Yield what the loss sees of a batch; window by window where training does so, as sequences may be long."""
    model = learner.model
    if learner.truncation is None:
        options = {} if batch.lengths is None else {"lengths": batch.lengths}
        output = np.asarray(model(batch.x, **options))
        yield pick(output, whole(batch, output_lengths(model, batch.lengths)))
        return
    state, (_, k2) = None, learner.truncation
    for window in cut(batch, (k2, k2)):
        x, y, lengths, _ = window.batch
        options = {} if lengths is None else {"lengths": lengths}
        output, state = model.forward(x, first_rows(state, len(y)), **options)
        yield pick(output, window)
