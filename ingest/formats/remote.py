"""Read prediction files at s3://, https:// and http:// with fsspec's file systems (an extra).

The file systems read endpoint and credentials from the environment: AWS_ENDPOINT_URL, AWS_PROFILE,
AWS_ACCESS_KEY_ID, … for S3, FSSPEC_S3_ANON=true for a public bucket, and proxies and ~/.netrc for
the web.
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

# The supported schemes, and the package that fsspec needs for each.
_NEEDED = {"s3": "s3fs", "http": "aiohttp", "https": "aiohttp"}
# At least two letters, because C:/ is a drive.
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_FOLDED = re.compile(r"(?:s3|https?):/(?!/)")
# How many seconds to wait for the next data of a server; the whole download may take longer.
_SECONDS = 60
# The magic bytes at both ends of a Parquet file, and the length of its footer.
_SMALLEST = 12


def is_url(value: object) -> TypeGuard[str]:
    """Return whether `value` is a URL. Raises UsageError for a Path of a URL: it folds slashes."""
    if isinstance(value, Path) and _FOLDED.match(value.as_posix()) and not value.exists():
        raise UsageError(
            f"{value} is a URL in a Path, which cannot hold URLs",
            file=value,
            parameter="predictions",
            remedy="Pass the URL as text",
        )
    return isinstance(value, str) and _URL.match(value) is not None


def name(url: str) -> str:
    """Return the file name, which is the last part of the URL without a query."""
    path = unquote(urlsplit(url).path) if _scheme(url) != "s3" else url
    return PurePosixPath(path).name


def expand(url: str) -> list[str]:
    """Return the URLs of the files that match a pattern at s3://, sorted; for others only `url`.

    Raises DataError if no file matches, or if they cannot be listed.
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
    """Copy the file at `url` into `folder` with its own name, and return the path of the copy.

    For URL::TABLE the path also has ::TABLE. Raises DataError if the download fails.
    """
    head, slash, last = url.rpartition("/")
    file, colons, table = last.partition("::")
    target = folder / (name(f"{head}{slash}{file}") or "predictions")
    with _reaching(url):
        _file_system(url).get_file(f"{head}{slash}{file}", str(target))
    return target.with_name(f"{target.name}{colons}{table}")


def is_in_place(url: object, input_format: str | None) -> bool:
    """Return whether `read_parquet` can read a URL: Parquet on a server that supports ranges."""
    if not is_url(url) or input_format not in (None, "parquet"):
        return False
    if "::" in url.rpartition("/")[2] or (glob.has_magic(url) and _scheme(url) != "s3"):
        return False  # DuckDB reads a ? in a URL as a pattern
    with _reaching(url):
        try:
            with _file_system(url).open(url, "rb") as file:
                if (file.size or 0) < _SMALLEST:
                    return False
                file.seek(-4, os.SEEK_END)
                return bool(file.read(4) == b"PAR1")
        except ValueError:  # a web server without range requests
            return False


def read_parquet(
    con: duckdb.DuckDBPyConnection, url: str, options: ReadOptions
) -> duckdb.DuckDBPyRelation:
    """Read a Parquet file without a copy: DuckDB reads only the columns that it needs."""
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
    """Return the file system for `url`. Raises DataError if its package is missing."""
    scheme = _scheme(url)
    if scheme not in _NEEDED:
        raise UsageError(
            f"{url}: {scheme}:// is not supported; realdb reads s3://, https:// and http://",
            file=url,
            value=scheme,
            parameter="predictions",
            remedy="Copy the file to this machine first",
        )
    try:
        import fsspec

        # No caches: a listing may have changed, and reading ahead (50 MB in s3fs) would read the
        # whole file.
        if scheme == "s3":
            return fsspec.filesystem("s3", use_listings_cache=False, default_cache_type="none")
        import aiohttp

        wait = aiohttp.ClientTimeout(total=None, sock_connect=_SECONDS, sock_read=_SECONDS)
        client = {"trust_env": True, "timeout": wait}
        system = fsspec.filesystem(scheme, cache_type="none", client_kwargs=client)
        # DuckDB needs the time of the last change, which fsspec does not have for the web.
        system.modified = lambda _: datetime.fromtimestamp(0, UTC)
        return system
    except ImportError:
        raise DataError(
            f"{url}: {scheme}:// needs the packages fsspec and {_NEEDED[scheme]}, which are not "
            "installed",
            file=url,
            value=scheme,
            remedy="Run pip install 'realdb[remote]'",
        ) from None


@contextlib.contextmanager
def _reaching(url: str) -> Iterator[None]:
    """Turn the errors of the file systems into a DataError."""
    try:
        yield
    except RealdbError:
        raise
    except Exception as error:
        raise refusal(url, error) from None


def refusal(url: str, error: BaseException) -> DataError:
    """Return the DataError for an error while reading `url`."""
    # fsspec raises FileNotFoundError for many reasons; the real error is its cause.
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
            else "a signed URL may have expired"
        )
        return "cannot be read: access is denied", f"Check the credentials: {how}"
    if status in (404, 410) or (status is None and isinstance(cause, FileNotFoundError)):
        folder = ". For a folder, use a pattern: FOLDER/*" if _scheme(url) == "s3" else ""
        return "does not exist", f"Check the spelling, including upper and lower case{folder}"
    text = " ".join(str(cause).split()) or type(cause).__name__
    return f"cannot be read: {text}", "Check the URL and the network, or download it by hand"
