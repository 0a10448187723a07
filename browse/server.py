"""Start the local web pages: prepare their tables, open a port, serve until interrupted."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import socket
import threading
from collections.abc import Callable
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..api.build import open_store
from ..errors import UsageError

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from ..ingest.progress import Progress

HOST = "127.0.0.1"
PORT = 8765
# The seconds after which the SQL console ends a query.
LIMIT = 10.0
WARNING = (
    "every computer that can reach this one can read the store, the pictures and the predictions, "
    "and run queries. There is no password, and no encryption"
)
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_OWN_NAMES = ("127.0.0.1", "localhost", "[::1]")
_LARGEST_PORT = 65_535
# Connections that wait to be accepted.
_BACKLOG = 256


class Server:
    """The pages of a store on an open port. `serve` answers until it is interrupted."""

    def __init__(
        self,
        *predictions: str | Path,
        images: str | Path | None = None,
        host: str = HOST,
        port: int = PORT,
        allow_remote: bool = False,
        sql_limit: float = LIMIT,
        store: str | PathLike[str] | None = None,
        offline: bool | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Open the port, and prepare the tables of the pages. The parameters are those of `browse`.

        Raises UsageError if an option is not valid, a library is missing, or the port is in use.
        Raises StoreError if there is no store, DataError for a prediction file that is not valid.
        """
        _require_libraries()
        from . import app, html, pages, pictures, prepared
        from . import console as consoles

        is_remote = host not in _LOOPBACK
        if is_remote and not allow_remote:
            raise UsageError(
                f"`host` is {host!r}, and then {WARNING}",
                parameter="host",
                value=host,
                remedy="To allow this, use `allow_remote=True`",
            )
        if not 0 < sql_limit <= 3_600:
            raise UsageError(
                f"`sql_limit` is {sql_limit:g}, which is not from 0 to 3,600 seconds",
                parameter="sql_limit",
                value=sql_limit,
            )
        self._pictures = None if images is None else pictures.Pictures(images)
        self._socket = _bound(host, port)
        self.host, self.port = host, int(self._socket.getsockname()[1])
        try:
            opened = open_store(store, offline, progress)
            self._watch = prepared.Watch(opened.root, predictions, progress=progress)
        except BaseException:
            self._socket.close()
            raise
        self._console = consoles.Console(self._about, sql_limit)
        site = pages.Site(self._watch, self._pictures, self._console, html.Html())
        names = {*_OWN_NAMES} if not is_remote else {*_OWN_NAMES, host, socket.gethostname()}
        self.app: ASGIApp = app.application(
            site, app.Hosts(self.port, names, any_address=is_remote)
        )

    @property
    def address(self) -> str:
        """The address of the first page."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{name}:{self.port}/"

    @property
    def is_remote(self) -> bool:
        """Other computers can reach the pages."""
        return self.host not in _LOOPBACK

    def ready(self) -> str:
        """Return a line with the address, and what its pages show."""
        from .prepared import described

        return f"{self.address} shows {described(self._watch.current)}. Ctrl-C ends it"

    def serve(self, announce: Callable[[str], object] = print) -> None:
        """Answer requests until the process is interrupted.

        `announce` is called with the line of `ready` when the pages can be opened.
        """
        import uvicorn

        gc.enable()  # short commands disable it
        ready = self.ready()

        class Announced(uvicorn.Server):
            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                await super().startup(sockets=sockets)
                announce(ready)

        config = uvicorn.Config(
            self.app,
            log_level="error",
            access_log=False,
            lifespan="off",
            server_header=False,
            ws="none",
            timeout_graceful_shutdown=1,
            timeout_keep_alive=30,
        )
        self._serving = Announced(config)
        run = partial(self._serving.run, sockets=[self._socket])
        try:
            if not _has_loop():
                run()
                return
            # A notebook has an event loop, and only another thread can have one too.
            thread = threading.Thread(target=run)
            thread.start()
            try:
                thread.join()
            finally:
                self.stop()
                thread.join()
        finally:
            self.close()

    def stop(self) -> None:
        """Make `serve`, which runs in another thread, return."""
        self._serving.should_exit = True

    def close(self) -> None:
        """Close the port, and end the processes of the pages."""
        self._console.close()
        self._watch.close()
        self._socket.close()

    def _about(self) -> dict[str, Any]:
        """Return what the worker of the SQL console opens."""
        prepared = self._watch.current
        models = {} if prepared.predictions is None else prepared.models_of_files
        return {
            "root": str(self._watch.root),
            "predictions": None if prepared.predictions is None else str(prepared.predictions),
            "models": models,
            # Another build needs another worker.
            "key": prepared.key,
        }


def browse(
    *predictions: str | Path,
    images: str | Path | None = None,
    host: str = HOST,
    port: int = PORT,
    allow_remote: bool = False,
    sql_limit: float = LIMIT,
    store: str | PathLike[str] | None = None,
    offline: bool | None = None,
    progress: Progress | None = None,
) -> None:
    """Serve local web pages over the store, until the process is interrupted.

    The pages show the images with their labels, votes and predictions, the classes, raters, models
    and label sets, and a console for SQL. `predictions` are prediction files or the names of stored
    models. Without them the pages show all stored models. `images` is a folder with the pictures
    (flat, or with class folders), or the archive ILSVRC2012_img_val.tar. A port of 0 means any free
    port. A query of the console ends after `sql_limit` seconds.

    Other computers can reach the pages only if `host` is another address than 127.0.0.1, localhost
    or ::1, which needs `allow_remote`. They can then read the store and run queries.

    Raises UsageError if a library is missing (pip install 'realdb[browse]') or the port is in use.
    """
    server = Server(
        *predictions,
        images=images,
        host=host,
        port=port,
        allow_remote=allow_remote,
        sql_limit=sql_limit,
        store=store,
        offline=offline,
        progress=progress,
    )
    server.serve()


def _has_loop() -> bool:
    """Return whether an event loop runs in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _require_libraries() -> None:
    """Raise UsageError if a library of the extra is missing."""
    import importlib

    for module in ("starlette", "jinja2", "uvicorn", "PIL"):
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise UsageError(
                f"the web pages need a library that cannot be imported ({error})",
                value=module,
                remedy="Install it with: pip install 'realdb[browse]'",
            ) from None


def _bound(host: str, port: int) -> socket.socket:
    """Return a socket that listens; UsageError if the port cannot be used."""
    if not 0 <= port <= _LARGEST_PORT:
        raise UsageError(
            f"`port` is {port}, which is not from 0 to {_LARGEST_PORT:,}",
            parameter="port",
            value=port,
        )
    try:
        family, kind, *_, place = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise _unusable(host, port, error) from None
    made = socket.socket(family, kind)
    try:
        if os.name != "nt":  # on Windows it would let two servers share the port
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(place)
        made.listen(_BACKLOG)
    except OSError as error:
        made.close()
        raise _unusable(host, port, error) from None
    return made


def _unusable(host: str, port: int, error: OSError) -> UsageError:
    if error.errno == errno.EADDRINUSE:
        return UsageError(
            f"the port {port} of {host} is in use, maybe by another realdb browse",
            parameter="port",
            value=port,
            remedy="End the other program, or use another `port`; 0 means any free port",
        )
    return UsageError(
        f"realdb cannot open the port {port} of {host}: {error.strerror or error}",
        parameter="port",
        value=port,
        remedy="Use another `port` or `host`",
    )
