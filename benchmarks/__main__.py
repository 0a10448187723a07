"""Time whole processes side by side, and print a Markdown table of ratios.

    REALDB_TEST_DATA=FOLDER python -m benchmarks [RUNS]

FOLDER holds `upstream/` and `predictions/`, as the tests need them. Each row is realdb against what
a user would write instead; the two run in turn, so that a machine that slows down slows both. They
must give the same answer before they are timed. Needs the extra `dev` (pandas), and a POSIX system
for the memory.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

README_LOOP = """
import csv, json, sys
import numpy as np
real = {f"ILSVRC2012_val_{i + 1:08d}.JPEG": r for i, r in enumerate(json.load(open(sys.argv[1])))}
rows = list(csv.reader(open(sys.argv[2])))[1:]
print(np.mean([int(label) in real[name] for name, label, *_ in rows if real[name]]))
"""
# Noise, with the class predicted far above it: 200 MB that score as the CSV does.
MAKE_LOGITS = """
import csv, sys
import numpy as np
rows = sorted(csv.reader(open(sys.argv[1])))[:50000]
logits = np.random.default_rng(0).standard_normal((50000, 1000), dtype=np.float32)
logits[np.arange(50000), [int(label) for _, label, *_ in rows]] += 12
np.save(sys.argv[2], logits)
"""
ARGMAX_LOOP = """
import json, sys
import numpy as np
real = {f"ILSVRC2012_val_{i + 1:08d}.JPEG": r for i, r in enumerate(json.load(open(sys.argv[1])))}
rows = zip(real, np.load(sys.argv[2]).argmax(axis=1))
print(np.mean([int(label) in real[name] for name, label in rows if real[name]]))
"""
PANDAS_MERGE = """
import sys
import pandas as pd
labels = pd.read_parquet(sys.argv[1], columns=["image_id", "label"])
rows = pd.read_csv(sys.argv[2])
rows["image_id"] = rows.file_name.str.extract(r"(\\d{8})", expand=False).astype("int32")
rows["label"] = rows.predicted_class.astype("int16")
rows = rows[rows.image_id.isin(labels.image_id)]
print(len(rows.merge(labels, on=["image_id", "label"])) / len(rows))
"""
DENSE_NONZERO = """
import sys
import numpy as np
print(len(np.nonzero(np.load(sys.argv[1])["tensor"])[0]))
"""


@dataclass(frozen=True, kw_only=True)
class Case:
    """Two commands that give the same answer; `check` gives it where realdb's prints none."""

    work: str
    realdb: list[str]
    against: str
    other: list[str]
    check: list[str] | None = None


def run(command: list[str]) -> tuple[float, float, str]:
    """Return a whole process's wall seconds, its peak of memory in MB, and what it printed."""
    with tempfile.TemporaryFile("w+") as printed:
        begun = time.perf_counter()
        process = subprocess.Popen(command, stdout=printed, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)
        printed.seek(0)
        unit = 1e6 if sys.platform == "darwin" else 1e3  # bytes there, kilobytes elsewhere
        return seconds, used.ru_maxrss / unit, printed.read()


def answer(command: list[str]) -> float:
    """Return the first number that a command prints."""
    cells = run(command)[2].replace("\n", ",").split(",")
    return next(float(cell) for cell in cells if cell.replace(".", "", 1).isdigit())


def row(case: Case, runs: int) -> str:
    """Return a case as a row of the table; its commands are compared before they are timed."""
    mine, theirs = answer(case.check or case.realdb), answer(case.other)
    if mine != theirs:
        raise SystemExit(f"{case.work}: realdb says {mine}, {case.against} {theirs}")
    pairs = [(run(case.realdb), run(case.other)) for _ in range(runs)]
    ratios = sorted(one[0] / other[0] for one, other in pairs)
    seconds = statistics.median(one[0] for one, _ in pairs)
    memory = max(one[1] for one, _ in pairs), max(other[1] for _, other in pairs)
    return (
        f"| {case.work} | {case.against} | {statistics.median(ratios):.2f} "
        f"| {ratios[0]:.2f}-{ratios[-1]:.2f} | {seconds:.2f} | {memory[0]:.0f} | {memory[1]:.0f} |"
    )


def cases(data: Path, store: Path, logits: str) -> list[Case]:
    """Return what is compared, on a store that is built and a file of logits that is made."""
    realdb = [sys.executable, "-m", "realdb.cli"]
    python = [sys.executable, "-c"]
    upstream, predictions = data / "upstream", str(data / "predictions" / "ViT.csv")
    labels = next(store.glob("builds/*/tables/labels.parquet"))
    accuracy = [*realdb, "accuracy", predictions]
    return [
        Case(
            work="accuracy ViT.csv",
            realdb=accuracy,
            against="the loop of the upstream README",
            other=[*python, README_LOOP, str(upstream / "real.json"), predictions],
        ),
        Case(
            work="accuracy ViT.csv",
            realdb=accuracy,
            against="pandas read and merge",
            other=[*python, PANDAS_MERGE, str(labels), predictions],
        ),
        Case(
            work="accuracy logits.npy, float32",
            realdb=[*realdb, "accuracy", logits],
            against="np.load, argmax and that loop (top-1 only)",
            other=[*python, ARGMAX_LOOP, str(upstream / "real.json"), logits],
        ),
        Case(
            work="ingest, all files",
            realdb=[*realdb, "ingest", str(upstream)],
            against="np.load and np.nonzero of the dense votes",
            other=[*python, DENSE_NONZERO, str(upstream / "raters.npz")],
            check=[*realdb, "sql", "select count(*) from votes where round = 'main'"],
        ),
    ]


def main() -> None:
    """Print the table."""
    data = Path(os.environ["REALDB_TEST_DATA"])
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    with tempfile.TemporaryDirectory() as folder:
        store, logits = Path(folder) / "store", str(Path(folder) / "logits.npy")
        os.environ["REALDB_HOME"] = str(store)
        run([sys.executable, "-m", "realdb.cli", "ingest", str(data / "upstream")])
        # By a process of its own: a child's peak of memory begins at its parent's.
        run([sys.executable, "-c", MAKE_LOGITS, str(data / "predictions" / "ViT.csv"), logits])
        packages = ", ".join(f"{name} {version(name)}" for name in ("duckdb", "numpy", "pandas"))
        print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()},")
        print(f"{packages}; {runs} pairs of whole processes\n")
        print("| realdb | against | ratio (median) | from-to | seconds | peak MB | its peak MB |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        for case in cases(data, store, logits):
            print(row(case, runs), flush=True)


if __name__ == "__main__":
    main()
