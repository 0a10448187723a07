"""Attacks on the pages: other sites, other hosts, names, paths, queries, pictures."""

from __future__ import annotations

import contextlib
import hashlib
import html
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from browse_pages import MARKUP, PAGES, text_of
from query_attacks import OTHERS, READS, SECRET, WRITES

POLICY = {
    "default-src": "'none'",
    "img-src": "'self'",
    "script-src": "'self'",
    "style-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
DOWNLOADS = ("/images.csv", "/images.parquet", "/sql.csv?q=select+1", "/sql.parquet?q=select+1")


# Hosts and sites


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::1]", "LOCALHOST"])
def test_own_hosts_are_answered(client: Any, server: Any, name: str) -> None:
    found = client.get("/models", headers={"host": f"{name}:{server.port}"})
    assert found.status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "attacker.example:{port}",
        "127.0.0.1",
        "127.0.0.1:1",
        "localhost.attacker.example:{port}",
        "127.0.0.1:{port}.attacker.example",
        "127.0.0.1:{port}@attacker.example",
        "10.0.0.1:{port}",
        "[::1]",
        "",
        "0.0.0.0:{port}",
    ],
)
@pytest.mark.parametrize("page", ["/images", "/sql?q=select+1", "/static/style.css", "/none"])
def test_a_foreign_host_is_not_answered(client: Any, server: Any, host: str, page: str) -> None:
    found = client.get(page, headers={"host": host.format(port=server.port)})
    assert found.status_code == 421
    assert "realdb" not in found.text


def test_two_hosts_are_not_answered(address: str) -> None:
    with connection(address) as (link, port):
        link.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nHost: x:{port}\r\n\r\n".encode())
        assert re.match(rb"HTTP/1.1 (400|421) ", link.recv(1000))


@pytest.mark.parametrize(
    "method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"]
)
@pytest.mark.parametrize("page", ["/images", "/sql?q=select+1", "/static/style.css", "/none"])
def test_only_get_and_head(client: Any, method: str, page: str) -> None:
    found = client.request(method, page)
    assert found.status_code == 405
    assert found.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("site", ["cross-site", "same-site", "cross-site, none", "unknown"])
@pytest.mark.parametrize("page", ["/sql", "/sql?q=select+1", *DOWNLOADS])
def test_another_site_cannot_query_or_download(client: Any, page: str, site: str) -> None:
    assert client.get(page, headers={"sec-fetch-site": site}).status_code == 403


@pytest.mark.parametrize("page", ["/sql", "/sql?q=select+1", *DOWNLOADS])
def test_own_pages_and_the_address_bar_can(client: Any, page: str) -> None:
    for site in ("same-origin", "none"):
        assert client.get(page, headers={"sec-fetch-site": site}).status_code == 200


@pytest.mark.parametrize(
    "page", [*PAGES, "/none", "/image/0", "/static/keys.js", "/picture/small/1"]
)
def test_headers(client: Any, page: str) -> None:
    headers = client.get(page).headers
    found = dict(
        rule.strip().split(" ", 1) for rule in headers["content-security-policy"].split(";")
    )
    assert found == POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "set-cookie" not in headers
    assert "server" not in headers


@pytest.mark.parametrize("page", [*PAGES, "/images?rated=yes", "/none"])
def test_a_page_has_no_inline_script_or_style(client: Any, page: str) -> None:
    text = client.get(page).text
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", text)
    scripts = re.findall(r"<script[^>]*>.*?</script>", text, re.DOTALL)
    assert scripts == ['<script src="/static/keys.js" defer></script>']
    assert not re.search(r'(?:src|href|action)="(?:[a-z]+:)?//', text)


# Markup


@pytest.mark.parametrize(
    "page",
    [
        "/images",
        "/images?" + urlencode({"wrong": MARKUP}),
        "/images?" + urlencode({"verdict": f"{MARKUP}:wrong"}),
        "/image/1",
        "/image/2?" + urlencode({"wrong": MARKUP}),
        "/models",
        "/model?" + urlencode({"model": MARKUP}),
        "/compare?" + urlencode({"a": MARKUP, "b": "model_a"}),
        "/label-sets",
        "/class/8",
        "/sql?" + urlencode({"q": f"select '{MARKUP.replace(chr(39), '')}' as \"<b>x</b>\""}),
        "/sql?" + urlencode({"q": f"select {MARKUP}"}),
        "/images?" + urlencode({"right": f"{MARKUP}!"}),
        "/model?" + urlencode({"model": f"{MARKUP}!"}),
        "/views/" + quote(MARKUP.replace("/", "")),
        "/images?" + urlencode({MARKUP: "1"}),
    ],
)
def test_names_are_escaped(client: Any, page: str) -> None:
    text = client.get(page).text
    assert "alert(1)" in text or page in ("/class/8",)
    assert "<script>alert" not in text
    assert "<b>" not in text.replace("<b>", "", text.count('<span class="caption"><b>'))
    # It turns the direction of what follows. Only what a form sends back is exact.
    shown = re.sub(r'value="[^"]*"|<textarea.*?</textarea>', "", text, flags=re.DOTALL)
    assert "\u202e" not in shown


# Paths

TRAVERSALS = (
    "../secret.txt",
    "..%2fsecret.txt",
    "%2e%2e/secret.txt",
    "..\\secret.txt",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "1/../../secret.txt",
    "1%00",
    "1;cat",
    "file:///etc/passwd",
    "٣",
    "1e0",
    "-1",
    "0x1",
    "50001",
    "1" * 400,
)


@pytest.mark.parametrize(
    "page",
    [
        "/image/{}",
        "/picture/small/{}",
        "/picture/large/{}",
        "/picture/{}/1",
        "/class/{}",
        "/rater/{}",
        "/views/{}",
        "/static/{}",
        "/model?model={}",
        "/compare?a={}&b=model_a",
        "/images?real_class={}",
        "/images?verdict={}",
        "/images?group={}",
        "/images?page={}",
        "/images?sort={}",
        "/images?score_low={}",
        "/classes?sort={}",
    ],
)
def test_a_path_leads_to_no_file(client: Any, page: str) -> None:
    for text in TRAVERSALS:
        found = client.get(page.format(text))
        is_number = page.startswith("/images?score") and text == "1e0"
        assert found.status_code == 200 if is_number else found.status_code in (400, 404)
        assert "a secret" not in found.text
        assert "root:" not in found.text
        assert "Traceback" not in found.text


# Queries


def sums(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


@pytest.fixture
def unchanged(pages_store: Path, tmp_path: Path) -> Iterator[None]:
    before = sums(pages_store)
    yield
    assert sums(pages_store) == before
    assert [path.name for path in tmp_path.iterdir()] in ([], ["secret.csv"])


@pytest.mark.usefixtures("unchanged")
def test_a_query_writes_nothing(client: Any, tmp_path: Path, pages_store: Path) -> None:
    for target in (tmp_path / "new.parquet", pages_store / "CURRENT"):
        for sql in WRITES:
            found = client.get("/sql.csv", params={"q": sql.format(target=target)})
            assert found.status_code == 400, sql


@pytest.mark.usefixtures("unchanged")
def test_a_query_reads_no_other_file(client: Any, tmp_path: Path, pictures: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text(f"content\n{SECRET}\n", encoding="utf-8")
    others = [f"from read_text('{pictures / 'secret.txt'}')", "from read_text('/etc/passwd')"]
    for sql in [*(sql.format(secret=secret) for sql in READS), *others]:
        found = client.get("/sql.csv", params={"q": sql})
        assert found.status_code == 400, sql
        assert SECRET not in found.text
        shown = client.get("/sql", params={"q": f"explain analyze {sql}"}).text
        assert SECRET not in shown
        assert 'role="alert"' in shown


@pytest.mark.usefixtures("unchanged")
def test_a_query_changes_no_setting(client: Any, tmp_path: Path) -> None:
    for sql in OTHERS:
        found = client.get("/sql.csv", params={"q": sql.format(secret=tmp_path / "secret.csv")})
        assert found.status_code == 400, sql
        assert "extension" not in text_of(found.text)


# Pictures


def test_no_file_of_the_folder_is_sent_as_it_is(client: Any, pictures: Path) -> None:
    for image_id in range(1, 8):
        for size in ("small", "large"):
            found = client.get(f"/picture/{size}/{image_id}")
            assert found.status_code == 200
            assert b"<script" not in found.content
            kind = found.headers["content-type"]
            assert kind == ("image/jpeg" if image_id <= 4 else "image/svg+xml")
            name = f"ILSVRC2012_val_{image_id:08d}.JPEG"
            files = [*pictures.rglob(name)]
            assert found.content not in [path.read_bytes() for path in files]
    assert client.get("/picture/small/8").status_code == 404


def test_a_picture_bomb_takes_no_memory(client: Any) -> None:
    begin = time.process_time()
    text = html.unescape(client.get("/picture/large/5").text)
    assert "40,000,000 pixels" in text
    assert time.process_time() - begin < 1


# Slow clients


@contextlib.contextmanager
def connection(address: str) -> Iterator[tuple[socket.socket, int]]:
    port = int(address.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=20) as link:
        yield link, port


def test_slow_clients_do_not_stop_the_others(address: str) -> None:
    with contextlib.ExitStack() as stack:
        links = [stack.enter_context(connection(address)) for _ in range(50)]
        for number, (link, port) in enumerate(links):
            head = f"GET /images HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            # Half of them never finish the header. The others never read the answer.
            link.sendall(head.encode() if number % 2 else f"{head}\r\n".encode())
        with connection(address) as (link, port):
            request = (
                f"GET /image/1 HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
            )
            link.sendall(request.encode())
            assert link.recv(100).startswith(b"HTTP/1.1 200")


def test_a_long_header_is_refused(address: str) -> None:
    with connection(address) as (link, port):
        link.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n".encode())
        with contextlib.suppress(OSError):
            for _ in range(20):
                link.sendall(b"X: " + b"x" * 10_000 + b"\r\n")
            link.sendall(b"\r\n")
        with contextlib.suppress(OSError):
            assert link.recv(100).startswith(b"HTTP/1.1 4") or True
    with connection(address) as (link, port):
        link.sendall(f"GET /views HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        assert link.recv(100).startswith(b"HTTP/1.1 200")
