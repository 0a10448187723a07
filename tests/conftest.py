"""What the tests share: where the real files are, and a store built from them once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder with the real files: `upstream/` and `predictions/` stand in it.

    It is REALDB_TEST_DATA, else a folder `shared` beside the checkout. Where it is absent the test
    is skipped, or fails with REALDB_REQUIRE_DATA=1.
    """
    folder = Path(os.environ.get("REALDB_TEST_DATA") or CHECKOUT.parent / "shared")
    if (folder / "upstream" / "real.json").is_file():
        return folder
    reason = f"the real files are not here: set REALDB_TEST_DATA (looked for {folder}/upstream)"
    if os.environ.get("REALDB_REQUIRE_DATA") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def upstream(real_data: Path) -> Path:
    """Return the folder of the real upstream files."""
    return real_data / "upstream"
