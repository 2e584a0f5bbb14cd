"""scikit-learn's own checks of estimators, each a test; what is excused has its reason beside it."""

import warnings

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from fastrnn.estimators import Forecaster, SequenceClassifier, SequenceRegressor, SequenceTagger

# The checks' data are blobs of some dozen rows: a small model sees them as one batch, and needs few epochs. In float64,
# as one check holds a fit with weights to one with repeated rows within 1e-7.
SMALL = {"hidden_size": 16, "epochs": 30, "batch_size": 64, "learning_rate": 2e-2, "dtype": "float64"}
QUICK = {
    SequenceClassifier: SMALL,
    SequenceRegressor: SMALL,
    SequenceTagger: SMALL,
    Forecaster: {"window": 4, "epochs": 3},
}

WEIGHTS = "check_sample_weight_equivalence_on_dense_data"
EXCUSED = {
    # To a SequenceTagger X (T, F) with y (T,), which is what the checks have, is one sequence: its rows are steps.
    SequenceTagger: {
        "check_methods_sample_order_invariance": "what is told of a step depends on the steps before it",
        "check_methods_subset_invariance": "what is told of a step depends on the steps before it",
        WEIGHTS: "a step that is left out or repeated makes another sequence",
    },
    # To a Forecaster rows are steps too, and y is told of them before they come.
    Forecaster: {
        "check_methods_sample_order_invariance": "a row is told from the rows before it",
        "check_methods_subset_invariance": "a row is told from the rows before it",
        WEIGHTS: "a row that is left out or repeated makes another series",
        "check_fit1d": "it demands that X (T,) is refused, which is one series",
    },
}
ROUNDING = {WEIGHTS: "repeated rows make other batches of 32, and float32 does not hold to 1e-7 what is asked"}
EXCUSED_AS_THEY_ARE = {SequenceClassifier: ROUNDING, SequenceRegressor: ROUNDING, **EXCUSED}
# It hands over arrays of other libraries than NumPy, and does nothing unless SCIPY_ARRAY_API is set.
ELSEWHERE = "check_array_api_input"


def checks(estimators, excused):
    """Return a parameter for each check of each estimator."""
    found = []
    for estimator in estimators:
        kind, names = type(estimator), []
        reasons = excused.get(kind, {})
        for own, check in estimator_checks_generator(estimator, legacy=True):
            name = getattr(check, "func", check).__name__
            if name == ELSEWHERE:
                continue
            names.append(name)
            reason = reasons.get(name)
            marks = [pytest.mark.xfail(reason=reason, strict=True, raises=AssertionError)] if reason else []
            found.append(pytest.param(own, check, marks=marks, id=f"{kind.__name__}-{name}-{names.count(name)}"))
        assert reasons.keys() <= set(names)
    return found


CHECKS = checks([kind(**options) for kind, options in QUICK.items()], EXCUSED)
CHECKS_AS_THEY_ARE = checks([kind() for kind in QUICK], EXCUSED_AS_THEY_ARE)


def run(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the checks warn of what they do themselves
        check(estimator)


@pytest.mark.parametrize(("estimator", "check"), CHECKS)
def test_scikit_learn_checks(estimator, check):
    run(estimator, check)


@pytest.mark.exhaustive
@pytest.mark.parametrize(("estimator", "check"), CHECKS_AS_THEY_ARE)
def test_scikit_learn_checks_of_estimators_as_they_are(estimator, check):
    run(estimator, check)


def test_there_are_checks_of_each():
    names = [parameter.id for parameter in CHECKS]
    for kind in QUICK:
        assert sum(name.startswith(kind.__name__) for name in names) > 45
