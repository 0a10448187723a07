"""Arrays inside an .npz, read as a stream: block by block, checked, never whole.

`raters.npz` holds 377 MB of zeros and 924,810 ones. `np.load` would lay it all out in memory.
"""

from __future__ import annotations

import contextlib
import threading
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..errors import DataError
from .known import refusal

# NumPy reads a header with ast.literal_eval, which in CPython 3.11 fails now and then where two
# threads are in it (python/cpython#106905). raters.npz is read in a thread of its own.
HEADER_LOCK = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class Member:
    """An array in an .npz whose header is read and whose data is still to come."""

    path: Path
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    stream: IO[bytes]

    def blocks(self, rows: int) -> Iterator[np.ndarray[Any, Any]]:
        """Yield the array, `rows` of its first axis at a time; each block is read-only.

        Raises DataError where the data ends early or fails its checksum.
        """
        row_bytes = self.dtype.itemsize
        for length in self.shape[1:]:
            row_bytes *= length
        for start in range(0, self.shape[0], rows):
            count = min(rows, self.shape[0] - start)
            with _refuse_damage(self.path):
                data = self.stream.read(count * row_bytes)
            if len(data) != count * row_bytes:
                raise refusal(
                    self.path,
                    f"{self.name}.npy ends early: the shape in its header is {self.shape}, the "
                    f"data stops in row {start + len(data) // max(row_bytes, 1)}",
                    row=start + len(data) // max(row_bytes, 1),
                    column=self.name,
                    value=self.shape,
                )
            yield np.frombuffer(data, self.dtype).reshape(count, *self.shape[1:])
        with _refuse_damage(self.path):
            rest = self.stream.read(1)  # the zip's checksum is compared when its end is reached
        if rest:
            raise refusal(
                self.path,
                f"{self.name}.npy is longer than the shape {self.shape} in its header",
                column=self.name,
                value=self.shape,
            )

    def whole(self) -> np.ndarray[Any, Any]:
        """Return the whole array: for the small ones."""
        blocks = list(self.blocks(max(self.shape[0], 1)))
        return blocks[0] if blocks else np.empty((0, *self.shape[1:]), self.dtype)


@contextlib.contextmanager
def member(path: Path, name: str, *, dtype: str, axes: int) -> Iterator[Member]:
    """Open the array `name` of the .npz at `path`, which must have this dtype and this many axes.

    Text may be narrower than `dtype`: its content then shows better what is wrong with the file.
    Raises DataError where the file is no zip, has no such member, or holds another kind of array. A
    pickled array is refused unread.
    """
    with _refuse_damage(path), zipfile.ZipFile(path) as archive:
        if f"{name}.npy" not in archive.namelist():
            held = ", ".join(archive.namelist()[:6]) or "nothing"
            raise refusal(
                path,
                f"it has no {name}.npy, but {held}; it may be another file under this name",
                column=name,
                value=held,
                count=len(archive.namelist()),
            )
        with archive.open(f"{name}.npy") as stream:
            shape, fortran, found = _header(stream, path, name)
            if found.hasobject:
                raise refusal(
                    path,
                    f"{name}.npy is a pickled object array, and loading one could run code; the "
                    f"published array is {dtype}",
                    column=name,
                    value="object",
                )
            if not _fits(found, np.dtype(dtype)) or len(shape) != axes or fortran:
                raise refusal(
                    path,
                    f"{name}.npy is {found.str} with shape {shape}"
                    f"{' in Fortran order' if fortran else ''}; {dtype} with {axes} "
                    f"{'axis' if axes == 1 else 'axes'} is expected",
                    column=name,
                    value=f"{found.str} {shape}",
                )
            yield Member(path=path, name=name, shape=shape, dtype=found, stream=stream)


def _fits(found: np.dtype[Any], wanted: np.dtype[Any]) -> bool:
    if found.kind == wanted.kind == "U" and found.byteorder == wanted.byteorder:
        return found.itemsize <= wanted.itemsize
    return found == wanted


def _header(
    stream: IO[bytes], path: Path, name: str
) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    try:
        version = np.lib.format.read_magic(stream)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        with HEADER_LOCK:
            return read(stream)
    except (zipfile.BadZipFile, zlib.error, EOFError):
        raise
    except Exception as error:  # numpy raises errors of many kinds for a damaged header
        reason = str(error).partition("\n")[0]
        raise refusal(path, f"{name}.npy is no NumPy array: {reason}", column=name) from None


@contextlib.contextmanager
def _refuse_damage(path: Path) -> Iterator[None]:
    try:
        yield
    # RuntimeError: a flipped bit says that a member is encrypted.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise refusal(
            path, f"damaged or cut short ({error or 'unexpected end'}), in {path.parent}"
        ) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}", file=path) from None
