"""A training in a process of its own, to be killed: python resumed_training.py DIRECTORY RESULT [EPOCHS].

It uses all that has to survive: momentum, a schedule, dropout, shuffling, validation, early stopping, truncated BPTT
with a carried state, accumulation, ragged data.
"""

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


if __name__ == "__main__":
    train, model = training(int(sys.argv[3]) if len(sys.argv) > 3 else 12)
    print("begins", flush=True)
    history = train(sys.argv[1])
    model.save(sys.argv[2], metadata={"loss": repr(history.loss), "batches": repr(history.batch_loss)})
