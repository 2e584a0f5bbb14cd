"""Estimators for scikit-learn (the extra ``sklearn``): a recurrent network and its training behind fit and predict."""

try:
    import sklearn  # noqa: F401 - whether it is there
except ImportError as error:
    raise ImportError("fastrnn.estimators needs scikit-learn: pip install 'fastrnn[sklearn]'") from error

from fastrnn.estimators.classifier import SequenceClassifier
from fastrnn.estimators.forecaster import Forecaster
from fastrnn.estimators.regressor import SequenceRegressor
from fastrnn.estimators.tagger import SequenceTagger

__all__ = ["Forecaster", "SequenceClassifier", "SequenceRegressor", "SequenceTagger"]
