"""Rolling forecasts and backtests: what they look at, and linear parts fitted anew at every origin."""

import numpy as np
import pytest

from fastrnn.forecasting import Series, Transform, backtest, fitting
from fastrnn.forecasting.backtesting import seasonal_naive
from fastrnn.forecasting.fitting import linear_part, refits, solved, windows_of
from fastrnn.forecasting.model import flat
from fastrnn.forecasting.regression import Regression
from forecast_models import MONTHS, NOISE, SEASONAL, T, small


def test_rolling_forecasts_do_not_look_ahead():
    model, start = small(), 70
    series = Series(SEASONAL, MONTHS)
    paths = model.rolling(series, start, 5)
    assert paths.shape == (T - start, 5)
    for row in (70, 71, 100, T - 1):
        alone = np.log(model.forecast(series.head(row), 5).values)
        np.testing.assert_allclose(paths[row - start], alone, rtol=1e-6)


@pytest.mark.parametrize("refit", [True, False])
def test_a_backtest_does_not_look_ahead(refit):
    model, start = small(), 90
    changed = SEASONAL.copy()
    changed[100:] *= 3
    one, other = (backtest(model, Series(y, MONTHS), start, 4, 12, refit=refit) for y in (SEASONAL, changed))
    np.testing.assert_array_equal(one.forecasts[:11], other.forecasts[:11])
    assert not np.allclose(one.forecasts[11:], other.forecasts[11:])


def test_the_errors_of_a_backtest_by_hand():
    model, y, start = small(), SEASONAL + NOISE, 100
    series = Series(y, MONTHS)
    found = backtest(model, series, start, 3, 12, refit=False)
    for h in range(3):
        told = np.array([model.forecast(series.head(row), 3).values[h] for row in range(start, T - h)])
        errors = told - y[start + h :]
        assert found.rmse["model"][h] == pytest.approx(np.sqrt(np.mean(errors**2)), rel=1e-5)
        assert found.mae["model"][h] == pytest.approx(np.mean(np.abs(errors)), rel=1e-5)
        naive = y[start - 1 : T - 1 - h] - y[start + h :]
        assert found.rmse["persistence"][h] == pytest.approx(np.sqrt(np.mean(naive**2)))
    seasonal = y[start - 12 : T - 12] - y[start:]
    assert found.mae["seasonal naive"][0] == pytest.approx(np.mean(np.abs(seasonal)))
    assert found.rows == 20


def test_the_seasonal_forecast_repeats_the_last_season():
    told = seasonal_naive(np.arange(10.0), 8, 5, 3)
    assert told.tolist() == [[5, 6, 7, 5, 6], [6, 7, 8, 6, 7]]
    assert seasonal_naive(np.arange(10.0), 9, 2, 1).tolist() == [[8, 8]]


# ---- refits ----


def fitted_afresh(model, series):
    """Return β and b of all windows of a series, or of its end if it is long."""
    data = windows_of(fitting.trained_part(series), model.settings, scaling=(model.mean, model.scale))
    beta, b = solved(Regression(flat(data.x), data.y), model.settings)
    return np.append(beta, b)


@pytest.mark.parametrize("longest", [20_000, 48])
@pytest.mark.parametrize("every", [1, 7])
def test_refits_are_fits_to_what_lies_before(monkeypatch, longest, every):
    """Sums to which windows are added, and from which they are taken, are the sums of the windows that are left."""
    monkeypatch.setattr(fitting, "LONGEST", longest)
    model, series, rows = small(), Series(SEASONAL + NOISE, MONTHS), range(60, T, every)
    expected = [fitted_afresh(model, series.head(row)) for row in rows]
    np.testing.assert_allclose(np.stack(list(refits(model, series, rows))), expected, rtol=1e-10, atol=1e-12)
    assert np.ptp(expected, axis=0).min() > 1e-4  # other data, other parameters


def test_an_outlier_that_goes_out_leaves_no_rounding_behind(monkeypatch):
    """Its square, 1e20 times that of the rest, is more than float64 can take away again."""
    monkeypatch.setattr(fitting, "LONGEST", 48)
    model, y = small(Transform("none", ())), SEASONAL + NOISE
    y[30] = 1e12
    found = np.stack(list(refits(model, Series(y, MONTHS), range(60, T))))
    np.testing.assert_allclose(found[-1], fitted_afresh(model, Series(y[: T - 1], MONTHS)), rtol=1e-9, atol=1e-12)


def test_each_origin_is_told_by_its_own_linear_part():
    model, series, start = small(), Series(SEASONAL + NOISE, MONTHS), 100
    fits = np.stack(list(refits(model, series, range(start, T))))
    told = model.rolling(series, start, 5, fits)
    for row in (0, 9, T - start - 1):
        own = model._replace(linear=linear_part(fits[row, :-1], fits[row, -1]))
        np.testing.assert_allclose(told[row], own.rolling(series.head(start + row + 1), start + row, 5)[0], rtol=1e-12)


def test_many_rows_are_told_in_pieces(monkeypatch):
    model, series = small(), Series(SEASONAL, MONTHS)
    whole = model.rolling(series, 50, 3)
    monkeypatch.setattr("fastrnn.forecasting.model.ROWS", 16)
    np.testing.assert_array_equal(model.rolling(series, 50, 3), whole)
