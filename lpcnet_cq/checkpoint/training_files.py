"""Files that training writes: weights for coding, and checkpoints with the whole state of a run.

Place in the chain: after training; `weights` reads the weights, without JAX.
"""

import json
from dataclasses import asdict
from pathlib import Path

import jax
import numpy as np
from flax import nnx

from lpcnet_cq.bitstream.codec_config import CodecConfig
from lpcnet_cq.checkpoint.half_precision import pack_weights
from lpcnet_cq.checkpoint.weights import INTEGER, flatten, read_tensors, write_tensors
from lpcnet_cq.registry import record_of


def save_weights(
    path: Path,
    params: nnx.State,
    integers: dict[str, np.ndarray],
    config: CodecConfig,
    notes: dict,
    small: bool = False,
) -> None:
    """Save float parameters, the integer entropy model and the configuration.

    Parameters
    ----------
    path : Path
    params : nnx.State
    integers : dict
        From the codec's `CodecRecord.freeze`.
    config : CodecConfig
        Configuration of a registered codec; the file stores its kind.
    notes : dict
        JSON values to store in the file: `steps`, `mean_rates_bps`, `supported_bps`, and facts about the training.
    small : bool
        Pack the weights (`pack_weights`), for release.
    """
    tensors = flatten(nnx.to_pure_dict(params)) | {INTEGER + k: v for k, v in integers.items()}
    tensors = pack_weights(tensors) if small else tensors
    values = {"kind": record_of(config).kind, "config": asdict(config), "notes": notes}
    write_tensors(path, tensors, {name: json.dumps(value) for name, value in values.items()})


def save_checkpoint(path: Path, state, notes: dict) -> None:
    """Save a tree of arrays, in the order of its leaves."""
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(state)]
    write_tensors(path, {f"{i:05d}": leaf for i, leaf in enumerate(leaves)}, {"notes": json.dumps(notes)})


def load_checkpoint(path: Path, like):
    """Load a tree that `save_checkpoint` saved, with the structure of `like`; return the tree and its notes."""
    tensors, metadata = read_tensors(path)
    shapes = [np.shape(leaf) for leaf in jax.tree.leaves(like)]
    leaves = [tensors[name].reshape(shape) for name, shape in zip(sorted(tensors), shapes, strict=True)]
    return jax.tree.unflatten(jax.tree.structure(like), leaves), json.loads(metadata["notes"])
