"""Docstrings: every example of the package runs, and what a person trains with has one."""

import doctest
import importlib.util
import inspect
import pkgutil

import pytest

import fastrnn
from fastrnn import data, diagnostics, estimators, losses, metrics, optimizers, schedules, trainer

RULES = doctest.ELLIPSIS


def modules():
    """Return the names of all modules but those that run when they are imported, and those of a missing extra."""
    found = [module.name for module in pkgutil.walk_packages(fastrnn.__path__, "fastrnn.")]
    missing = () if importlib.util.find_spec("torch") else ("fastrnn.torch",)
    return ["fastrnn", *(name for name in found if not name.endswith("__main__") and not name.startswith(missing))]


def examples(module):
    """Return the docstrings of a module that have examples."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    return [found for found in finder.find(importlib.import_module(module)) if found.examples]


EXAMPLES = [found for module in modules() for found in examples(module)]
MARKED = [
    pytest.param(found, id=found.name, marks=[pytest.mark.torch] if found.name.startswith("fastrnn.torch") else [])
    for found in EXAMPLES
]

# Public, but without an example: bases and protocols, whose children have one; what a function returns, whose examples
# show it; what only an extra can run.
WITHOUT = {
    "Batch",
    "BoundMetric",
    "CheckpointError",
    "DeadUnits",
    "Elementwise",
    "Fading",
    "FusedOptimizer",
    "GradientFlow",
    "Loss",
    "LossFunction",
    "Metric",
    "Optimizer",
    "OwnLoss",
    "Saturation",
    "Schedule",
    "Sums",
    "TensorBoard",
    "as_loss",
    "as_metric",
    "as_schedule",
}
PUBLIC = {
    name: getattr(package, name)
    for package in (data, diagnostics, estimators, losses, metrics, optimizers, schedules, trainer)
    for name in package.__all__
    if inspect.isclass(getattr(package, name)) or inspect.isfunction(getattr(package, name))
}


@pytest.mark.parametrize("example", MARKED)
def test_examples_run(example, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    report = []
    doctest.DocTestRunner(optionflags=RULES).run(example, out=report.append)
    assert not report, "".join(report)


def test_the_finder_finds():
    """Of a class, a method and a function each one that must be there."""
    assert {"fastrnn.trainer.trainer.Trainer", "fastrnn.data.series.windows"} <= {found.name for found in EXAMPLES}
    assert "fastrnn.trainer.trainer.Trainer.find_learning_rate" in {found.name for found in EXAMPLES}


@pytest.mark.parametrize("name", sorted(PUBLIC.keys() - WITHOUT))
def test_what_is_public_has_an_example(name):
    thing = PUBLIC[name]
    own = f"{thing.__module__}.{thing.__qualname__}"
    assert any(found.name == own or found.name.startswith(own + ".") for found in EXAMPLES)


def test_what_has_no_example_is_public():
    assert PUBLIC.keys() >= WITHOUT
