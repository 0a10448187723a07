"""The web application: routes, and the rules for every request and response."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from ..errors import QueryError, RealdbError, UsageError
from . import pages
from .pages import NotFoundError, Page, Site

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_STATIC = Path(__file__).parent / "static"
_METHODS = ("GET", "HEAD")
_HEADERS = {
    "content-security-policy": "default-src 'none'; img-src 'self'; script-src 'self'; "
    "style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
# Sites whose pages may open these: another site could run queries in the user's browser.
_OWN_ONLY = ("/sql", "/sql.csv", "/sql.parquet", "/images.csv", "/images.parquet")
_OWN_SITES = ("same-origin", "none")
_LONGEST_ADDRESS = 200_000
# How many requests of a kind run at a time. Each query waits for the one worker, and each picture
# takes memory, so these must not take all threads.
_AT_A_TIME = {"query": 4, "picture": 2, "page": 4}


def application(site: Site, hosts: Hosts) -> ASGIApp:
    """Return the application for the requests to `hosts`."""
    limiters: dict[str, anyio.CapacityLimiter] = {}
    routes = [
        _route(site, path, page, kind, limiters)
        for path, page, kind in (
            ("/", pages.start, "page"),
            ("/images", pages.grid, "page"),
            ("/images.csv", pages.exported, "page"),
            ("/images.parquet", pages.exported, "page"),
            ("/image/{image_id}", pages.image, "page"),
            ("/picture/{size}/{image_id}", pages.picture, "picture"),
            ("/classes", pages.classes, "page"),
            ("/class/{label}", pages.class_, "page"),
            ("/raters", pages.raters, "page"),
            ("/rater/{rater_id}", pages.rater, "page"),
            ("/models", pages.models, "page"),
            ("/model", pages.model, "page"),
            ("/compare", pages.compare, "page"),
            ("/label-sets", pages.label_sets, "page"),
            ("/views", pages.views, "page"),
            ("/views/{name}", pages.view, "page"),
            ("/sql", pages.sql, "query"),
            ("/sql.csv", pages.sql_file, "query"),
            ("/sql.parquet", pages.sql_file, "query"),
        )
    ]

    async def refused(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 404
        return _error(site, request, status, "There is no such page")

    app = Starlette(
        routes=[*routes, Mount("/static", StaticFiles(directory=_STATIC))],
        exception_handlers={HTTPException: refused},
    )
    return Guard(app, hosts)


def _route(
    site: Site, path: str, page: Page, kind: str, limiters: dict[str, anyio.CapacityLimiter]
) -> Route:
    async def answer(request: Request) -> Response:
        if kind not in limiters:
            limiters[kind] = anyio.CapacityLimiter(_AT_A_TIME[kind])
        return await anyio.to_thread.run_sync(
            _answered, site, page, request, limiter=limiters[kind]
        )

    return Route(path, answer, methods=[*_METHODS])


def _answered(site: Site, page: Page, request: Request) -> Response:
    """Return a page, or the page of its error."""
    try:
        return page(site, request)
    except NotFoundError as error:
        return _error(site, request, 404, str(error))
    except (UsageError, QueryError) as error:
        return _error(site, request, 400, str(error))
    except RealdbError as error:
        return _error(site, request, 500, str(error))
    except Exception as error:
        if os.environ.get("REALDB_DEBUG") == "1":
            raise
        text = f"{type(error).__name__}: {error}. Set REALDB_DEBUG=1 to see the traceback"
        return _error(site, request, 500, text)


_TITLES = {400: "The address is not valid", 404: "Not found", 500: "An error occurred"}


def _error(site: Site, request: Request, status: int, message: str) -> Response:
    title = _TITLES.get(status, "The request is refused")
    return site.page(request, "error.html", status, title=title, message=message)


class Hosts:
    """The values of the header Host that are accepted.

    A page of another site can make a browser send requests here, under a name of that site which
    leads to this computer. These requests have that name as Host.
    """

    def __init__(self, port: int, names: Collection[str], *, any_address: bool = False) -> None:
        """Accept `names` with the port. `any_address` accepts all IP addresses too."""
        self._port = port
        self._names = {name.lower() for name in names}
        self._any_address = any_address

    def accept(self, host: str) -> bool:
        """Return whether requests for a host are answered."""
        name, port = host.lower(), "80"
        if ":" in host.rpartition("]")[2]:
            name, _, port = name.rpartition(":")
        if port != str(self._port):
            return False
        return name in self._names or (self._any_address and _is_address(name))


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


class Guard:
    """Refuses requests that no page of this server makes, and adds headers to all responses."""

    def __init__(self, app: ASGIApp, hosts: Hosts) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                found = [*message["headers"]]
                names = {name.lower() for name, _ in found}
                found += [
                    (name.encode(), value.encode())
                    for name, value in {**_HEADERS, "cache-control": "no-cache"}.items()
                    if name.encode() not in names
                ]
                message = {**message, "headers": found}
            await send(message)

        refusal = None if scope["type"] == "http" else (404, "Not found")
        refusal = refusal or self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, send_with_headers)
            return
        if scope["type"] != "http":  # a WebSocket
            await send({"type": "websocket.close", "code": 1008})
            return
        status, text = refusal
        headers = {"allow": ", ".join(_METHODS)} if status == 405 else {}
        response = Response(f"{text}\n", status, headers, media_type="text/plain; charset=utf-8")
        await response(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Return the status and reason of a request that is refused."""
        headers: dict[bytes, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.lower(), []).append(value.decode("latin-1"))
        hosts = headers.get(b"host", [])
        if len(hosts) != 1 or not self._hosts.accept(hosts[0]):
            return 421, "This server does not answer requests for this host"
        if scope["method"] not in _METHODS:
            return 405, "Only GET and HEAD are supported"
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > _LONGEST_ADDRESS:
            return 414, "The address is too long"
        sites = headers.get(b"sec-fetch-site", ["none"])
        if scope["path"] in _OWN_ONLY and any(site not in _OWN_SITES for site in sites):
            return 403, (
                "A page of another site led here. To open the address, copy it into the address bar"
            )
        return None
