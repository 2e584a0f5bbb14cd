"""Trainings to be broken off and resumed; as a script ones that are to be killed: DIRECTORY RESULT EPOCHS.

For each line that it reads the script begins one in a process of its own and says which; these are forks, so that what
they import is read once. They use all that has to survive: momentum, a schedule, dropout, shuffling, validation, early
stopping, truncated BPTT with a carried state, accumulation, ragged data.
"""

import os
import sys

import numpy as np

import fastrnn


class Halving:
    """A learning rate that halves every 40 updates."""

    per = "update"

    def rate(self, initial, count):
        return initial * 0.5 ** (count // 40)

    def __repr__(self):
        return "Halving()"


def training(epochs=12, every=1, minutes=None):
    """Return a function that trains, given a directory or None, and the model."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(3, 15, 40)
    x = [rng.standard_normal((n, 3)) for n in lengths]
    y = [np.cumsum(one[:, :1], axis=0) for one in x]
    model = fastrnn.Sequential(
        fastrnn.LSTM(3, 8, seed=0), fastrnn.Dropout(0.2), fastrnn.GRU(8, 8, seed=1), fastrnn.Linear(8, 1, seed=2)
    )
    trainer = fastrnn.Trainer(
        model, "mse", fastrnn.Adam(1e-2), tbptt=(4, 6), accumulate=2, schedule=Halving(), clip_norm=0.5, seed=3
    )

    def train(directory, resume=True, **options):
        checkpoint = None if directory is None else fastrnn.Checkpoint(directory, every=every, minutes=minutes)
        stopping = fastrnn.EarlyStopping(patience=50, restore_best=False)
        return trainer.fit(
            x, y, epochs=epochs, batch_size=8, validation=0.2, callbacks=[stopping], checkpoint=checkpoint,
            resume=resume and directory is not None, verbose=0, **options,
        )  # fmt: skip

    return train, model


def parts():
    """Return samples, and a target that needs memory."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((12, 9, 2))
    return x, x.cumsum(axis=1)[..., :1]


def plain(optimizer=None, loss="mse", **options):
    """Return a trainer of a small model with dropout, to be run in this process."""
    model = fastrnn.Sequential(
        fastrnn.GRU(2, 4, zoneout=0.1, recurrent_dropout=0.1, seed=0), fastrnn.Linear(4, 1, seed=1)
    )
    return fastrnn.Trainer(model, loss, optimizer or fastrnn.Adam(0.02), **{"seed": 5, **options})


def run(directory, result, epochs):
    train, model = training(int(epochs))
    print("begins", os.getpid(), flush=True)
    history = train(directory)
    model.save(result, metadata={"loss": repr(history.loss), "batches": repr(history.batch_loss)})


if __name__ == "__main__":
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            run(*sys.argv[1:])
            os._exit(0)
        print("ends", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
