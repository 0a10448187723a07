"""A text file with a line for each image: its name, a tab, and its ReaL labels.

file_name: ILSVRC2012_val_00000001.JPEG
labels: class ids (0-999) in the order of real.json, separated by spaces; empty if there are none

The first line is a header. The format cannot have a notice.
"""

from __future__ import annotations

from ..schema import quoting
from .registry import Export


def write(export: Export) -> int:
    """Write the list, by image; return the number of images."""
    ((images,),) = export.con.execute(
        f"""
        copy (
            select
                i.file_name,
                string_agg(l.label, ' ' order by l.position) as labels
            from images as i
            semi join exported as e on i.image_id = e.image_id
            left join labels as l on i.image_id = l.image_id
            group by i.image_id, i.file_name
            order by i.image_id
        )
        to {quoting.literal(quoting.file_name(export.path))} (format csv, header, delimiter '\\t')
        """  # noqa: S608, the path is quoted
    ).fetchall()
    return int(images)
