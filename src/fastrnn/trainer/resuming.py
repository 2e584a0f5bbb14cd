"""What of a training goes into a checkpoint, and whether a checkpoint is of this training."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from fastrnn._validation import natural, positive_float
from fastrnn.trainer.callbacks import Callback
from fastrnn.trainer.checkpoint import Checkpoint, CheckpointError
from fastrnn.trainer.history import History
from fastrnn.trainer.learner import Learner
from fastrnn.trainer.sources import Source

Tree = dict[str, Any]


def settings_of(learner: Learner, source: Source, callbacks: Sequence[Callback], *, stateful: bool) -> dict[str, Any]:
    """Return what has to be the same when training goes on."""
    parameters = learner.model.parameters()
    config = {name: value for name, value in learner.model.config().items() if name != "teacher_forcing"}
    return {
        "model": _description(type(learner.model).__name__, config),
        "parameters": ", ".join(f"{name} {array.shape} {array.dtype}" for name, array in parameters.items()),
        "loss": _name(learner.loss),
        "learning_rate": float(learner.initial_rate),
        "optimizer": _description(type(learner.optimizer).__name__, _hyperparameters(learner.optimizer)),
        "limits": str(learner.limits),
        "tbptt": str(learner.truncation),
        "accumulate": learner.accumulate,
        "schedule": _name(learner.schedule),
        "metrics": ", ".join(metric.name for metric in learner.metrics),
        "callbacks": ", ".join(type(callback).__name__ for callback in callbacks),
        "stateful": stateful,
        **source.describe(),
    }


def _description(name: str, config: Mapping[str, Any]) -> str:
    return f"{name} {json.dumps(config, default=str, sort_keys=True)}"


def _hyperparameters(optimizer: Any) -> dict[str, Any]:
    """Return the settings of an optimiser but its learning rate, which a schedule or a callback may have changed."""
    found: dict[str, Any] = optimizer.settings() if hasattr(optimizer, "settings") else {}
    return {name: value for name, value in found.items() if name != "learning_rate"}


def _name(part: Any) -> str:
    """Return the call that builds a part, or its type where that would hold an address."""
    text = repr(part)
    return type(part).__qualname__ if " at 0x" in text else text


def expect_keepable(optimizer: Any) -> None:
    """Raise TypeError unless an optimiser can be written down."""
    if not (hasattr(optimizer, "state_dict") and hasattr(optimizer, "load_state_dict")):
        raise TypeError(f"checkpoint: {type(optimizer).__name__} has no state_dict and load_state_dict to be kept by")


@contextmanager
def damage(checkpoint: Checkpoint | None) -> Iterator[None]:
    """Raise `CheckpointError` where what a checkpoint holds is refused."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        path = "" if checkpoint is None else checkpoint.path
        raise CheckpointError(f"{path}: a damaged checkpoint ({str(error)[:200]})") from error


def expect_same(checkpoint: Checkpoint | None, tree: Any, settings: Mapping[str, Any]) -> None:
    """Raise unless a checkpoint is of a training with these settings.

    Raises
    ------
    CheckpointError
        It names what differs.
    """
    path = checkpoint.path if checkpoint is not None else ""
    parts = {"settings", "trainer", "rng", "position", "state", "history", "metrics", "callbacks", "ended"}
    if not isinstance(tree, dict) or tree.keys() != parts or not isinstance(tree["settings"], dict):
        raise CheckpointError(f"{path}: not a checkpoint of a training")
    then = tree["settings"]
    for name in [*settings, *then]:
        if type(settings.get(name)) is not type(then.get(name)) or settings.get(name) != then.get(name):
            was, now = _around_difference(str(then.get(name)), str(settings.get(name)))
            raise CheckpointError(f"{path}: a checkpoint of another training: {name} was {was}, and is {now} now")


def _around_difference(one: str, two: str) -> tuple[str, str]:
    """Return two texts, of long ones what lies around the first place where they differ."""
    place = next((i for i, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), 0)
    return tuple(text if len(text) < 80 else f"…{text[max(0, place - 40) : place + 40]}…" for text in (one, two))  # type: ignore[return-value]


def learner_tree(learner: Learner) -> Tree:
    """Return parameters and what else the learner has gathered."""
    schedule: Any = learner.schedule
    optimizer: Any = learner.optimizer  # expect_keepable has seen that it can
    return {
        "parameters": learner.model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "learning_rate": learner.optimizer.learning_rate,
        "schedule": schedule.state_dict() if hasattr(schedule, "state_dict") else None,
        "updates": learner.updates,
        "epochs": learner.epochs,
    }


def load_learner(learner: Learner, tree: Tree) -> None:
    """Undo `learner_tree`."""
    counts = natural("updates", tree["updates"]), natural("epochs", tree["epochs"])
    rate = positive_float("learning_rate", tree["learning_rate"], zero=True)
    optimizer: Any = learner.optimizer
    optimizer.load_state_dict(tree["optimizer"])
    if tree["schedule"] is not None:
        learner.schedule.load_state_dict(tree["schedule"])  # type: ignore[union-attr]
    learner.model.load_state_dict(tree["parameters"])
    (learner.updates, learner.epochs), learner.optimizer.learning_rate = counts, rate


def metrics_tree(learner: Learner) -> list[Any]:
    """Return what the metrics have gathered of this epoch; None of those that can't tell."""
    return [metric.state_dict() if hasattr(metric, "state_dict") else None for metric in learner.metrics]


def load_metrics(learner: Learner, tree: Sequence[Any]) -> None:
    """Undo `metrics_tree`."""
    for metric, state in zip(learner.metrics, tree, strict=True):
        metric.start()
        if state is not None:
            metric.load_state_dict(state)  # type: ignore[attr-defined]


def history_tree(history: History) -> Tree:
    """Return a history with its lists as arrays."""
    return {name: _arrays(value) for name, value in vars(history).items() if name != "stopped"}


def history_of(tree: Tree) -> History:
    """Undo `history_tree`."""
    return History(**{name: _lists(value) for name, value in tree.items()})


def _arrays(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _arrays(part) for name, part in value.items()}
    return np.array(value, np.float64)


def _lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _lists(part) for name, part in value.items()}
    if value.ndim != 1 or value.dtype != np.float64:
        raise ValueError(f"history: expected numbers, got {value.dtype} {value.shape}")
    return value.tolist()
