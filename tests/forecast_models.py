"""A series of months with trend and season, and models of it with random parameters."""

import numpy as np

import fastrnn
from fastrnn.forecasting import Calendar, Series, SeriesModel, Settings, Transform
from fastrnn.forecasting.fitting import linear_part

MONTHS = Calendar("months", 1, 12 * 2000, 1, "%Y-%m")
T = 120
SEASONAL = np.exp(4 + 0.01 * np.arange(T) + 0.2 * np.sin(np.arange(T) * np.pi / 6))
GROWTH = Transform("log", (1,))
NOISE = np.random.default_rng(0).normal(size=T)


def small(transform=GROWTH, season=12, networks=2):
    """Return a model with random parameters that are small enough to be stable."""
    rng = np.random.default_rng(1)
    features = 11 if season else 0
    linear = linear_part(rng.normal(size=4 + features) * 0.1, 0.05)
    parts = [
        fastrnn.Sequential(fastrnn.GRU(1 + features, 3, seed=rng), fastrnn.Last(), fastrnn.Linear(3, 1, seed=rng))
        for _ in range(networks)
    ]
    own = Settings(transform, 4, season, 1.0, 0.0, 5, 0.5)
    return SeriesModel(own, 0.01, 0.1, linear, tuple(parts), (0.1, 0.2), Series(np.empty(0), MONTHS, "passengers"))
