"""Read a PyTorch tensor."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import DataError
from ..options import ReadOptions
from . import npy, npz

if TYPE_CHECKING:
    import duckdb


def read(
    con: duckdb.DuckDBPyConnection, path: Path, options: ReadOptions
) -> duckdb.DuckDBPyRelation:
    """Read a tensor, or a dict with one, as torch.save writes it; see `npy.from_rows`.

    Only weights are loaded, and a file with code is refused. Raises DataError without torch.
    """
    npy.require_no_columns(options, str(path))
    try:
        import torch  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        raise DataError(
            f"{path} is a PyTorch file, but torch is not installed in this environment",
            file=path,
            remedy="Install torch, or convert the file in an environment with torch: "
            "numpy.save('predictions.npy', torch.load(FILE).numpy())",
        ) from None
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle and zip raise many kinds of errors
        text = str(error).strip().partition("\n")[0]
        remedy = None
        if "eights only" in text:  # torch's own message recommends an unsafe load
            text = "it contains objects other than tensors, which could run code when loaded"
            remedy = "Save only the tensor: torch.save(logits, FILE)"
        raise DataError(
            f"{path} cannot be read as PyTorch weights: {text}", file=path, remedy=remedy
        ) from None
    where = str(path)
    if isinstance(held, dict):
        tensors = {str(name): value for name, value in held.items() if torch.is_tensor(value)}
        name = npz.the_one(list(tensors), where)
        held, where = tensors[name], f"{path}: {name}"
    if not torch.is_tensor(held):
        raise DataError(
            f"{path} contains a {type(held).__name__}, but a tensor is needed",
            file=path,
            value=type(held).__name__,
        )
    if held.dtype == torch.bfloat16:  # unknown to NumPy
        held = held.float()
    # detach: logits that were saved without torch.no_grad() require a gradient.
    return npy.from_array(con, held.detach().numpy(), options, where)
