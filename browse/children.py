"""Start a process of realdb: one module, with pipes for its input and output."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def start(module: str) -> subprocess.Popen[bytes]:
    """Start `module` of this package with pipes for its standard input and output.

    It does not import the main module of this process. A process that multiprocessing spawns does,
    and hangs if that is a server. It finds the modules that this process finds, and none in the
    working folder.
    """
    package = str(Path(__file__).parents[2])
    paths = [package, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return subprocess.Popen(
        [sys.executable, "-P", "-m", f"{__package__}.{module}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=None if os.environ.get("REALDB_DEBUG") == "1" else subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        # Ctrl-C in a terminal is for the server, which ends its processes.
        start_new_session=os.name != "nt",
    )
