from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path, PurePosixPath

import pytest

import realdb

CHECKOUT = Path(__file__).resolve().parent.parent
# A checkout may hold a realdb.egg-info, which is found as well; what pip installed has a RECORD.
DISTRIBUTION = next(
    found for found in metadata.distributions(name="realdb") if found.read_text("RECORD")
)
# Folders of the checkout that hold Python and are not installed.
NOT_INSTALLED = {"tests", "benchmarks", "docs", "build", "dist"}


@pytest.fixture(scope="module")
def installed() -> set[PurePosixPath]:
    """Return the files that the installation put into site-packages and beside it."""
    direct = json.loads(DISTRIBUTION.read_text("direct_url.json") or "{}")
    if direct.get("dir_info", {}).get("editable"):
        pytest.skip("an editable install points here and copies nothing: install the wheel")
    return {PurePosixPath(file.as_posix()) for file in DISTRIBUTION.files or ()}


def found(pattern: str) -> set[str]:
    """Return the checkout's files that match, below the folders that are installed."""
    return {
        path.relative_to(CHECKOUT).as_posix()
        for path in CHECKOUT.rglob(pattern)
        if not any(
            part in NOT_INSTALLED or part.startswith(".") or part.endswith("-info")
            for part in path.relative_to(CHECKOUT).parts[:-1]
        )
    }


def test_every_folder_of_modules_is_a_package() -> None:
    settings = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
    folders = {PurePosixPath("realdb", path).parent for path in found("*.py")}
    assert sorted(".".join(folder.parts) for folder in folders) == sorted(
        settings["tool"]["setuptools"]["packages"]
    )


def test_only_realdb_is_installed(installed: set[PurePosixPath]) -> None:
    scripts = {"realdb", "realdb.exe"}
    others = [
        file
        for file in installed
        if file.parts[0] != "realdb"
        and not file.parts[0].endswith(".dist-info")
        and file.name not in scripts
    ]
    assert not others


def test_everything_is_installed(installed: set[PurePosixPath]) -> None:
    wanted = set.union(*(found(pattern) for pattern in ("*.py", "*.sql", "*.toml", "py.typed")))
    wanted.discard("pyproject.toml")
    own = {file for file in installed if file.parts[0] == "realdb" and file.suffix != ".pyc"}
    assert own == {PurePosixPath("realdb", path) for path in wanted}


def test_no_bare_name_is_taken() -> None:
    """PyPI has a package called `schema`; ours is `realdb.schema`."""
    assert (DISTRIBUTION.read_text("top_level.txt") or "").split() == ["realdb"]
    owners = metadata.packages_distributions()
    for name in ("schema", "ingest", "queries", "cli", "tests", "benchmarks"):
        assert "realdb" not in owners.get(name, [])


def test_the_version() -> None:
    assert realdb.__version__ == DISTRIBUTION.version


def test_the_command() -> None:
    (script,) = (point for point in DISTRIBUTION.entry_points if point.name == "realdb")
    assert script.group == "console_scripts"
    assert callable(script.load())


def test_imports_point_one_way() -> None:
    """The layers of pyproject.toml; import-linter says which import breaks them."""
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--no-cache"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert ", 0 broken" in done.stdout


def test_importing_realdb_imports_little() -> None:
    code = "import realdb, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = set(done.stdout.split())
    assert not imported & {"duckdb", "numpy", "pyarrow", "pooch", "rich", "typer", "realdb.api"}
