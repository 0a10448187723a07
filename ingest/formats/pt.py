"""A PyTorch tensor in a file."""

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

    Only weights are loaded: a file that holds code is refused. Raises DataError without torch.
    """
    npy.require_no_columns(options, str(path))
    try:
        import torch  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        raise DataError(
            f"{path} is a PyTorch file, and torch, which reads it, is not installed here",
            file=path,
            remedy="Where torch is installed, run numpy.save('predictions.npy', "
            "torch.load(FILE).numpy())",
        ) from None
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle's and zip's errors, of many kinds
        text = str(error).strip().partition("\n")[0]
        remedy = None
        if "eights only" in text:  # torch goes on to advise loading it all the same
            text = "it contains other things than tensors, and loading these could run code"
            remedy = "Save the tensor alone: torch.save(logits, FILE)"
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
            f"{path} contains a {type(held).__name__}; a tensor is needed",
            file=path,
            value=type(held).__name__,
        )
    if held.dtype == torch.bfloat16:  # unknown to NumPy
        held = held.float()
    # Logits that were saved without torch.no_grad() still carry their gradient.
    return npy.from_array(con, held.detach().numpy(), options, where)
