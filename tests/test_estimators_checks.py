"""scikit-learn's own checks of estimators, each a test; what is excused has its reason beside it."""

import warnings

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from fastrnn.estimators import Forecaster, SequenceClassifier, SequenceRegressor, SequenceTagger

# The checks' data are blobs of some dozen rows: a small model sees them as one batch, and needs few epochs. In float64,
# as one check holds a fit with weights to one with repeated rows within 1e-7.
SMALL = {"hidden_size": 16, "epochs": 30, "batch_size": 64, "learning_rate": 2e-2, "dtype": "float64"}
KINDS = (SequenceClassifier, SequenceRegressor, SequenceTagger, Forecaster)

WEIGHTS = "check_sample_weight_equivalence_on_dense_data"
# To a SequenceTagger X (T, F) with y (T,), which is what the checks have, is one sequence: its rows are steps.
OF_STEPS = {
    "check_methods_sample_order_invariance": "what is told of a step depends on the steps before it",
    "check_methods_subset_invariance": "what is told of a step depends on the steps before it",
    WEIGHTS: "a step that is left out or repeated makes another sequence",
}
# To a Forecaster rows are steps too.
OF_ROWS = {
    "check_methods_sample_order_invariance": "a row is told from the rows before it",
    "check_methods_subset_invariance": "a row is told from the rows before it",
    WEIGHTS: "a row that is left out or repeated makes another series",
    "check_fit1d": "it demands that X (T,), which is a series of one feature, is refused",
}
OF_DEFAULTS = {WEIGHTS: "repeated rows make other batches of 32, and float32 does not hold to 1e-7 what is asked"}
# It hands over arrays of other libraries than NumPy, and does nothing unless SCIPY_ARRAY_API is set.
ELSEWHERE = "check_array_api_input"


def checks(made, excused):
    """Return a parameter for each check of each estimator."""
    found = []
    for kind in KINDS:
        reasons = {SequenceTagger: OF_STEPS, Forecaster: OF_ROWS}.get(kind, excused)
        names = []
        for estimator, check in estimator_checks_generator(made(kind), legacy=True):
            name = getattr(check, "func", check).__name__
            if name == ELSEWHERE:
                continue
            names.append(name)
            reason = reasons.get(name)
            marks = [pytest.mark.xfail(reason=reason, strict=True, raises=AssertionError)] if reason else []
            found.append(pytest.param(estimator, check, marks=marks, id=f"{kind.__name__}-{name}-{names.count(name)}"))
        assert reasons.keys() <= set(names)
    return found


CHECKS = checks(lambda kind: kind(**SMALL), {})
OF_ALL_DEFAULTS = checks(lambda kind: kind(), OF_DEFAULTS)


def run(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the checks warn of what they do themselves
        check(estimator)


@pytest.mark.parametrize(("estimator", "check"), CHECKS)
def test_scikit_learn_checks(estimator, check):
    run(estimator, check)


@pytest.mark.exhaustive
@pytest.mark.parametrize(("estimator", "check"), OF_ALL_DEFAULTS)
def test_scikit_learn_checks_of_all_defaults(estimator, check):
    run(estimator, check)


def test_there_are_checks_of_each():
    names = [parameter.id for parameter in CHECKS]
    for kind in KINDS:
        assert sum(name.startswith(kind.__name__) for name in names) > 45
