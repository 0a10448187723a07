from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tomllib
import venv
from importlib import metadata
from pathlib import Path, PurePosixPath

import pytest

import realdb
from needs import needs, packages_of

CHECKOUT = Path(__file__).resolve().parent.parent
# A checkout may hold a realdb.egg-info, which is found as well; what pip installed has a RECORD.
DISTRIBUTION = next(
    found for found in metadata.distributions(name="realdb") if found.read_text("RECORD")
)
# Folders of the checkout that hold Python and are not installed.
NOT_INSTALLED = {"tests", "benchmarks", "docs"}


@pytest.fixture(scope="module")
def installed() -> set[PurePosixPath]:
    """Return the files that the installation put into site-packages and beside it."""
    direct = json.loads(DISTRIBUTION.read_text("direct_url.json") or "{}")
    if direct.get("dir_info", {}).get("editable"):
        pytest.skip("an editable install points here and copies nothing: install the wheel")
    return {PurePosixPath(file.as_posix()) for file in DISTRIBUTION.files or ()}


def tracked(root: Path) -> set[PurePosixPath] | None:
    """Return the files that git tracks; None where `root` is no repository, or git fails."""
    if not (root / ".git").exists() or shutil.which("git") is None:
        return None
    command = ["git", "ls-files", "-z", "--cached"]
    done = subprocess.run(command, cwd=root, capture_output=True, encoding="utf-8", check=False)
    files = {PurePosixPath(name) for name in done.stdout.split("\0") if name}
    return {file for file in files if (root / file).is_file()} or None


def walked(root: Path) -> set[PurePosixPath]:
    """Return the files of a folder without git: none of a virtual environment, or of a build."""
    files = set()
    for where, folders, names in os.walk(root):
        folder = Path(where)
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".")
            and not name.endswith("-info")
            and name not in ("build", "dist", "__pycache__")
            and not any((folder / name / mark).exists() for mark in ("pyvenv.cfg", "conda-meta"))
        ]
        files |= {PurePosixPath((folder / name).relative_to(root).as_posix()) for name in names}
    return files


def found(pattern: str, root: Path = CHECKOUT) -> set[str]:
    """Return the checkout's files that match, below the folders that are installed."""
    files = tracked(root)
    matching = {
        file.as_posix()
        for file in (walked(root) if files is None else files)
        if file.match(pattern) and file.parts[0] not in NOT_INSTALLED
    }
    assert matching, f"there is no {pattern} in {root}"
    return matching


@pytest.mark.parametrize("has_git", [True, False])
@pytest.mark.parametrize("name", ["venv", "env", "my env", ".venv"])
def test_a_virtual_environment_is_not_searched(name: str, has_git: bool, tmp_path: Path) -> None:
    """README recommends a virtual environment in the clone, which can have any name."""
    for file in ("__init__.py", "api/own.py", "tests/test_own.py", "pyproject.toml"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    if has_git:
        for arguments in ("init --quiet", "add ."):
            subprocess.run(["git", *arguments.split()], cwd=tmp_path, check=True)
    venv.create(tmp_path / name)
    library = next((tmp_path / name).rglob("site-packages")) / "library"
    library.mkdir()
    (library / "__init__.py").touch()
    (tmp_path / "build" / "lib").mkdir(parents=True)
    (tmp_path / "build" / "lib" / "copy.py").touch()
    assert found("*.py", tmp_path) == {"__init__.py", "api/own.py"}


@pytest.mark.parametrize(
    ("module", "required", "outcome"),
    [
        ("polars.absent", None, pytest.skip.Exception),
        ("polars.absent", "1", pytest.fail.Exception),
        ("torch.absent", None, pytest.skip.Exception),
        ("torch.absent", "1", pytest.skip.Exception),
    ],
)
def test_a_library_of_the_dev_extra_may_not_be_missing_in_ci(
    module: str, required: str | None, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setenv("REALDB_REQUIRE_EXTRAS", required or "0")
    with pytest.raises(outcome, match=f"{module.partition('.')[0]} is not installed: pip install"):
        needs(module)


def test_the_extra_for_tests_is_light() -> None:
    """`dev` includes `test`, and only `dev` has the large libraries."""
    assert packages_of("test") < packages_of("dev")
    assert {"pytest", "pytest-xdist", "hypothesis"} <= packages_of("test")
    large = {"pyspark", "pysail", "moto", "cleanlab", "crowd-kit", "datasets", "pandas", "polars"}
    assert large | {"mypy", "ruff", "sqlfluff"} <= packages_of("dev") - packages_of("test")


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
    patterns = ("*.py", "*.sql", "*.toml", "templates/*", "static/*", "py.typed")
    wanted = set.union(*(found(pattern) for pattern in patterns))
    wanted.discard("pyproject.toml")
    own = {file for file in installed if file.parts[0] == "realdb" and file.suffix != ".pyc"}
    assert own == {PurePosixPath("realdb", path) for path in wanted}


def test_no_other_top_level_name_is_installed() -> None:
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
    """import-linter checks the layers in pyproject.toml."""
    needs("importlinter")
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
    assert "realdb" in imported
    assert not imported & {"duckdb", "numpy", "pyarrow", "pooch", "rich", "typer", "realdb.api"}
