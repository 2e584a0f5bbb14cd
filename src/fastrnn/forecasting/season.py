"""The season of a series: from its dates, or from its autocorrelation."""

import numpy as np

from fastrnn.forecasting.series import Array, Series

LONGEST = 400  # steps of a season that is looked for


def season_of(series: Series) -> int:
    """Return how many steps the season of a series has: what its dates suggest, else what its values do; 1 if none."""
    if series.calendar is not None and series.calendar.season is not None:
        return series.calendar.season
    return found_season(series.values)


def found_season(y: Array) -> int:
    """Return the lag of the highest peak of the autocorrelation of differences; 1 if none stands out of the noise.

    r_k = Σ d_t d_{t-k} / Σ d_t²; of white noise |r_k| stays below 2.6 / √T ninety-nine times in a hundred.
    """
    d = np.diff(y) - np.diff(y).mean()
    longest = min(LONGEST, len(y) // 3)
    power = float(d @ d)
    if not power or longest < 3:
        return 1
    size = 1 << int(np.ceil(np.log2(2 * len(d))))
    r = np.fft.irfft(np.abs(np.fft.rfft(d, size)) ** 2, size)[: longest + 2] / power
    k = np.arange(2, longest + 1)
    peaks = k[(r[k] > r[k - 1]) & (r[k] >= r[k + 1]) & (r[k] > max(0.2, 2.6 / np.sqrt(len(d))))]
    return int(peaks[np.argmax(r[peaks])]) if peaks.size else 1
