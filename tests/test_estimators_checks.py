"""scikit-learn's own checks of estimators, each a test; what is excused has its reason beside it."""

import warnings

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from fastrnn.estimators import Forecaster, SequenceClassifier, SequenceRegressor, SequenceTagger

# The checks' data are blobs of some dozen rows: a small model sees them as one batch, and needs few epochs. In float64,
# as one check holds a fit with weights to one with repeated rows within 1e-7.
SMALL = {"hidden_size": 16, "epochs": 30, "batch_size": 64, "learning_rate": 2e-2, "dtype": "float64"}
ESTIMATORS = [
    SequenceClassifier(**SMALL),
    SequenceRegressor(**SMALL),
    SequenceTagger(**SMALL),
    Forecaster(window=4, epochs=3),
]

# To a SequenceTagger X (T, F) with y (T,), which is what the checks have, is one sequence: its rows are steps.
EXCUSED = {
    SequenceTagger: {
        "check_methods_sample_order_invariance": "what is told of a step depends on the steps before it",
        "check_methods_subset_invariance": "what is told of a step depends on the steps before it",
        "check_sample_weight_equivalence_on_dense_data": "a step that is left out or repeated makes another sequence",
    },
    # To a Forecaster rows are steps too, and y is told of them before they come.
    Forecaster: {
        "check_methods_sample_order_invariance": "a row is told from the rows before it",
        "check_methods_subset_invariance": "a row is told from the rows before it",
        "check_sample_weight_equivalence_on_dense_data": "a row that is left out or repeated makes another series",
        "check_fit1d": "it demands that X (T,) is refused, which is one series",
    },
}
# It hands over arrays of other libraries than NumPy, and does nothing unless SCIPY_ARRAY_API is set.
ELSEWHERE = "check_array_api_input"


def checks():
    """Return a parameter for each check of each estimator."""
    found = []
    for estimator in ESTIMATORS:
        names = []
        for own, check in estimator_checks_generator(estimator, legacy=True):
            name = (getattr(check, "func", None) or check).__name__
            if name == ELSEWHERE:
                continue
            names.append(name)
            reason = EXCUSED.get(type(estimator), {}).get(name)
            marks = [pytest.mark.xfail(reason=reason, strict=True, raises=AssertionError)] if reason else []
            label = f"{type(estimator).__name__}-{name}-{names.count(name)}"
            found.append(pytest.param(own, check, marks=marks, id=label))
        assert EXCUSED.get(type(estimator), {}).keys() <= set(names)
    return found


CHECKS = checks()


@pytest.mark.parametrize(("estimator", "check"), CHECKS)
def test_scikit_learn_checks(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the checks warn of what they do themselves
        check(estimator)


def test_there_are_checks_of_each():
    names = [parameter.id for parameter in CHECKS]
    for estimator in ESTIMATORS:
        assert sum(name.startswith(type(estimator).__name__) for name in names) > 45
