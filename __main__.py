"""The command `realdb`, and `python -m realdb`."""

from __future__ import annotations

from . import terminal


def main() -> None:
    """Run the command line (cli.py)."""
    terminal.prepare()
    from . import cli

    terminal.run(cli.app)


if __name__ == "__main__":
    main()
