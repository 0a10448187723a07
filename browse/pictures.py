"""The pictures of a folder or archive: found by image, checked, and made smaller.

A picture is requested by the number of its image. Its place is looked up among the files that were
found in the folder, so a request cannot name a file. What is sent is always a new JPEG: neither the
bytes nor the metadata of a file reach a page.
"""

from __future__ import annotations

import contextlib
import io
import os
import tarfile
import threading
import warnings
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from ..errors import DataError, UsageError
from ..ingest import image_names
from ..schema.tables import IMAGES
from ..store.files import user_path

if TYPE_CHECKING:
    from collections.abc import Iterator

# The longest side in pixels of a picture on a grid, and on the page of an image.
SIZES = {"small": 192, "large": 960}
# The original archive, in a folder.
ARCHIVE = "ILSVRC2012_img_val.tar"
_SUFFIXES = (".jpeg", ".jpg", ".png", ".webp")
# The formats of such files. Pillow tries no other: some of its readers run programs.
_FORMATS = ("JPEG", "PNG", "WEBP")
# The largest file and picture that are opened. Those of ImageNet are smaller.
_MOST_BYTES = 32 << 20
_MOST_PIXELS = 40_000_000
# What the pictures in memory may take together.
_MOST_CACHED = 24 << 20
_QUALITY = 82


class Place(NamedTuple):
    """Where the bytes of a picture are: a file, and a part of it."""

    path: Path
    offset: int = 0
    size: int | None = None


class Pictures:
    """The pictures of a folder or tar archive. They are listed in the background."""

    def __init__(self, source: str | Path) -> None:
        """Begin to list the pictures; UsageError if there is no such folder or archive."""
        self.source = user_path(source)
        self._is_archive = self.source.is_file() and tarfile.is_tarfile(self.source)
        if not self.source.is_dir() and not self._is_archive:
            raise UsageError(
                f"{self.source} is neither a folder nor a tar archive",
                file=self.source,
                parameter="images",
                remedy=f"Use a folder with the pictures, or {ARCHIVE}",
            )
        self._places: dict[int, Place] = {}
        self._is_listed = threading.Event()
        self._cache: OrderedDict[tuple[int, str], bytes] = OrderedDict()
        self._cached = 0
        self._lock = threading.Lock()
        threading.Thread(target=self._list, daemon=True).start()

    def wait(self) -> int:
        """Wait until the pictures are listed; return their number."""
        self._is_listed.wait()
        return len(self._places)

    def has(self, image_id: int) -> bool:
        """Return whether the image has a picture, as far as they are listed."""
        return image_id in self._places

    @property
    def is_listed(self) -> bool:
        """The list of pictures is complete."""
        return self._is_listed.is_set()

    def jpeg(self, image_id: int, size: str) -> bytes | None:
        """Return a picture as JPEG; None if the image has none.

        Raises DataError if its file is not a picture, or too large.
        """
        with self._lock:
            found = self._cache.get((image_id, size))
            if found is not None:
                self._cache.move_to_end((image_id, size))
                return found
        place = self._places.get(image_id)
        if place is None:
            return None
        made = _made(place, SIZES[size])
        with self._lock:
            self._cached += len(made) - len(self._cache.pop((image_id, size), b""))
            self._cache[image_id, size] = made
            while self._cached > _MOST_CACHED:
                self._cached -= len(self._cache.popitem(last=False)[1])
        return made

    def _list(self) -> None:
        try:
            with contextlib.suppress(OSError, tarfile.TarError):
                for name, place in self._files():
                    image_id = image_names.number(name)
                    if image_id is not None and 1 <= image_id <= IMAGES:
                        self._places.setdefault(image_id, place)
        finally:
            self._is_listed.set()

    def _files(self) -> Iterator[tuple[str, Place]]:
        if self._is_archive:
            yield from _members(self.source)
            return
        folders = []
        for entry in _entries(self.source):
            if entry.name.lower().endswith(_SUFFIXES):
                yield entry.name, Place(Path(entry.path))
            elif entry.is_dir():
                folders.append(entry.path)
        for folder in folders:  # class folders
            for entry in _entries(Path(folder)):
                if entry.name.lower().endswith(_SUFFIXES):
                    yield entry.name, Place(Path(entry.path))
        archive = self.source / ARCHIVE
        if archive.is_file():
            yield from _members(archive)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError:
        return []


def _members(archive: Path) -> Iterator[tuple[str, Place]]:
    """Yield the files of a tar archive that is not compressed."""
    with tarfile.open(archive, "r:") as members:
        for member in members:
            if member.isreg() and not member.issparse() and member.name.lower().endswith(_SUFFIXES):
                yield member.name, Place(archive, member.offset_data, member.size)


def _made(place: Place, longest: int) -> bytes:
    """Return the picture at a place as a JPEG that is not larger than `longest` pixels."""
    import PIL.Image

    try:
        content = _content(place)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with PIL.Image.open(io.BytesIO(content), formats=_FORMATS) as picture:
                width, height = picture.size
                if width * height > _MOST_PIXELS:
                    raise _invalid(place, f"has more than {_MOST_PIXELS:,} pixels")
                # A JPEG is decoded at a fraction of its size, which takes a fraction of the time.
                picture.draft("RGB", (longest, longest))
                picture.thumbnail((longest, longest))
                plain = picture.convert("RGB")
                plain.info.clear()  # a comment would be written too
                out = io.BytesIO()
                plain.save(out, "JPEG", quality=_QUALITY)
                return out.getvalue()
    except DataError:
        raise
    except PIL.Image.DecompressionBombError:
        raise _invalid(place, f"has more than {_MOST_PIXELS:,} pixels") from None
    except Exception as error:  # the readers of damaged files raise many kinds
        raise _invalid(place, f"cannot be read as a picture ({type(error).__name__})") from None


def _content(place: Place) -> bytes:
    # A device or a named pipe would block.
    if not place.path.is_file():
        raise _invalid(place, "is not a file")
    with place.path.open("rb") as file:
        size = place.size
        if size is None:
            size = os.fstat(file.fileno()).st_size
        if size > _MOST_BYTES:
            raise _invalid(place, f"has {size:,} bytes")
        return _read(file, place.offset, size)


def _read(file: BinaryIO, offset: int, size: int) -> bytes:
    file.seek(offset)
    return file.read(size)


def _invalid(place: Place, why: str) -> DataError:
    return DataError(f"{place.path.name} {why}", file=place.path.name, value=why)
