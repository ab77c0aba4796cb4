"""Weights of a published system as safetensors: parameters, frequency tables, configuration."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
from flax import nnx

from lpcnet_cq.checkpoint.weights import flatten, read_weights, write_tensors
from lpcnet_cq.published.config import SystemConfig, system_from_dict

TABLE = "table/"


class Weights(NamedTuple):
    """Hold the content of a weights file, and its SHA-256."""

    floats: dict  # nested
    tables: dict[str, np.ndarray]
    system: SystemConfig
    notes: dict
    sha256: str


def save_system(path: Path, params: nnx.State, tables: dict[str, np.ndarray], c: SystemConfig, notes: dict) -> None:
    """Save parameters, frequency tables and configuration; `notes` are JSON values about the training."""
    tensors = flatten(nnx.to_pure_dict(params)) | {TABLE + name: table for name, table in tables.items()}
    write_tensors(path, tensors, {"system": json.dumps(asdict(c)), "notes": json.dumps(notes)})


def load_system(path: Path) -> Weights:
    """Read a weights file.

    Raises
    ------
    ValueError
        If the file is missing or does not hold a published system.
    """
    try:
        floats, tables, values, sha256 = read_weights(path, TABLE)
        return Weights(floats, tables, system_from_dict(values["system"]), values["notes"], sha256)
    except Exception as error:  # safetensors raises many types of exceptions
        raise ValueError(f"`{path}` is not a readable weights file of a published system: {error}") from error
