"""Read and check the arrays in an .npz block by block.

`raters.npz` has 377 MB, nearly all zeros, and 924,810 ones. `np.load` would load it whole.
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

# NumPy reads a header with ast.literal_eval, which in CPython 3.11 sometimes fails if two threads
# call it at the same time (python/cpython#106905). raters.npz is read in a separate thread.
HEADER_LOCK = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class Member:
    """An array in an .npz whose header was read, but not its data."""

    path: Path
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    stream: IO[bytes]

    def blocks(self, rows: int) -> Iterator[np.ndarray[Any, Any]]:
        """Yield the array, `rows` of its first axis at a time; each block is read-only.

        Raises DataError if the data ends early or does not match its checksum.
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
                    f"{self.name}.npy ends early, in row {start + len(data) // max(row_bytes, 1)}; "
                    f"the shape in its header is {self.shape}",
                    row=start + len(data) // max(row_bytes, 1),
                    column=self.name,
                    value=self.shape,
                )
            yield np.frombuffer(data, self.dtype).reshape(count, *self.shape[1:])
        with _refuse_damage(self.path):
            rest = self.stream.read(1)  # zipfile compares the checksum at the end of the member
        if rest:
            raise refusal(
                self.path,
                f"{self.name}.npy is longer than the shape {self.shape} in its header",
                column=self.name,
                value=self.shape,
            )

    def whole(self) -> np.ndarray[Any, Any]:
        """Return the whole array; for small arrays."""
        blocks = list(self.blocks(max(self.shape[0], 1)))
        return blocks[0] if blocks else np.empty((0, *self.shape[1:]), self.dtype)


@contextlib.contextmanager
def member(path: Path, name: str, *, dtype: str, axes: int) -> Iterator[Member]:
    """Open the array `name` of the .npz at `path`, which must have this dtype and number of axes.

    Text may be narrower than `dtype`, because its content later gives a better error message.
    Raises DataError if the file is not a zip, has no such member, or has another kind of array. A
    pickled array is refused without reading it.
    """
    with _refuse_damage(path), zipfile.ZipFile(path) as archive:
        if f"{name}.npy" not in archive.namelist():
            held = ", ".join(archive.namelist()[:6]) or "nothing"
            raise refusal(
                path,
                f"the file has no member {name}.npy; it has {held}. It may be another file with "
                "this name",
                column=name,
                value=held,
                count=len(archive.namelist()),
            )
        with archive.open(f"{name}.npy") as stream:
            shape, fortran, found = _header(stream, path, name)
            if found.hasobject:
                raise refusal(
                    path,
                    f"{name}.npy is a pickled object array, which can run code when it is loaded. "
                    f"The published array is {dtype}",
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
        raise refusal(path, f"{name}.npy is not a NumPy array: {reason}", column=name) from None


@contextlib.contextmanager
def _refuse_damage(path: Path) -> Iterator[None]:
    try:
        yield
    # RuntimeError: a flipped bit can mark a member as encrypted.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise refusal(
            path,
            f"the file in {path.parent} is damaged or cut short ({error or 'unexpected end'})",
        ) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}", file=path) from None
