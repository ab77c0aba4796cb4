"""Weights as safetensors files: tensors with flat names, JSON metadata, no executable content.

A weights file contains the float parameters (`encoder/fine/0/kernel`, ...), the integer entropy model (`integer/...`)
and the configuration. Every stream identifies its model by the SHA-256 of the weights file. Released files can be
packed (`half_precision`). `training_files` writes weights.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from dsp.frames import FrameSpec
from lpcnet_cq.bitstream.codec_config import CodecConfig
from lpcnet_cq.checkpoint.earlier_files import current_config, current_notes, current_tensors, kind_of
from lpcnet_cq.checkpoint.half_precision import FLOAT_ENTROPY, unpack_weights
from lpcnet_cq.checkpoint.weights_check import INTEGER, check_tensors
from lpcnet_cq.registry import record_named, record_of

FOLDER = Path(__file__).parents[1] / "released"  # released weights


def flatten(tree: dict, prefix: str = "") -> dict[str, np.ndarray]:
    """Convert nested dictionaries to one dictionary whose names are joined by '/'."""
    flat = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        flat |= flatten(value, name + "/") if isinstance(value, dict) else {name: np.asarray(value)}
    return flat


def unflatten(flat: dict[str, np.ndarray]) -> dict:
    """Convert names joined by '/' to nested dictionaries; names of digits become integers."""
    tree: dict = {}
    for name, value in flat.items():
        *path, last = (int(key) if key.isdigit() else key for key in name.split("/"))
        node = tree
        for key in path:
            node = node.setdefault(key, {})
        node[last] = value
    return tree


def write_tensors(path: Path, tensors: dict[str, np.ndarray], metadata: dict[str, str]) -> None:
    """Write a safetensors file; if writing fails, no partial file remains."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    data = save({name: np.asarray(value, order="C") for name, value in tensors.items()}, metadata)
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    header["__metadata__"] = metadata  # safetensors orders these keys at random, and files would differ
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    partial.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + size :])
    os.replace(partial, path)


def read_tensors(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Read a safetensors file."""
    with safe_open(path, framework="numpy") as f:
        return {name: f.get_tensor(name) for name in f.keys()}, dict(f.metadata() or {})


def codec_config_from_dict(values: dict, kind: str = "") -> CodecConfig:
    """Rebuild the configuration of a codec from JSON.

    Parameters
    ----------
    values : dict
        Fields of the configuration, `spec` as a dict.
    kind : str
        Kind of the codec; empty for values from a file of an earlier release.

    Raises
    ------
    ValueError
        If no codec has this kind.
    """
    config = record_named(kind or kind_of({"config": values})).config
    values = current_config(values)
    return config(spec=FrameSpec(**values.pop("spec")), **values)


def find_weights(name_or_path: str | os.PathLike) -> Path:
    """Return the path of a weights file, given the name of released weights, the folder of a run, or a file.

    Raises
    ------
    ValueError
        If no such weights exist.
    """
    if not isinstance(name_or_path, str | os.PathLike):
        raise ValueError(f"`name_or_path` is of type {type(name_or_path).__name__}, it must be a name or a path")
    name, path = str(name_or_path), Path(name_or_path)
    for candidate in (FOLDER / f"{name}.safetensors", path / "weights.safetensors", path):
        if candidate.is_file():
            return candidate
    names = ", ".join(p.stem for p in sorted(FOLDER.glob("*.safetensors")))
    raise ValueError(f"there are no weights `{name}`: give a released name ({names}), a file, or a run's folder")


def installed() -> dict[str, Path]:
    """Return the paths of the released weights, by the first 16 hexadecimal digits of their hashes."""
    return {hashlib.sha256(p.read_bytes()).hexdigest()[:16]: p for p in sorted(FOLDER.glob("*.safetensors"))}


class Weights(NamedTuple):
    """Hold the content of a weights file, and its SHA-256."""

    floats: dict  # nested
    integers: dict[str, np.ndarray]
    config: CodecConfig
    notes: dict
    sha256: str


def read_weights(path: Path, prefix: str) -> tuple[dict, dict[str, np.ndarray], dict, str]:
    """Return the nested floats of a weights file, the tensors below `prefix`, its JSON values, and its SHA-256."""
    tensors, metadata = read_tensors(path)
    tensors = current_tensors(unpack_weights(tensors))
    floats = {k: v for k, v in tensors.items() if not k.startswith(prefix)}
    others = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    values = {name: json.loads(text) for name, text in metadata.items()}
    return unflatten(floats), others, values, hashlib.sha256(Path(path).read_bytes()).hexdigest()


def load_weights(path: Path) -> Weights:
    """Read a weights file, also one of an earlier release.

    Raises
    ------
    ValueError
        If the file is missing, is not a weights file of this project, or is damaged: see `weights_check`.
    """
    try:
        floats, integers, values, sha256 = read_weights(path, INTEGER)
        config = codec_config_from_dict(values["config"], kind_of(values))
        if integers and (shapes := record_of(config).tensor_shapes):
            needed = {name: tensor for name, tensor in flatten(floats).items() if not name.startswith(FLOAT_ENTROPY)}
            check_tensors(needed | {INTEGER + name: tensor for name, tensor in integers.items()}, shapes(config))
        if "entropy" not in floats and integers:  # a packed file
            floats |= {"entropy": record_of(config).thaw(integers, config)}
        return Weights(floats, integers, config, current_notes(values["notes"]), sha256)
    except Exception as error:  # safetensors raises many types of exceptions
        reason = f"it has no {error}" if isinstance(error, KeyError) else error
        raise ValueError(f"`{path}` is not a readable weights file: {reason}") from error
