"""Weights and checkpoints as safetensors: flat names, JSON beside them, nothing that executes.

A weights file holds the float parameters (`encoder/fine/0/kernel`, ...), the integer entropy model (`integer/...`)
and the configuration; its SHA-256 names the model in every stream. Files to be shipped may be compact (`compact`).
"""

import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from flax import nnx
from safetensors import safe_open
from safetensors.numpy import save

from dsp.frames import FrameSpec
from lpcnet_cq.bitstream.codec_config import CodecConfig
from lpcnet_cq.checkpoint.half_precision import compact, expand
from lpcnet_cq.music.config import MusicConfig
from lpcnet_cq.music.freeze import thaw as thaw_music
from lpcnet_cq.speech.config import SpeechConfig
from lpcnet_cq.speech.freeze import thaw as thaw_speech

INTEGER = "integer/"
FOLDER = Path(__file__).parents[1] / "released"  # the released ones


def flatten(tree: dict, prefix: str = "") -> dict[str, np.ndarray]:
    """Turn nested dictionaries into one with names joined by '/'."""
    flat = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        flat |= flatten(value, name + "/") if isinstance(value, dict) else {name: np.asarray(value)}
    return flat


def unflatten(flat: dict[str, np.ndarray]) -> dict:
    """Turn names joined by '/' back into nested dictionaries; digits become integers."""
    tree: dict = {}
    for name, value in flat.items():
        *path, last = (int(key) if key.isdigit() else key for key in name.split("/"))
        node = tree
        for key in path:
            node = node.setdefault(key, {})
        node[last] = value
    return tree


def write_tensors(path: Path, tensors: dict[str, np.ndarray], metadata: dict[str, str]) -> None:
    """Write a safetensors file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    data = save({name: np.asarray(value, order="C") for name, value in tensors.items()}, metadata)
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    header["__metadata__"] = metadata  # safetensors shuffles its keys: the same values would not make the same file
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    partial.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + size :])
    os.replace(partial, path)


def read_tensors(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Read a safetensors file."""
    with safe_open(path, framework="numpy") as f:
        return {name: f.get_tensor(name) for name in f.keys()}, dict(f.metadata() or {})


def codec_config_from_dict(values: dict) -> MusicConfig | SpeechConfig:
    """Rebuild the configuration of a codec from the JSON of a weights file."""
    values = dict(values)
    return (MusicConfig if "bands" in values else SpeechConfig)(spec=FrameSpec(**values.pop("spec")), **values)


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
        From `tables.freeze` or `music.tables.freeze`.
    config : SpeechConfig or MusicConfig
    notes : dict
        JSON values to keep with the file: how it was trained.
    small : bool
        Store the same in fewer bytes (`compact`), for use rather than for more training.
    """
    tensors = flatten(nnx.to_pure_dict(params)) | {INTEGER + k: v for k, v in integers.items()}
    tensors = compact(tensors) if small else tensors
    write_tensors(path, tensors, {"config": json.dumps(asdict(config)), "notes": json.dumps(notes)})


def find_weights(name_or_path: str | os.PathLike) -> Path:
    """Return the path of released weights by their name, of a training run's, or of a weights file.

    Raises
    ------
    ValueError
        If there are no such weights.
    """
    name, path = str(name_or_path), Path(name_or_path)
    for candidate in (FOLDER / f"{name}.safetensors", path / "weights.safetensors", path):
        if candidate.is_file():
            return candidate
    names = ", ".join(p.stem for p in sorted(FOLDER.glob("*.safetensors")))
    raise ValueError(f"there are no weights `{name}`; released are: {names}, or give a file or a run's folder")


class Weights(NamedTuple):
    """Hold what a weights file holds, and its SHA-256."""

    floats: dict  # nested
    integers: dict[str, np.ndarray]
    config: CodecConfig
    notes: dict
    sha256: str


def read_weights(path: Path, prefix: str) -> tuple[dict, dict[str, np.ndarray], dict, str]:
    """Return the nested floats of a weights file, the tensors below `prefix`, its JSON values, and its SHA-256."""
    tensors, metadata = read_tensors(path)
    tensors = expand(tensors)
    floats = {k: v for k, v in tensors.items() if not k.startswith(prefix)}
    others = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    values = {name: json.loads(text) for name, text in metadata.items()}
    return unflatten(floats), others, values, hashlib.sha256(Path(path).read_bytes()).hexdigest()


def load_weights(path: Path) -> Weights:
    """Read a weights file.

    Raises
    ------
    ValueError
        If the file is missing or is no weights file of this project.
    """
    try:
        floats, integers, values, sha256 = read_weights(path, INTEGER)
        config = codec_config_from_dict(values["config"])
        if "entropy" not in floats and integers:  # a compact file
            thawed = thaw_music(integers, config) if isinstance(config, MusicConfig) else thaw_speech(integers, config)
            floats |= {"entropy": thawed}
        return Weights(floats, integers, config, values["notes"], sha256)
    except Exception as error:  # safetensors has an exception type per fault
        raise ValueError(f"`{path}` is not a readable weights file: {error}") from error


def save_checkpoint(path: Path, state, notes: dict) -> None:
    """Save any tree of arrays, in the order of its leaves."""
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(state)]
    write_tensors(path, {f"{i:05d}": leaf for i, leaf in enumerate(leaves)}, {"notes": json.dumps(notes)})


def load_checkpoint(path: Path, like):
    """Load a tree saved by `save_checkpoint` into the structure of `like`; return it and its notes."""
    tensors, metadata = read_tensors(path)
    shapes = [np.shape(leaf) for leaf in jax.tree.leaves(like)]
    leaves = [tensors[name].reshape(shape) for name, shape in zip(sorted(tensors), shapes, strict=True)]
    return jax.tree.unflatten(jax.tree.structure(like), leaves), json.loads(metadata["notes"])
