"""The command `realdb`, and `python -m realdb`."""

from __future__ import annotations


def main() -> None:
    """Run the command line (cli.py)."""
    try:
        from . import terminal

        terminal.prepare()
        from . import cli
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    terminal.run(cli.app)


if __name__ == "__main__":
    main()
