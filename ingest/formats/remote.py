"""Prediction files at s3://, https:// and http://, through fsspec's file systems (an extra).

Endpoint and credentials are those that these read themselves: AWS_ENDPOINT_URL, AWS_PROFILE,
AWS_ACCESS_KEY_ID, … for S3, proxies and ~/.netrc for the web, and FSSPEC_S3_ANON=true for a public
bucket.
"""

from __future__ import annotations

import contextlib
import glob
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeGuard
from urllib.parse import unquote, urlsplit

from ...errors import DataError, RealdbError, UsageError

if TYPE_CHECKING:
    import duckdb

    from ..options import ReadOptions

# The schemes read, and the package that fsspec needs for each.
_NEEDED = {"s3": "s3fs", "http": "aiohttp", "https": "aiohttp"}
# Two letters at least: C:/ is a drive.
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_FOLDED = re.compile(r"(?:s3|https?):/(?!/)")
# A server that says nothing for so long is gone, however long the whole may take.
_SECONDS = 60
# Parquet has its mark at both ends, and the length of the footer.
_SMALLEST = 12


def is_url(value: object) -> TypeGuard[str]:
    """Return whether `value` is a URL. Raises UsageError for a Path of a URL: it folds slashes."""
    if isinstance(value, Path) and _FOLDED.match(value.as_posix()) and not value.exists():
        raise UsageError(
            f"{value} was a URL before it became a Path",
            file=value,
            parameter="predictions",
            remedy="Pass a URL as text",
        )
    return isinstance(value, str) and _URL.match(value) is not None


def name(url: str) -> str:
    """Return the file's name: the last part of the URL, without the query of a web address."""
    path = unquote(urlsplit(url).path) if _scheme(url) != "s3" else url
    return PurePosixPath(path).name


def expand(url: str) -> list[str]:
    """Return the URLs of the files that a pattern at s3:// stands for, sorted; else `url` alone.

    Raises DataError if there are none, or where they cannot be listed.
    """
    if _scheme(url) != "s3" or not glob.has_magic(url):
        return [url]
    with _reaching(url):
        system = _file_system(url)
        if system.exists(url):
            return [url]
        found = system.glob(url, detail=True)
    files = sorted(path for path, about in found.items() if about["type"] == "file")
    if not files:
        raise DataError(f"no file matches {url}", file=url, parameter="predictions")
    return [f"s3://{path}" for path in files]


def fetch(url: str, folder: Path) -> Path:
    """Copy the file at `url` into `folder`, as it is and under its own name; return the copy.

    URL::TABLE gives that table of the copy. Raises DataError if it cannot be had.
    """
    head, slash, last = url.rpartition("/")
    file, colons, table = last.partition("::")
    target = folder / (name(f"{head}{slash}{file}") or "predictions")
    with _reaching(url):
        _file_system(url).get_file(f"{head}{slash}{file}", str(target))
    return target.with_name(f"{target.name}{colons}{table}")


def is_in_place(url: object, input_format: str | None) -> bool:
    """Return whether `read_parquet` can read a URL where it is: Parquet, on what reads in parts."""
    if not is_url(url) or input_format not in (None, "parquet"):
        return False
    if "::" in url.rpartition("/")[2] or (glob.has_magic(url) and _scheme(url) != "s3"):
        return False  # DuckDB takes a ? in an address for a pattern
    with _reaching(url):
        try:
            with _file_system(url).open(url, "rb") as file:
                if (file.size or 0) < _SMALLEST:
                    return False
                file.seek(-4, os.SEEK_END)
                return bool(file.read(4) == b"PAR1")
        except ValueError:  # a web server that sends the whole only, from its beginning
            return False


def read_parquet(
    con: duckdb.DuckDBPyConnection, url: str, options: ReadOptions
) -> duckdb.DuckDBPyRelation:
    """Read a Parquet file where it is: DuckDB asks for the columns that it needs only."""
    from . import parquet

    system = _file_system(url)
    if not set(system.protocol) & set(con.list_filesystems()):
        con.register_filesystem(system)
    with _reaching(url), system.open(url, "rb") as file:
        return parquet.select(con, glob.escape(url), file, url, options)


def _scheme(url: str) -> str:
    found = _URL.match(url)
    return found[1].lower() if found else ""


def _file_system(url: str) -> Any:
    """Return what reads `url`. Raises DataError if its package is missing."""
    scheme = _scheme(url)
    if scheme not in _NEEDED:
        raise UsageError(
            f"{url}: realdb reads files at s3://, https:// and http:// only",
            file=url,
            value=scheme,
            parameter="predictions",
            remedy="Copy the file first",
        )
    try:
        import fsspec

        # What was listed before may have changed since. What DuckDB asks for is what it needs: to
        # read ahead, 50 MB in s3fs, would be to read the whole.
        if scheme == "s3":
            return fsspec.filesystem("s3", use_listings_cache=False, default_cache_type="none")
        import aiohttp

        wait = aiohttp.ClientTimeout(total=None, sock_connect=_SECONDS, sock_read=_SECONDS)
        client = {"trust_env": True, "timeout": wait}
        system = fsspec.filesystem(scheme, cache_type="none", client_kwargs=client)
        # DuckDB asks for it, and fsspec has no answer for the web.
        system.modified = lambda _: datetime.fromtimestamp(0, UTC)
        return system
    except ImportError:
        raise DataError(
            f"{url}: {scheme}:// needs fsspec and {_NEEDED[scheme]}, which are not installed here",
            file=url,
            value=scheme,
            remedy="Run pip install 'realdb[remote]'",
        ) from None


@contextlib.contextmanager
def _reaching(url: str) -> Iterator[None]:
    """Turn the errors of the file systems, of many kinds, into one sentence."""
    try:
        yield
    except RealdbError:
        raise
    except Exception as error:
        raise refusal(url, error) from None


def refusal(url: str, error: BaseException) -> DataError:
    """Return what to raise for what went wrong, of many kinds, while `url` was read."""
    # fsspec reports that a file is not there, whatever the reason: the cause is behind it.
    cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
    status = getattr(cause, "status", None)
    reason, remedy = _reason(url, error, cause, status)
    return DataError(f"{url} {reason}", file=url, value=status, remedy=remedy)


def _reason(
    url: str, error: BaseException, cause: BaseException, status: int | None
) -> tuple[str, str]:
    kinds = {kind.__name__ for kind in type(cause).__mro__} | {type(error).__name__}
    if status in (401, 403) or kinds & {"PermissionError", "NoCredentialsError"}:
        how = (
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; for a public bucket "
            "FSSPEC_S3_ANON=true"
            if _scheme(url) == "s3"
            else "an address with a signature may have expired"
        )
        return "cannot be read: access is denied", f"Credentials come from the environment: {how}"
    if status in (404, 410) or (status is None and isinstance(cause, FileNotFoundError)):
        folder = ", and a folder is read as a pattern: FOLDER/*" if _scheme(url) == "s3" else ""
        return "does not exist", f"Check the spelling; letters' case counts{folder}"
    text = " ".join(str(cause).split()) or type(cause).__name__
    return f"cannot be read: {text}", "Check the address and the network, or fetch it by hand"
