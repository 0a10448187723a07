"""Where the real files are: the upstream files, and predictions of real models."""

from __future__ import annotations

import os
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[2]
FOLDER = Path(os.environ.get("REALDB_TEST_DATA") or _CHECKOUT.parent / "shared")


def are_there() -> bool:
    """Say whether the folder has them."""
    return (FOLDER / "upstream" / "real.json").is_file()
