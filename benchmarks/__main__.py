"""Time realdb against the code that a user would write instead, and write docs/performance.md.

    python -m benchmarks [ROW...] [--runs N] [--quick] [--data FOLDER] [--write]

Each row compares realdb with other tools. Before the timing, all must return the same answer. Then
they run in turn, each run in a new process, so a slow phase of the machine affects all of them. The
data and the baselines are the real ones in REALDB_TEST_DATA, or in a folder `shared` beside the
checkout. Without these the data is generated and kept in FOLDER. --quick uses a tenth of the
models. The benchmarks need the extra `bench`, and a POSIX system to measure memory. Tools that are
not installed are left out.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import re
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from . import data

PAGE = Path(__file__).resolve().parent.parent / "docs" / "performance.md"
PACKAGES = ("duckdb", "numpy", "pyarrow", "pandas", "polars", "timm", "torch", "crowd-kit")
CONTENDER = [sys.executable, "-m", "benchmarks.contenders"]
# The installed command, if there is one.
_SCRIPT = Path(sysconfig.get_path("scripts")) / "realdb"
REALDB = [str(_SCRIPT)] if _SCRIPT.is_file() else [sys.executable, "-m", "realdb"]
HEAD = """\
| work | row | against | ratio | from-to | CPU | s | its s | MB | its MB | bar |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"""


@dataclass(frozen=True, kw_only=True)
class Other:
    """A tool to compare realdb with. `bar` is the highest acceptable ratio of the times."""

    name: str
    command: list[str]
    bar: float | None = None
    needs: str | None = None
    # It does less work than realdb, so the answers differ.
    is_another_answer: bool = False


@dataclass(frozen=True, kw_only=True)
class Case:
    """A row: a task, realdb's command, and the others. `check` prints the answer if needed."""

    row: str
    work: str
    command: list[str]
    others: list[Other] = field(default_factory=list)
    check: list[str] | None = None


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of a process. `seconds` is the time that it prints, else the whole run time."""

    seconds: float
    cpu: float
    megabytes: float
    printed: str


def run(command: list[str]) -> Run:
    """Run a command and wait for its end."""
    with tempfile.TemporaryFile("w+") as printed, tempfile.TemporaryFile("w+") as said:
        begun = time.perf_counter()
        process = subprocess.Popen(command, stdout=printed, stderr=said)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise SystemExit(f"{' '.join(command)[:200]} failed:\n{said.read()[-2000:]}")
        printed.seek(0)
        text = printed.read()
    unit = 1e6 if sys.platform == "darwin" else 1e3  # bytes on macOS, kilobytes on Linux
    cpu = used.ru_utime + used.ru_stime
    if text.startswith("{"):
        own = json.loads(text)["seconds"]
        seconds, cpu = (own, own) if own is not None else (seconds, cpu)
    return Run(seconds=seconds, cpu=cpu, megabytes=used.ru_maxrss / unit, printed=text)


def apart(make: Callable[..., object], *arguments: object) -> None:
    """Call `make` in a new process, because the peak memory of a child includes its parent's."""
    process = multiprocessing.get_context("spawn").Process(target=make, args=arguments)
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"{make.__name__} failed")


def answer(text: str) -> list[Any]:
    """Return the answer of a contender, or the numbers in the last line of another command."""
    if text.startswith("{"):
        return list(json.loads(text)["answer"])
    return [float(number) for number in re.findall(r"[\d.]*\d", text.splitlines()[-1])]


def is_same(mine: str, theirs: str) -> bool:
    """Compare answers: counts, or the accuracy and the number of images of a baseline."""
    one, other = answer(mine), answer(theirs)
    if one == other:
        return True
    shares = [
        [found[0] / found[1], found[1]] if isinstance(found[0], int) else found
        for found in (one, other)
    ]
    wanted = set(shares[1])
    return len(wanted) == 2 and wanted <= set(shares[0])


def compare(case: Case, runs: int) -> Iterator[str]:
    """Yield a line of the table for each of the others."""
    others = [other for other in case.others if other.needs is None or is_installed(other.needs)]
    mine = run(case.check or case.command).printed
    if case.check:
        run(case.command)
    for other in others:
        theirs = run(other.command).printed
        if not (other.is_another_answer or is_same(mine, theirs)):
            raise SystemExit(
                f"{case.work}: realdb says {mine[:200]}, {other.name} says {theirs[:200]}"
            )
    turns = [
        [run(command) for command in (case.command, *(o.command for o in others))]
        for _ in range(runs)
    ]
    for place, other in enumerate(others, start=1):
        ratios = sorted(turn[0].seconds / turn[place].seconds for turn in turns)
        ratio = statistics.median(ratios)
        cpu = statistics.median(turn[0].cpu / turn[place].cpu for turn in turns)
        medians = [statistics.median(turn[which].seconds for turn in turns) for which in (0, place)]
        peaks = [max(turn[which].megabytes for turn in turns) for which in (0, place)]
        bar = (
            ""
            if other.bar is None
            else f"{other.bar:.2f} {'met' if ratio <= other.bar else 'not met'}"
        )
        yield (
            f"| {case.work} | {case.row} | {other.name} | {ratio:.2g} "
            f"| {ratios[0]:.2g}-{ratios[-1]:.2g} | {cpu:.2g} | {medians[0]:.3g} | {medians[1]:.3g} "
            f"| {peaks[0]:.0f} | {peaks[1]:.0f} | {bar} |"
        )


def growth(commands: dict[int, list[str]], runs: int) -> Iterator[str]:
    """Yield a line for each number of models: the time for a million rows, and the memory."""
    found: dict[int, list[Run]] = {models: [] for models in commands}
    for _ in range(runs):
        for models, command in commands.items():
            found[models].append(run(command))
    yield "| stored models | s | CPU s | s for a million rows | peak MB |"
    yield "| --- | --- | --- | --- | --- |"
    for models, turns in found.items():
        seconds = statistics.median(turn.seconds for turn in turns)
        cpu = statistics.median(turn.cpu for turn in turns)
        rows = models * data.IMAGES / 1e6
        peak = max(turn.megabytes for turn in turns)
        yield f"| {models:,} | {seconds:.2f} | {cpu:.2f} | {seconds / rows:.3f} | {peak:.0f} |"


def is_installed(package: str) -> bool:
    """Return whether the package of a contender is installed."""
    return find_spec({"crowd-kit": "crowdkit"}.get(package, package)) is not None


class Bench:
    """The data, real or generated, and the rows of the table."""

    def __init__(self, folder: Path, *, quick: bool) -> None:
        self.folder = folder
        self.share = 10 if quick else 1
        folder.mkdir(parents=True, exist_ok=True)
        apart(data.files, folder)
        self.files = data.files(folder)
        self.upstream = self.files / "upstream"
        self.real_json = str(self.upstream / "real.json")
        self.csv = data.predictions(self.files)
        self.store = folder / "store"
        run([*REALDB, "ingest", str(self.upstream), "--store", str(self.store)])
        os.environ["REALDB_HOME"] = str(self.store)
        self.tables = str(max(self.store.glob("builds/*/tables")))
        self.labels = f"{self.tables}/labels.parquet"

    def models(self, models: int, ranks: int = 1) -> Path:
        """Return the folder of generated models, with at least this number."""
        folder = self.folder / f"ranks_{ranks}"
        apart(data.write_models, folder, self.csv, models, ranks)
        return folder

    def one_file(self, models: int, ranks: int = 1) -> str:
        path = self.folder / f"ranks_{ranks}_models_{models}.parquet"
        apart(data.write_one, path, self.models(models, ranks), models)
        return str(path)

    def stored(self, models: int) -> str:
        """Return a store with this number of models."""
        root = self.folder / f"store_{models}"
        if not root.exists():
            run([*REALDB, "ingest", str(self.upstream), "--store", str(root)])
            (root / "predictions").mkdir()
            for path in sorted(self.models(models).glob("*.parquet"))[:models]:
                (root / "predictions" / path.name).hardlink_to(path)
        return str(root)

    def baseline(self, name: str, *arguments: str) -> list[str]:
        """Return the command of a baseline: its file in the real data, else a contender."""
        given = self.files / "baselines" / f"{name}.py"
        if given.is_file():
            return [sys.executable, str(given), *arguments]
        return [*CONTENDER, name, *arguments]

    def parquet(self) -> str:
        path = self.folder / "predictions.parquet"
        apart(data.write_parquet, path, self.csv)
        return str(path)

    def logits(self) -> str:
        path = self.folder / "logits.npy"
        apart(data.write_logits, path, self.csv)
        return str(path)

    def cases(self) -> Iterator[Case]:
        """Yield the rows."""
        predictions, parquet = str(self.csv), self.parquet()
        accuracy = [*REALDB, "accuracy", "--format", "csv"]
        judged = [*CONTENDER, "realdb_accuracy", str(self.store)]
        yield Case(
            row="accuracy-csv",
            work="`realdb accuracy` of a CSV, whole process",
            command=[*accuracy, predictions],
            check=[*judged, predictions],
            others=[
                Other(
                    name="the upstream README's loop",
                    command=self.baseline("readme_loop", self.real_json, predictions),
                    bar=0.9,
                ),
                Other(
                    name="pandas, read and merge",
                    command=self.baseline("pandas_merge", self.labels, predictions),
                    bar=0.45,
                    needs="pandas",
                ),
                Other(
                    name="timm's RealLabelsImagenet",
                    command=[*CONTENDER, "timm_real_labels", self.real_json, predictions],
                    needs="timm",
                ),
            ],
        )
        yield Case(
            row="accuracy-parquet",
            work="the same of a Parquet file",
            command=[*accuracy, parquet],
            check=[*judged, parquet],
            others=[
                Other(
                    name="pandas, read and merge",
                    command=self.baseline("pandas_merge", self.labels, parquet),
                    bar=0.45,
                    needs="pandas",
                ),
                Other(
                    name="Polars semi-join",
                    command=self.baseline("polars_semi_join", self.labels, parquet),
                    bar=0.9,
                    needs="polars",
                ),
            ],
        )
        yield Case(
            row="array",
            work="`realdb.accuracy(array)`, warm, 50,000 labels",
            command=[*CONTENDER, "realdb_array", str(self.store), predictions],
            others=[
                Other(
                    name="the upstream README's loop",
                    command=[*CONTENDER, "loop_array", self.real_json, predictions],
                    bar=1 / 20,
                ),
                Other(
                    name="NumPy, a table of booleans made before",
                    command=[*CONTENDER, "numpy_array", self.real_json, predictions],
                ),
            ],
        )
        yield Case(
            row="logits",
            work="`realdb accuracy logits.npy`, 200 MB, whole process",
            command=[*accuracy, self.logits()],
            check=[*judged, self.logits()],
            others=[
                Other(
                    name="np.load, argmax and the loop (top-1 only)",
                    command=[*CONTENDER, "argmax_loop", self.real_json, self.logits()],
                )
            ],
        )
        yield from self.bulk()
        for row, work, options, bar in (
            ("ingest", "`realdb ingest`, all files, Parquet and realdb.duckdb", [], 1.4),
            ("ingest-parquet", "`realdb ingest --parquet-only`", ["--parquet-only"], 1.1),
        ):
            yield Case(
                row=row,
                work=work,
                command=[
                    *(*REALDB, "ingest", str(self.upstream), *options),
                    *("--store", str(self.folder / "new")),
                ],
                check=[
                    *(*REALDB, "sql", "select count(*) from votes where round = 'main'"),
                    *("--format", "csv"),
                ],
                others=[
                    Other(
                        name="np.load, np.nonzero of the dense votes, pyarrow write",
                        command=[
                            *(*CONTENDER, "dense_nonzero_write", str(self.upstream)),
                            str(self.folder / "votes.parquet"),
                        ],
                        bar=bar,
                    )
                ],
            )
        yield Case(
            row="scores",
            work="votes to scores (view `recomputed_scores`), warm",
            command=[*CONTENDER, "realdb_scores", self.tables],
            others=[
                Other(
                    name="pandas, the same closed form",
                    command=[*CONTENDER, "pandas_scores", self.tables],
                    bar=1 / 3,
                    needs="pandas",
                )
            ],
        )

    def bulk(self) -> Iterator[Case]:
        """Yield the rows with many models."""
        many, fewer, ranked = 1_000 // self.share, 100 // self.share, 200 // self.share

        def against(name: str, contender: str, file: str, **more: object) -> Other:
            command = [*CONTENDER, contender, self.tables, file]
            return Other(name=name, command=command, **more)  # type: ignore[arg-type]

        for number in (many, fewer):
            file = self.one_file(number)
            others = [
                against("Polars, streaming semi-join", "polars_leaderboard", file, bar=1 / 1.3),
                against("NumPy, a table of booleans", "numpy_leaderboard", file),
                against("DuckDB, join on image and label", "duckdb_two_columns", file),
                against("scan and group by model", "duckdb_scan", file, is_another_answer=True),
            ]
            yield Case(
                row=f"leaderboard-{number}",
                work=f"{number:,} models x 50,000 in one Parquet file (view `accuracy`)",
                command=[*CONTENDER, "realdb_leaderboard", self.tables, file],
                others=others
                if number == many
                else [against("pandas, isin and merge", "pandas_leaderboard", file)],
            )
        store = self.stored(many)
        pattern = f"{store}/predictions/*.parquet"
        yield Case(
            row="leaderboard-view",
            work=f"{many:,} stored models, a file each (view `accuracy`)",
            command=[*CONTENDER, "realdb_store", self.tables, store],
            others=[
                against("Polars, streaming semi-join", "polars_leaderboard", pattern, bar=1 / 1.3),
                against("DuckDB, join on image and label", "duckdb_two_columns", pattern),
            ],
        )
        yield Case(
            row="leaderboard-files",
            work=f"`realdb leaderboard`, {many:,} stored models, a file each",
            command=[*REALDB, "leaderboard", "--store", store, "--format", "csv"],
            check=[*CONTENDER, "realdb_leaderboard", self.tables, pattern],
            others=[
                against("Polars, streaming semi-join", "polars_leaderboard", pattern, bar=1 / 1.3),
            ],
        )
        file = self.one_file(ranked, ranks=5)
        yield Case(
            row="top5",
            work=f"top-5, {ranked} models x 50,000 x 5 (view `accuracy`)",
            command=[*CONTENDER, "realdb_top5", self.tables, file],
            others=[
                against(
                    "Polars, which looks for all five", "polars_top5_checked", file, bar=1 / 1.3
                ),
                against("Polars, taking them for granted", "polars_top5", file, bar=1 / 1.3),
            ],
        )

    def growth(self) -> dict[int, list[str]]:
        """Return commands for increasing numbers of models. The time should grow linearly."""
        return {
            models: [*REALDB, "leaderboard", "--store", self.stored(models), "--format", "csv"]
            for models in (1, 10, 100, 1_000 // self.share)
        }


def machine(runs: int) -> str:
    """Return a sentence on the machine and the versions of packages."""
    versions = [f"Python {platform.python_version()}"]
    for package in PACKAGES:
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} cores, {memory:.0f} GB of memory; {', '.join(versions)}; "
        f"{runs} runs each, in turn."
    )


def write(page: Path, text: str) -> None:
    """Replace the text between the marks of the page."""
    mark, end = "<!-- measured -->\n", "<!-- end -->\n"
    before, _, rest = page.read_text(encoding="utf-8").partition(mark)
    _, _, after = rest.partition(end)
    page.write_text(f"{before}{mark}{text}{end}{after}", encoding="utf-8")


def main() -> None:
    """Measure the selected rows, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("rows", nargs="*", metavar="ROW", help="prefixes of row names")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="use a tenth of the models")
    parser.add_argument("--write", action="store_true", help="write the tables to the page")
    default = Path(tempfile.gettempdir()) / "realdb-benchmarks"
    parser.add_argument("--data", type=Path, default=default, metavar="FOLDER")
    given = parser.parse_args()
    bench = Bench(given.data, quick=given.quick)

    def is_asked(row: str) -> bool:
        return not given.rows or any(row.startswith(asked) for asked in given.rows)

    lines: list[str] = []

    def say(line: str) -> None:
        print(line, flush=True)
        lines.append(line + "\n")

    say(machine(given.runs) + "\n")
    say(HEAD)
    for case in bench.cases():
        if is_asked(case.row):
            for line in compare(case, given.runs):
                say(line)
    if is_asked("growth"):
        say("")
        for line in growth(bench.growth(), given.runs):
            say(line)
    if is_asked("aggregation") and is_installed("crowd-kit"):
        say("")
        os.environ["REALDB_TEST_DATA"] = str(bench.files)
        command = [sys.executable, "-m", "benchmarks.aggregation", str(given.runs)]
        table = run(command).printed
        say(table[table.index("| ") :].rstrip())
    if given.write:
        write(PAGE, "".join(lines))


if __name__ == "__main__":
    main()
