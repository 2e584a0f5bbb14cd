"""Ridge regression whose rows come and go, held to the normal equations of the rows that are there."""

import numpy as np
import pytest

from fastrnn.forecasting.regression import Regression

N, D = 40, 3
RNG = np.random.default_rng(0)
X = 5 + RNG.normal(size=(N, D))
WEIGHT = RNG.uniform(0.1, 2.0, N)
PENALTY = np.array([0.1, 1.0, 10.0])
TARGETS = {"one": X @ [1.0, -2.0, 0.5] + RNG.normal(size=N), "two": X @ RNG.normal(size=(D, 2)) - 3}


def expect_solved(sums, X, y, weight):
    """Compare β and b with those that make Σ w (y - X β - b)² + βᵀ P β least: its gradient by them is zero."""
    A = np.column_stack([X, np.ones(len(X))])
    normal = A.T @ (weight[:, None] * A) + np.diag([*PENALTY, 0.0])
    expected = np.linalg.solve(normal, A.T @ (weight * y.T).T)
    beta = sums.solve(PENALTY)
    np.testing.assert_allclose(beta, expected[:-1], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(sums.offset(beta), expected[-1], rtol=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("y", TARGETS.values(), ids=TARGETS)
def test_rows_come_and_go(y, weighted):
    weight = WEIGHT if weighted else np.ones(N)

    def rows(part):
        return X[part], y[part], WEIGHT[part] if weighted else None

    sums = Regression(*rows(slice(0, 10)))
    expect_solved(sums, X[:10], y[:10], weight[:10])
    sums.add(*rows(slice(10, 11)))
    sums.add(*rows(slice(11, N)))
    expect_solved(sums, X, y, weight)
    assert sums.total == pytest.approx(weight.sum(), rel=1e-14)
    sums.add(*rows(slice(0, 25)), sign=-1)
    expect_solved(sums, X[25:], y[25:], weight[25:])


def test_what_the_penalty_does_not_decide_is_as_small_as_can_be():
    """Two columns that are the same, and no penalty: each gets half."""
    x = RNG.normal(size=20)
    sums = Regression(np.column_stack([x, x]), 3 * x + 1)
    sums.gram[:] = sums.gram[0, 0]  # without rounding, so that elimination meets an exact zero
    beta = sums.solve(np.zeros(2))
    np.testing.assert_allclose(beta, [1.5, 1.5], rtol=1e-12)
    assert sums.offset(beta) == pytest.approx(1.0, rel=1e-12)
