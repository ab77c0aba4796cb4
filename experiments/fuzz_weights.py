"""Damaged weights files: what loads must code, and what does not load must say so in one sentence.

Files that load decode a short stream that names them; its packets mostly do not fit the other weights. Sound is not
judged: any finite numbers are weights.
"""

import hashlib
import json
import math
import tempfile
import warnings
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from fuzz_format import FIELDS, repaired
from fuzz_mutations import BYTES, mutate
from fuzz_seeds import Seed
from fuzz_targets import Broken, Case, accepts, checked
from safetensors.numpy import save

import lpcnet_cq
from lpcnet_cq.checkpoint.weights import find_weights, read_tensors

Tensors = dict[str, np.ndarray]
NAMES = ("cq-sparse", "cq3")  # packed files: each has sparse tensors and frequencies in place of tables
ODD = (0, 1, -1, 17, 1 << 15, 1 << 31, -(1 << 31), 1 << 62, -(1 << 62))


def draw_weights(random: Random, seeds: list[Seed]) -> Case:
    """Return a case of the target "weights"."""
    seed = random.choice([seed for seed in seeds if seed.codec.name in NAMES])
    tensors, metadata = _files[seed.codec.name]
    tensors, metadata = dict(tensors), dict(metadata)
    kind = random.choice(list(MUTATIONS))
    if kind == "bytes":
        mutation, data = mutate(random, save(tensors, metadata), b"", BYTES, repair=False)
        data = data if random.random() < 0.5 else _with_size(data)
    else:
        MUTATIONS[kind](random, tensors, metadata)
        mutation, data = kind, save({k: np.asarray(v, order="C") for k, v in tensors.items()}, metadata)
    return Case("weights", mutation, lambda: load(data, seed.data), len(data), 1.0)


def _with_size(data: bytes) -> bytes:
    """Return a file whose header begins and ends where its first bytes say, if it has an end."""
    end = data.find(b"}}", 8) + 2
    return data if end < 10 else (end - 8).to_bytes(8, "little") + data[8:]


def load(data: bytes, stream: bytes) -> str:
    """Load weights, and decode with them."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # overflows of numbers that no training would give
        path = Path(folder) / "weights.safetensors"
        path.write_bytes(data)
        try:
            codec = lpcnet_cq.load(path)
        except ValueError as error:
            if str(path) not in str(error) or "\n" in str(error):
                raise Broken(f"the error is not one sentence with the file: {error}") from error
            return str(error).replace(str(path), "FILE")
        at, n = FIELDS["model"]
        stream = stream[:at] + hashlib.sha256(data).digest()[:n] + stream[at + n :]
        return accepts(lambda: checked(codec.decode(repaired(stream))[0]))


def _values(random: Random, tensors: Tensors, metadata: dict) -> None:
    name = random.choice(list(tensors))
    tensor = tensors[name] = np.array(tensors[name])
    flat = tensor.reshape(-1)
    for _ in range(min(random.choice((1, 1, 10, 1000)), flat.size)):
        at = random.randrange(flat.size)
        if tensor.dtype.kind == "f":
            flat[at] = random.choice((np.nan, np.inf, -np.inf, 0, 60000, -60000, random.gauss(0, 10)))
        else:
            limits = np.iinfo(tensor.dtype)
            flat[at] = random.choice((limits.min, limits.max, 0, random.randint(int(limits.min), int(limits.max))))


def _types(random: Random, tensors: Tensors, metadata: dict) -> None:
    name = random.choice(list(tensors))
    tensor = np.array(tensors[name])
    with np.errstate(invalid="ignore", over="ignore"):
        tensor = tensor.astype(random.choice((np.int8, np.uint16, np.int64, np.float16, np.float64, bool)))
    if tensor.dtype == np.int64 and tensor.size:
        tensor.reshape(-1)[random.randrange(tensor.size)] = random.choice(ODD)
    tensors[name] = tensor


def _shapes(random: Random, tensors: Tensors, metadata: dict) -> None:
    name = random.choice(list(tensors))
    tensor = tensors[name]
    shapes = [(tensor.size,), (1, *tensor.shape), tensor.shape[::-1], (math.prod(tensor.shape), 1)]
    changed = [tensor.reshape(shape) for shape in shapes] + ([tensor[..., :-1], tensor[:0]] if tensor.ndim else [])
    tensors[name] = random.choice(changed)


def _names(random: Random, tensors: Tensors, metadata: dict) -> None:
    name, other = random.choice(list(tensors)), random.choice(list(tensors))
    kind = random.randrange(4)
    if kind == 0:
        tensors[name], tensors[other] = tensors[other], tensors[name]
    elif kind == 1:
        del tensors[name]
    elif kind == 2:
        odd = (f"{name}/0", f"{name}x", "", "integer/", "integer/layout", "a/layout", "/")
        tensors[random.choice(odd)] = tensors[other]
    else:
        tensors[random.choice((f"{name}/layout", "integer/frequencies"))] = np.array([1, 1, *random.choices(ODD, k=2)])


def _layout(random: Random, tensors: Tensors, metadata: dict) -> None:
    """Edit what sparse tensors say of their sizes."""
    names = [name for name in tensors if name.endswith("/layout")]
    name = random.choice(names)
    layout = np.array(tensors[name], np.int64)
    layout[random.randrange(layout.size)] = random.choice((*ODD, 8, 1000000007))
    tensors[name] = layout if random.random() < 0.5 else layout.astype(np.int32)


def _metadata(random: Random, tensors: Tensors, metadata: dict) -> None:
    name = random.choice(list(metadata))
    values = json.loads(metadata[name])
    place, key = _leaf(random, {"": values})
    if key != "":
        odd = (*ODD, None, "x", [], {}, True, 1e308, -0.5, float("nan"), float("inf"), 0.999, 2, 3, 5, 64, 4096)
        if random.random() < 0.15:
            del place[key]
        else:
            place[key] = random.choice(odd)
    metadata[name] = random.choice((json.dumps(values), json.dumps(values), "", "[]", "{", '"music"'))


def _leaf(random: Random, values: Any) -> tuple[Any, Any]:
    """Return a random place in a JSON value that is not empty: its container and its key."""
    place = key = None
    while isinstance(values, dict | list) and values:
        place, key = values, random.choice(list(values)) if isinstance(values, dict) else random.randrange(len(values))
        values = place[key]
    return place, key


MUTATIONS = {
    "values": _values,
    "types": _types,
    "shapes": _shapes,
    "names": _names,
    "layout": _layout,
    "metadata": _metadata,
    "bytes": None,
}
_files = {name: read_tensors(find_weights(name)) for name in NAMES}
