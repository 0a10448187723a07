"""Time an iteration of Dawid & Skene's EM against crowd-kit's, on the real votes.

    REALDB_TEST_DATA=FOLDER python -m benchmarks.aggregation [RUNS]

Before the timing, both must compute the same probabilities from the same votes. They run in turn in
one process. The time of an iteration is the difference between a long and a short run, which
excludes the setup. Needs the extra `dev` (crowd-kit).
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import realdb
from realdb.stats.aggregation import Fit, VoteArrays, dawid_skene, read_round


def fit_realdb(votes: VoteArrays, iterations: int) -> Fit:
    return dawid_skene(
        votes,
        soft_label=np.eye(votes.answers),
        tolerance=-np.inf,
        max_iterations=iterations,
    )


def fit_crowdkit(frame: Any, iterations: int) -> Any:
    from crowdkit.aggregation import DawidSkene

    return DawidSkene(n_iter=iterations, tol=-np.inf).fit(frame)


def seconds(run: Callable[[int], object], iterations: int) -> float:
    """Return the seconds of one iteration, from runs of 1 and of 1 + `iterations`."""
    begun = time.perf_counter()
    run(1)
    middle = time.perf_counter()
    run(1 + iterations)
    return (time.perf_counter() - middle - (middle - begun)) / iterations


def row(name: str, votes: VoteArrays, runs: int) -> str:
    """Return the row of a model. Compare the results of both tools before the timing."""
    import pandas as pd

    frame = pd.DataFrame({"task": votes.item, "worker": votes.rater, "label": votes.answer})
    theirs = fit_crowdkit(frame, 5).probas_.sort_index().sort_index(axis=1).to_numpy()
    apart = float(np.abs(theirs - fit_realdb(votes, 5).posterior).max())
    if apart > 1e-6:
        raise SystemExit(f"{name}: the probabilities differ by {apart}")
    pairs = [
        (
            seconds(lambda n: fit_realdb(votes, n), 50),
            seconds(lambda n: fit_crowdkit(frame, n), 5),
        )
        for _ in range(runs)
    ]
    ratios = sorted(other / mine for mine, other in pairs)
    medians = [statistics.median(column) for column in zip(*pairs, strict=True)]
    return (
        f"| {name} | crowd-kit | {statistics.median(ratios):.0f} "
        f"| {ratios[0]:.0f}-{ratios[-1]:.0f} | {medians[0] * 1e3:.2f} | {medians[1] * 1e3:.0f} "
        f"| {apart:.0e} |"
    )


def main() -> None:
    """Print the table."""
    upstream = Path(os.environ["REALDB_TEST_DATA"]) / "upstream"
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    warnings.simplefilter("ignore")  # pandas' deprecations in crowd-kit
    with tempfile.TemporaryDirectory() as folder:
        store = realdb.ingest(upstream, store=folder)
        with store.connect(["votes"]) as con:
            votes = read_round(con).votes
    packages = ", ".join(f"{name} {version(name)}" for name in ("crowd-kit", "numpy", "pandas"))
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()},")
    print(f"{packages}; {runs} pairs\n")
    print("| Dawid & Skene | against | times faster (median) | from-to | ms | its ms | apart |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    print(row("3 classes, 3 answers", votes, runs), flush=True)
    print(row("2 classes, maybe as yes", votes.binary("yes"), runs), flush=True)


if __name__ == "__main__":
    main()
