"""A tree of images by ReaL label, for torchvision's ImageFolder and others.

OUT/n01440764/ILSVRC2012_val_00000293.JPEG: a folder for each of the 1,000 classes, named by WordNet
id. The order of the folders is that of the class ids. A class without images has an empty folder,
for which ImageFolder needs allow_empty=True. The files are symbolic links to the images in the
user's folder, or copies.

per_image="first": each image once, with its first label
per_image="all": each image once for each of its labels

An image without labels is in no folder. The user's folder may have subfolders. The eight digits in
its name identify an image.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from ..errors import DataError, UsageError, counted
from ..store.files import user_path
from . import classes, place
from .registry import Export

_IMAGE = re.compile(r"ILSVRC2012_val_(\d{8})\D.*", re.IGNORECASE)
_NAMED = 3


def write(export: Export) -> int:
    """Write the tree; return the number of links or copies.

    Raises UsageError for a missing or an invalid option, DataError if an image is missing from the
    folder, or is there twice.
    """
    which = export.options.get("per_image", "first")
    if which not in ("first", "all"):
        raise UsageError(
            f"`per_image` is {which!r}. It must be one of first, all",
            value=which,
            parameter="per_image",
        )
    if "images" not in export.options:
        raise UsageError(
            "imagefolder needs the folder of the images",
            parameter="images",
            remedy='Set it with `images="DIR"`',
        )
    folder = user_path(export.options["images"])
    wanted = export.con.execute(
        """
        select i.image_id, i.file_name, c.wordnet_id
        from labels as l
        inner join images as i on l.image_id = i.image_id
        inner join classes as c on l.label = c.label
        semi join exported as e on l.image_id = e.image_id
        where l.position = 0 or $which = 'all'
        order by l.image_id, l.position
        """,
        {"which": which},
    ).fetchall()
    found = _find(folder)
    names = {image: file_name for image, file_name, _ in wanted}
    missing = [file_name for image, file_name in names.items() if image not in found]
    if missing:
        more = f" and {len(missing) - _NAMED:,} more" if len(missing) > _NAMED else ""
        raise DataError(
            f"{folder} lacks {len(missing):,} of {counted(len(names), 'image')}: "
            f"{', '.join(missing[:_NAMED])}{more}",
            file=folder,
            value=missing[0],
            count=len(missing),
            parameter="where",
            remedy="Export only the existing images, with `where`",
        )
    for name in classes.wordnet_ids(export.con):
        (export.path / name).mkdir(parents=True)
    for image, _, name in wanted:
        source = found[image]
        target = export.path / name / source.name
        if export.options.get("copy"):
            shutil.copyfile(source, target)
        else:
            _link(source, target)
    return len(wanted)


def count(path: Path) -> int:
    """Count the files in the class folders at `path`. Broken links do not count."""
    return sum(
        file.is_file() for name in os.scandir(path) if name.is_dir() for file in os.scandir(name)
    )


def _find(folder: Path) -> dict[int, Path]:
    """Return the path of each image below `folder`. Skip folders that realdb exported."""
    if not folder.is_dir():
        raise DataError(f"the folder {folder} does not exist", file=folder, parameter="images")
    found: dict[int, Path] = {}
    for inside, folders, files in os.walk(folder.resolve()):
        if place.MARK in files:
            folders.clear()
            continue
        for name in files:
            match = _IMAGE.fullmatch(name)
            if not match:
                continue
            here = Path(inside, name)
            there = found.setdefault(int(match[1]), here)
            if there != here:
                raise DataError(
                    f"{folder} has image {int(match[1])} twice: {there} and {here}",
                    file=folder,
                    column="image",
                    value=int(match[1]),
                    count=2,
                )
    return found


def _link(source: Path, target: Path) -> None:
    try:
        target.symlink_to(source)
    except OSError as error:
        if os.name != "nt":
            raise
        raise DataError(
            f"Windows does not allow symbolic links here ({error})",
            parameter="copy",
            remedy="Use `copy=True`",
        ) from None
