"""A training of some epochs: by an estimator for scikit-learn, and by the trainer that is inside it."""

from collections.abc import Mapping
from typing import Any

import numpy as np

import fastrnn
from fastrnn.bench.contestants.base import Array, Contestant
from fastrnn.bench.training import RATE, Fitting
from fastrnn.bench.training_data import SEED, Exercise


class FastEstimator(Contestant):
    """``fastrnn.estimators``: checks, scales, class numbers of labels, and then the trainer; every call begins anew."""

    name = "fastrnn"
    needs = ("sklearn",)

    def __init__(self, case: Fitting, given: Exercise, threads: int) -> None:
        from fastrnn import estimators  # noqa: PLC0415 - an extra

        fastrnn.set_num_threads(threads)
        self.given = given
        made: Any = getattr(estimators, f"Sequence{case.model.capitalize()}")
        sizes = {"hidden_size": case.H, "epochs": case.epochs, "batch_size": case.N}
        self.estimator = made(cell=case.cell, learning_rate=RATE, random_state=SEED, **sizes)

    def call(self) -> Any:
        """Return the model after a training."""
        return self.estimator.fit(self.given.x, self.given.y).model_

    def arrays(self) -> Mapping[str, Array]:
        """Return the parameters after a training."""
        return dict(self.call().parameters())


class FastTrainer(Contestant):
    """The same model and training as a person would write them, of numbered classes and float32."""

    name = "trainer"

    def __init__(self, case: Fitting, given: Exercise, threads: int) -> None:
        fastrnn.set_num_threads(threads)
        self.case = case
        self.x = [one.astype(np.float32) for one in given.x] if case.ragged else np.asarray(given.x, np.float32)
        self.y = [(one == "up").astype(int) for one in given.y] if case.ragged else (given.y == "up").astype(int)

    def call(self) -> Any:
        """Return the model after a training."""
        case, rng = self.case, np.random.default_rng(np.random.RandomState(SEED).randint(2**31 - 1))
        recurrent = fastrnn.GRU(case.inputs, case.H, seed=rng)
        head = fastrnn.Linear(case.H, case.outputs, seed=rng)
        model = fastrnn.Sequential(*(recurrent, head) if case.model == "tagger" else (recurrent, fastrnn.Last(), head))
        trainer = fastrnn.Trainer(model, "cross_entropy", fastrnn.Adam(RATE), seed=rng)
        trainer.fit(self.x, self.y, epochs=case.epochs, batch_size=case.N, verbose=0)
        return model

    def arrays(self) -> Mapping[str, Array]:
        """Return the parameters after a training."""
        return dict(self.call().parameters())
