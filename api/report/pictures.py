"""Small pictures of validation images, from a folder of the user."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import DataError, RealdbWarning, UsageError, counted
from ...report.page import Picture
from ...store.files import user_path

# The longest side of a picture on the page, in pixels.
SIDE = 240
# The most bytes of a file, and pixels of a picture, that are read.
MOST_BYTES = 50_000_000
MOST_PIXELS = 50_000_000
_QUALITY = 80


class Pictures:
    """The pictures of some images.

    `folder` holds the files, or folders of them. notes: why pictures are missing
    """

    def __init__(self, folder: Path | None, files: Mapping[int, str]) -> None:
        self._made: dict[int, Picture] = {}
        self.notes: list[str] = []
        if folder is None:
            return
        missing = []
        folders = _folders(folder)
        for image_id, file_name in files.items():
            path = _find(folders, file_name)
            if path is None:
                missing.append(file_name)
                continue
            picture = _small(path, image_id)
            if isinstance(picture, str):
                self.notes.append(f"{file_name} is left out: {picture}.")
            else:
                self._made[image_id] = picture
        if missing:
            shown = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
            self.notes.append(
                f"{counted(len(missing), 'picture')} of {len(files)} "
                f"{'is' if len(missing) == 1 else 'are'} not in the folder of images: {shown}."
            )
        for note in self.notes:
            warnings.warn(f"{folder}: {note.rstrip('.')}", RealdbWarning, stacklevel=2)

    def of(self, image_id: int) -> Picture | None:
        """Return the picture of an image, if there is one."""
        return self._made.get(image_id)


def require(folder: str | Path | None) -> Path | None:
    """Return the folder of images; raise an error if it does not exist, or Pillow is missing."""
    if folder is None:
        return None
    path = user_path(folder)
    if not path.is_dir():
        raise DataError(
            f"{path} is not a folder of images",
            file=path,
            parameter="images",
            remedy="Name a folder with ILSVRC2012_val_00000001.JPEG, or with folders of classes "
            "that have such files",
        )
    try:
        import PIL.Image  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"`images` needs Pillow, which cannot be imported ({str(error).splitlines()[0]})",
            parameter="images",
            remedy="Install it with: pip install 'realdb[report]'",
        ) from None
    return path


def _folders(folder: Path) -> list[Path]:
    try:
        return [folder, *sorted(each for each in folder.iterdir() if each.is_dir())]
    except OSError as error:
        raise DataError(
            f"{folder} cannot be read: {error.strerror or error}", file=folder, parameter="images"
        ) from None


def _find(folders: list[Path], file_name: str) -> Path | None:
    stem = Path(file_name).stem
    names = [file_name, f"{stem}.jpeg", f"{stem}.jpg", f"{stem}.JPG"]
    candidates = (folder / each for folder in folders for each in names)
    return next((path for path in candidates if path.is_file()), None)


def _small(path: Path, image_id: int) -> Picture | str:
    """Return a small copy of a picture, or why there is none."""
    from PIL import Image, UnidentifiedImageError

    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            return f"the file has {size:,} bytes, more than {MOST_BYTES:,}"
        with warnings.catch_warnings():
            # Pillow warns of many pixels. The limit here is lower.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            opened: Any = Image.open(path, formats=("JPEG", "PNG"))
        with opened:
            width, height = opened.size
            if width * height > MOST_PIXELS:
                return f"the picture has {width:,} x {height:,} pixels, more than {MOST_PIXELS:,}"
            # JPEG is decoded at the smallest sufficient scale.
            opened.draft("RGB", (SIDE, SIDE))
            picture = opened.convert("RGB")
        # Pixels are shown as models read them: without the rotation that a camera noted.
        picture.thumbnail((SIDE, SIDE))
        made = io.BytesIO()
        picture.save(made, "JPEG", quality=_QUALITY)
    except Image.DecompressionBombError:
        return f"the picture has more than {MOST_PIXELS:,} pixels"
    except UnidentifiedImageError:
        return "the file is not a JPEG or PNG picture"
    except (OSError, ValueError, SyntaxError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        return f"the picture cannot be read ({reason})"
    return Picture(
        name=f"image-{image_id}",
        jpeg=made.getvalue(),
        width=picture.width,
        height=picture.height,
        alt=f"Validation image {image_id}",
    )
