"""Libraries that only some tests use.

`pip install '.[test]'` leaves the large ones out. A test, or a module of tests, imports them
through `needs` or `late`, and is skipped where they are missing. With REALDB_REQUIRE_EXTRAS=1,
which CI sets, a library of the `dev` extra may not be missing: the test fails.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import re
import shutil
import tomllib
from pathlib import Path
from typing import Any, NoReturn

import pytest

PYPROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"
# Modules that are called otherwise than the package that has them.
PACKAGES = {
    "PIL": "pillow",
    "axe_playwright_python": "axe-playwright-python",
    "boto3": "moto",
    "crowdkit": "crowd-kit",
    "importlinter": "import-linter",
    "material": "mkdocs-material",
    "sklearn": "scikit-learn",
}


@functools.cache
def packages_of(extra: str) -> frozenset[str]:
    """Return the names of the packages of an extra, and of the extras that it includes."""
    extras = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    found: set[str] = set()
    for requirement in extras["optional-dependencies"][extra]:
        included = re.fullmatch(r"realdb\[(\w+)\]", requirement)
        if included:
            found |= packages_of(included[1])
        else:
            found |= set(re.findall(r"^[\w-]+", requirement))
    return frozenset(found)


def needs(module: str) -> Any:
    """Import a module and return it; skip the test where its package is not installed."""
    name = module.partition(".")[0]
    if importlib.util.find_spec(name) is not None:
        return importlib.import_module(module)
    package = PACKAGES.get(name, name)
    if package in packages_of("dev"):
        missing(f"{package} is not installed: pip install '.[dev]'")
    pytest.skip(f"{package} is not installed: pip install {package}", allow_module_level=True)


def needs_spark() -> Any:
    """Import pyspark and return it; skip the test where that or Java is missing."""
    pyspark = needs("pyspark")
    if not os.environ.get("JAVA_HOME") and shutil.which("java") is None:
        missing("Java is not installed, and Apache Spark needs it: version 17")
    return pyspark


def missing(reason: str) -> NoReturn:
    """Skip the test, or fail where everything that CI has is required."""
    if os.environ.get("REALDB_REQUIRE_EXTRAS") == "1":
        pytest.fail(f"{reason} (REALDB_REQUIRE_EXTRAS=1 requires it)")
    pytest.skip(reason, allow_module_level=True)


class _Late:
    """A module that is imported when a test uses one of its names."""

    def __init__(self, module: str) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # pytest looks for its own marks in everything it collects
            raise AttributeError(name)
        return getattr(needs(self._module), name)


def late(module: str) -> Any:
    """Return a stand-in for a module. The test that uses a name of it calls `needs`."""
    return _Late(module)
