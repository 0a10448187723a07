"""Predictions at s3:// and https://, from servers on the loopback interface only."""

from __future__ import annotations

import functools
import gzip
import hashlib
import io
import logging
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import duckdb
import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.http import HTTPFile

import realdb
from needs import needs
from realdb.errors import DataError, UsageError
from realdb.ingest import predictions
from realdb.ingest.formats import remote
from realdb.ingest.locate import expand
from realdb.store.store import Store
from refusals import refused

LABELS = np.arange(50_000, dtype=np.int16) * 7 % 1000
FILES = ("ViT.csv", "ViT.csv.gz", "ViT.parquet", "ViT.npy", "ViT.duckdb")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the same predictions in each of FILES; those in Parquet are wide."""
    folder = tmp_path_factory.mktemp("files")
    order = np.roll(np.arange(50_000), 1)  # a column with row numbers would be ambiguous
    rows = pa.table({"image": order + 1, "label": LABELS[order]})
    with duckdb.connect(str(folder / "ViT.duckdb")) as con:
        con.register("rows", rows)
        con.execute("create table answers as from rows")
        con.execute(f"copy rows to '{folder}/ViT.csv'")
    (folder / "ViT.csv.gz").write_bytes(gzip.compress((folder / "ViT.csv").read_bytes(), 1))
    np.save(folder / "ViT.npy", LABELS)
    noise = np.random.default_rng(0).random((40, 50_000))
    for number, column in enumerate(noise):
        rows = rows.append_column(f"feature_{number}", pa.array(column))
    pq.write_table(rows, folder / "ViT.parquet")
    (folder / "a b.csv").write_text("image,label\n1,2\n", encoding="utf-8")
    (folder / "wrong.csv").write_text("image,label\n1,1000\n", encoding="utf-8")
    return folder


class Handler(SimpleHTTPRequestHandler):
    """Python's web server, without ranges; paths below /closed/ are forbidden."""

    def send_head(self) -> Any:
        if self.path.startswith("/closed/"):
            return self.send_error(403)
        return super().send_head()

    def log_message(self, *_: object) -> None:
        pass


class Ranges(Handler):
    """A web server with ranges: it sends the requested part of a file."""

    def send_head(self) -> Any:
        path = Path(self.translate_path(self.path))
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        size = path.stat().st_size if path.is_file() else 0
        if not size:
            return super().send_head()
        first, last = map(int, found.groups()) if found else (0, size - 1)
        last = min(last, size - 1)
        self.send_response(206 if found else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(last - first + 1))
        if found:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.end_headers()
        return io.BytesIO(path.read_bytes()[first : last + 1])


@pytest.fixture(scope="module")
def web(files: Path) -> Iterator[str]:
    """Yield the address of a web server with `files`."""
    yield from serve(Handler, files)


@pytest.fixture(scope="module")
def ranges(files: Path) -> Iterator[str]:
    """Yield the address of a web server with `files` that supports ranges."""
    yield from serve(Ranges, files)


def serve(kind: type[Handler], files: Path) -> Iterator[str]:
    handler = functools.partial(kind, directory=str(files))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def s3(files: Path) -> Iterator[str]:
    """Yield the URL of a folder at S3 with `files`; the environment has the endpoint."""
    needs("s3fs")
    moto = needs("moto.server")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = moto.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("AWS_", "FSSPEC_"))]:
            patch.delenv(name)
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "key")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("AWS_CONFIG_FILE", str(files / "none"))
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(files / "none"))
        system = fsspec.filesystem("s3", use_listings_cache=False)
        system.mkdir("bucket")
        for path in files.iterdir():
            system.put_file(str(path), f"bucket/files/{path.name}")
        for name in ("a1", "a2", "a[1]"):
            system.put_file(str(files / "a b.csv"), f"bucket/several/{name}.csv")
        yield "s3://bucket/files"
        type(system).clear_instance_cache()
    server.stop()


@pytest.fixture(params=["web", "ranges", "s3"])
def place(request: pytest.FixtureRequest) -> str:
    """Return each of the three addresses."""
    return str(request.getfixturevalue(request.param))


@pytest.mark.parametrize("name", [*FILES, "ViT.duckdb::answers"])
def test_remote_files_are_read(place: str, name: str, predictions_table: Any) -> None:
    (source,) = expand([f"{place}/{name}"])
    assert source == (f"{place}/{name}", name.partition("::")[2] or "ViT")
    predictions.add(predictions_table, source.predictions, model=source.model)
    rows = predictions_table.execute("select label from predictions order by image_id").fetchnumpy()
    assert np.array_equal(rows["label"], LABELS)


@pytest.mark.parametrize("where", ["ranges", "s3"])
def test_only_the_columns_needed_are_sent(
    where: str, request: Any, files: Path, predictions_table: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = request.getfixturevalue(where)
    kind = needs("s3fs.core").S3File if where == "s3" else HTTPFile
    sent: list[int] = []

    def counted(*arguments: Any) -> bytes:
        found: bytes = fetch(*arguments)
        sent.append(len(found))
        return found

    fetch = kind._fetch_range
    monkeypatch.setattr(kind, "_fetch_range", counted)
    predictions.add(predictions_table, f"{place}/ViT.parquet")
    assert 0 < sum(sent) < (files / "ViT.parquet").stat().st_size / 10


def test_a_pattern(s3: str) -> None:
    folder = s3.replace("files", "several")
    found = expand([f"{folder}/a?.csv", f"{folder}/a[1].csv"])
    assert found == [(f"{folder}/{name}.csv", name) for name in ("a1", "a2", "a[1]")]
    with pytest.raises(DataError) as caught:
        expand([f"{folder}/b*.csv"])
    assert (caught.value.file, caught.value.parameter) == (f"{folder}/b*.csv", "predictions")


def test_a_web_address_is_no_pattern(web: str, predictions_table: Any) -> None:
    url = f"{web}/a%20b.csv?download=[true]*"
    assert expand([url]) == [(url, "a b")]
    assert predictions.add(predictions_table, url) == ["a b"]


def test_missing_remote_files_are_refused(place: str, refuse: Callable[..., DataError]) -> None:
    for name in ("none.csv", "none.parquet"):
        error = refuse(f"{place}/{name}")
        assert error.file == f"{place}/{name}"
        assert error.value in ("404", None)


def test_errors_name_the_url(place: str, refuse: Callable[..., DataError]) -> None:
    error = refuse(f"{place}/wrong.csv")
    assert (error.file, error.row, error.count) == (f"{place}/wrong.csv", 1, 1)
    assert str(error).startswith(f"{place}/wrong.csv: 1 of 1 rows")


def test_a_forbidden_url_is_refused(web: str, refuse: Callable[..., DataError]) -> None:
    error = refuse(f"{web}/closed/a.csv")
    assert error.file == f"{web}/closed/a.csv"
    assert error.value == "403"


def test_s3_without_credentials(
    s3: str, refuse: Callable[..., DataError], monkeypatch: Any
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    type(remote._file_system(s3)).clear_instance_cache()
    error = refuse(f"{s3}/ViT.csv")
    assert error.file == f"{s3}/ViT.csv"
    assert error.remedy
    assert "AWS_ACCESS_KEY_ID" in error.remedy
    assert "FSSPEC_S3_ANON=true" in error.remedy
    type(remote._file_system(s3)).clear_instance_cache()


def test_no_server(refuse: Callable[..., DataError]) -> None:
    error = refuse("http://127.0.0.1:1/a.csv")
    assert error.file == "http://127.0.0.1:1/a.csv"
    assert "127.0.0.1:1 " in str(error)  # aiohttp's own text


@pytest.mark.parametrize(
    ("url", "missing"),
    [("s3://b/a.csv", "s3fs"), ("https://b/a.csv", "aiohttp"), ("s3://b/*.csv", "fsspec")],
)
def test_without_the_extra(url: str, missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if missing == "s3fs":
        from fsspec.registry import _registry

        monkeypatch.delitem(_registry, "s3", raising=False)
    monkeypatch.setitem(sys.modules, missing, None)
    with duckdb.connect() as con, pytest.raises(DataError) as caught:
        for source in expand([url]):
            predictions.add(con, source.predictions)
    assert (caught.value.file, caught.value.value) == (url, url.partition(":")[0])
    assert caught.value.remedy
    assert "pip install 'realdb[remote]'" in caught.value.remedy


def test_invalid_addresses_are_refused() -> None:
    with refused(UsageError, "s3://, https://", file="ftp://b/a.csv", value="ftp"):
        predictions.add(duckdb.connect(), "ftp://b/a.csv")
    with refused(UsageError, file="s3:/b/a.csv", value=None, parameter="predictions"):
        predictions.add(duckdb.connect(), Path("s3://b/a.csv"))


@pytest.mark.filterwarnings("ignore::realdb.RealdbWarning")
def test_stored_checksum_is_that_of_the_remote_file(
    place: str, files: Path, synthetic_store: Store, tmp_path: Path
) -> None:
    """The checksum is that of the packed file."""
    store = shutil.copytree(synthetic_store.root, tmp_path / "store")
    realdb.add(f"{place}/ViT.csv.gz", store=store)
    realdb.add(f"{place}/ViT.parquet", model="in Parquet", store=store)
    about = "file, format, bytes, sha256"
    rows = realdb.models(store=store).order("model").project(about).fetchall()
    assert rows == [
        (f"{place}/{name}", form, len(held), hashlib.sha256(held).hexdigest())
        for name, form in (("ViT.csv.gz", "csv"), ("ViT.parquet", "parquet"))
        for held in [(files / name).read_bytes()]
    ]


@pytest.mark.filterwarnings("ignore:the accuracy of ViT is near chance:realdb.RealdbWarning")
def test_library_reads_remote_files(place: str, files: Path, synthetic_store: Store) -> None:
    root = synthetic_store.root
    expected = realdb.accuracy(files / "ViT.csv", store=root)
    for name in ("ViT.csv.gz", "ViT.parquet"):
        assert realdb.accuracy(f"{place}/{name}", store=root) == expected
    asked = realdb.query("select count(*) from ViT", f"{place}/ViT.parquet", store=root)
    assert asked.fetchall() == [(50_000,)]
    found = realdb.doctor(f"{place}/ViT.csv", store=root)
    assert (found.where, found.format, found.model) == (f"{place}/ViT.csv", "csv", "ViT")


def test_command_line_reads_remote_files(s3: str, synthetic_store: Store) -> None:
    """Both slashes of the URL are kept."""
    command = [sys.executable, "-m", "realdb", "doctor", f"{s3}/a b.csv"]
    environment = os.environ | {"REALDB_HOME": str(synthetic_store.root), "COLUMNS": "200"}
    done = subprocess.run(
        command, capture_output=True, encoding="utf-8", check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{s3}/a b.csv: csv, model a b, 1 row, 1 of 50,000 images")
    command[-2:] = ["accuracy", f"{s3}/none.csv"]
    done = subprocess.run(
        command, capture_output=True, encoding="utf-8", check=False, env=environment
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"realdb: {s3}/none.csv does not exist. ")
    assert done.stderr.count("\n") == 1
