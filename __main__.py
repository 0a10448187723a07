"""The command `realdb`, and `python -m realdb`: DuckDB starts beside the command line."""

from __future__ import annotations

import gc
import sys

# The commands that ask the store whatever their options are: those where waiting is all start.
ASKING = ("accuracy", "agreement", "demo", "doctor", "explain", "leaderboard", "scores", "sql")
_HELP = {"-h", "--help"}


def main() -> None:
    """Run the command line (cli.py)."""
    # One short command makes no garbage worth looking for: 10 ms of the start.
    gc.disable()
    if sys.argv[1:2] and sys.argv[1] in ASKING and _HELP.isdisjoint(sys.argv):
        from .store import store as stores

        stores.open_ahead()
    from . import cli

    cli.main()


if __name__ == "__main__":
    main()
