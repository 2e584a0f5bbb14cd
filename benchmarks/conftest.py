"""Settings of the benchmarks: few rounds, but enough for a median."""


def pytest_configure(config) -> None:
    config.option.benchmark_max_time = 0.5
    config.option.benchmark_min_rounds = 5
    config.option.benchmark_columns = ["median", "iqr", "rounds"]
    config.option.benchmark_sort = "name"
    config.option.benchmark_warmup = "on"
