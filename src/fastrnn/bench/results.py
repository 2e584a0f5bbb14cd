"""What a run has found: results as they come in, and the ratios, rates and means made of them."""

import json
import math
import statistics
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from fastrnn.bench.contestants import entrants
from fastrnn.bench.training import case_of

FORMAT = 1


@dataclass(slots=True)
class Result:
    """One job's outcome.

    Attributes
    ----------
    work : str
        A key of `jobs.WORK`.
    case : Case, Epoch, Step or Fitting
        As the work is.
    threads : int
    values : dict
        Seconds of one call (bytes, for memory) by contestant.
    reasons : dict
        Why a contestant has no value.
    """

    work: str
    case: Any
    threads: int
    values: dict[str, float]
    reasons: dict[str, str]

    @property
    def ours(self) -> float | None:
        """The value of fastrnn."""
        return self.values.get("fastrnn")

    @property
    def best_peer(self) -> str | None:
        """The fastest peer that computes the right thing, if any has been timed."""
        timed = [name for name in entrants(self.case) if name != "fastrnn" and name in self.values]
        return min(timed, key=self.values.__getitem__, default=None)

    def ratio(self, against: str | None = None) -> float | None:
        """Return the value of a peer, the best one if none is named, divided by that of fastrnn."""
        peer = against or self.best_peer
        if self.ours is None or peer not in self.values:
            return None
        return self.values[peer] / self.ours

    @property
    def outside(self) -> float | None:
        """Which part of an epoch is spent outside the model's ``record`` and ``backward``."""
        kernels = self.values.get("kernels")
        return 1 - kernels / self.ours if self.ours and kernels is not None else None

    @property
    def rate(self) -> float | None:
        """Operations a second of fastrnn."""
        return self.case.flops / self.ours if self.ours and self.work == "compare" else None


@dataclass(slots=True)
class Run:
    """All of a run.

    Attributes
    ----------
    machine : dict of str
        What it ran on, versions included.
    results : list of Result
    peaks : dict
        The largest rate that the peak kernel reached, by threads and dtype.
    complete : bool
        Whether all that was planned has been measured.
    """

    machine: dict[str, str] = field(default_factory=dict)
    results: list[Result] = field(default_factory=list)
    peaks: dict[tuple[int, str], float] = field(default_factory=dict)
    complete: bool = False

    def add(self, message: dict[str, Any]) -> None:
        """Take what a worker says."""
        kind, threads = message["kind"], message["threads"]
        if kind == "start":
            self.machine |= {name: version or "not installed" for name, version in message["versions"].items()}
        elif kind == "peak" and message["rate"]:
            key = threads, message["dtype"]
            self.peaks[key] = max(message["rate"], self.peaks.get(key, 0.0))
        elif kind == "result":
            values = message.get("seconds") or message.get("bytes") or {}
            case = case_of(message["work"], message["case"])
            self.results.append(Result(message["work"], case, threads, values, message["reasons"]))

    def chosen(self, work: str = "compare", dtype: str | None = "float32", threads: int | None = None) -> list[Result]:
        """Return the results of one kind of work; None stands for any."""
        return [
            result
            for result in self.results
            if result.work == work and dtype in (None, result.case.dtype) and threads in (None, result.threads)
        ]

    def peak(self, threads: int, dtype: str) -> float | None:
        """Return the peak, never below a rate that was seen; None if the peak kernel has not run."""
        measured = self.peaks.get((threads, dtype))
        seen = [result.rate or 0.0 for result in self.chosen(dtype=dtype, threads=threads)]
        return None if measured is None else max(measured, *seen, 0.0)

    def share(self, result: Result) -> float | None:
        """Return the part of the peak that fastrnn reached."""
        peak = self.peak(result.threads, result.case.dtype)
        return result.rate / peak if result.rate and peak else None

    def threads(self) -> list[int]:
        """Return the thread counts that there are results of."""
        return sorted({result.threads for result in self.results})

    def to_json(self) -> str:
        """Return everything as text."""
        results = [
            {"work": r.work, "case": r.case.to_json(), "threads": r.threads, "values": r.values, "reasons": r.reasons}
            for r in self.results
        ]
        peaks = [{"threads": k, "dtype": dtype, "rate": rate} for (k, dtype), rate in self.peaks.items()]
        own = {"format": FORMAT, "complete": self.complete, "machine": self.machine, "peaks": peaks}
        return json.dumps({**own, "results": results}, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Run":
        """Return the run that `to_json` wrote.

        Raises
        ------
        ValueError
            If the text is something else.
        """
        try:
            own = json.loads(text)
            if own["format"] != FORMAT:
                raise ValueError(f"expected format {FORMAT}, got {own['format']!r:.40}")
            peaks = {(peak["threads"], peak["dtype"]): peak["rate"] for peak in own["peaks"]}
            results = [Result(**{**r, "case": case_of(r["work"], r["case"])}) for r in own["results"]]
            return cls(own["machine"], results, peaks, own["complete"])
        except (KeyError, TypeError, json.JSONDecodeError, RecursionError) as error:
            raise ValueError(f"not a file that fastrnn bench --json wrote ({error!r:.80})") from None


def ratios(results: Iterable[Result]) -> Iterator[float]:
    """Yield the ratios against the best peer that there are."""
    for result in results:
        ratio = result.ratio()
        if ratio is not None:
            yield ratio


def geometric_mean(values: Iterable[float]) -> float:
    """Return the geometric mean, NaN of nothing."""
    logs = [math.log(value) for value in values]
    return math.exp(statistics.fmean(logs)) if logs else math.nan
